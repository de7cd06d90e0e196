"""Incremental runs, as a user makes them: the same bytes as a full run, for a part of its requests."""

import re
from collections import Counter
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo.changes import set_public
from oaa_bitbucket_async.run.demonstration import demonstrate
from oaa_bitbucket_async.settings import Output, Scope
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Bench
from tests.integration.keyed import EVERYTHING, keyed

BULK = "/permissions/"


def asked(bench: Bench, before: int) -> Counter[str]:
    return Counter(request.path for request in bench.bitbucket.requests[before:])


def test_without_a_base_it_is_a_full_crawl(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    full = made.run()
    other = bench()
    ran = other.run(incremental=True)
    assert (ran.code, ran.raw) == (0, full.raw)
    assert "a full crawl: no upload with these settings" in capsys.readouterr().err


def test_it_asks_a_part_and_uploads_the_same_bytes(bench: Benches) -> None:
    made = bench()
    full = made.run()
    ran = made.run(incremental=True)
    assert (ran.code, ran.raw) == (0, full.raw)
    assert ran.requests < full.requests / 2
    assert made.run(incremental=True).requests <= ran.requests, "the next one knows no less"


def test_the_same_with_all_that_include_adds(bench: Benches) -> None:
    made = bench(estate=keyed())
    full = made.run(include=EVERYTHING, basic=False)
    requests = []
    for number in range(3):
        set_public(made.bitbucket.estate, made.bitbucket.estate.repositories[number], True)
        ran = made.run(include=EVERYTHING, basic=False, incremental=True)
        assert ran.code == 0, ran.error
        requests.append(ran.requests)
    assert max(requests) < full.requests / 3, "what is hidden, and what helps to understand, is known too"
    assert made.run(include=EVERYTHING, basic=False).raw == ran.raw


# --- nothing sent ---------------------------------------------------------------------------------------------------


@pytest.fixture
def twice(bench: Benches) -> Bench:
    """An incremental run has sent what there is, and nothing has changed since."""
    made = bench()
    assert made.run(incremental=True).code == 0
    return made


def test_what_veza_has_already_is_not_sent(twice: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = tmp_path / "m.prom"
    output = Output(progress=False, metrics_file=metrics)
    capsys.readouterr()
    for _ in range(2):
        ran = twice.run(incremental=True, output=output)
        assert (ran.code, ran.raw) == (0, [])
    assert "Nothing to send, Veza already has it" in capsys.readouterr().err
    assert re.search(r"^oaa_bitbucket_last_success_timestamp_seconds.* [1-9]", metrics.read_text(), re.MULTILINE)


def test_a_change_is_sent(twice: Bench) -> None:
    set_public(twice.bitbucket.estate, twice.bitbucket.estate.repositories[0], True)
    assert len(twice.run(incremental=True).raw) == 1
    assert twice.run(incremental=True).raw == []


def test_a_full_run_is_always_sent(twice: Bench) -> None:
    assert len(twice.run().raw) == 1


def test_a_sign_in_alone_is_not_sent(twice: Bench) -> None:
    estate = twice.bitbucket.estate
    estate.users[0].last_login = 1_790_000_000_000
    estate.changed()
    assert twice.run(incremental=True).raw == []


def test_after_a_push_by_somebody_else_it_is_sent(twice: Bench, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    assert twice.run(dry_run=True, output=Output(progress=False, save_json=saved)).code == 0
    assert twice.push(saved) == 0
    assert len(twice.run(incremental=True).raw) == 1


def test_what_veza_could_not_parse_is_sent_again(bench: Benches) -> None:
    made = bench()
    made.veza.fail("parse-failed")
    assert made.run(incremental=True).code == 0
    sent = [len(made.run(incremental=True).raw) for _ in range(3)]
    assert sum(sent) == 1, "once the data source shows that it failed"


def test_the_demo_shows_both_runs_side_by_side(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "payload.json"
    output = Output(progress=False, save_json=saved)
    assert demonstrate(repositories=60, seed=1, pace=QUICK, scope=Scope(), output=output, changes=5) == 0
    said = capfd.readouterr().err
    table = said[said.index("after 5 changes") :]
    row = re.search(r"requests +(\d+) +(\d+)", table)
    assert row is not None
    assert int(row[1]) > 2 * int(row[2])
    assert "in doubt" not in said
    assert saved.exists()
