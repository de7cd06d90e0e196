"""A kind of question that nobody answers, over real sockets: said early, everything else collected."""

from dataclasses import replace

import pytest

from tests.integration.conftest import Benches
from tests.integration.harness import QUICK
from tests.servers import Fault

FEW = replace(QUICK, set_aside_after=10, try_every=0.1)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["login-page", "rate-limited", "reset", "hanging"])
def test_what_nobody_answers_is_one_missing_part_and_the_next_run_asks_for_it(bench: Benches, name: str) -> None:
    clean = bench().run()
    fault = Fault(name, match="repository-groups", retry_after=0)
    made = bench(faults=[fault])
    pace = replace(FEW, request_timeout=1.0) if name == "hanging" else FEW
    ran = made.run(pace=pace)
    assert ran.code == 3, ran.error
    assert ran.error is not None
    assert "40 parts could not be collected" in ran.error.message
    assert "group permissions of repository" in ran.error.message
    assert ran.requests <= 1.3 * clean.requests + (50 if name == "rate-limited" else 0)
    made.bitbucket.faults.remove(fault)
    again = made.run(pace=pace)
    assert (again.code, again.raw) == (0, clean.raw)
    assert again.requests < clean.requests


def test_a_kind_that_comes_back_gives_the_same_bytes(bench: Benches) -> None:
    clean = bench().run()
    ran = bench(faults=[Fault("error", match="repository-groups", first=5, times=12)]).run(pace=FEW)
    assert (ran.code, ran.raw) == (0, clean.raw)


def test_under_allow_partial_each_of_them_is_marked(bench: Benches) -> None:
    made = bench(faults=[Fault("error", match="repository-groups")])
    ran = made.run(pace=FEW, allow_partial=True)
    assert ran.code == 3
    repositories = [
        repository
        for project in ran.payload["applications"][0]["resources"]
        for repository in project.get("sub_resources", [])
    ]
    assert len(repositories) == 40
    assert all(repository["custom_properties"]["collected"] is False for repository in repositories)
