"""Whether public flags count: found out at the end of a run by asking as nobody, and kept where that tells nothing."""

import re
from dataclasses import replace

import pytest

from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.settings import Veza
from tests.examples import first
from tests.integration.conftest import SMALL, Benches
from tests.integration.harness import Bench, Ran
from tests.servers import Fault, RiggedOptions

EVERYONE = "built-in:licensed-users"


def estate(*, public_access: bool = True, flags: bool = True) -> Estate:
    """With something public by itself and by its project, and a default permission on the latter."""
    made = generate(SMALL)
    for thing in (*made.projects, *made.repositories):
        thing.public = False
    if flags:
        made.projects[0].public, made.projects[0].defaults = True, ()
        for repository in made.repositories[:3]:
            repository.public = True
    made.projects[1].defaults = ("PROJECT_READ",)
    made.public_access = public_access
    return made


def switch(bench: Bench, *, on: bool) -> None:
    bench.bitbucket.estate.public_access = on
    bench.bitbucket.estate.changed()


def said(ran: Ran) -> str:
    (application,) = ran.payload["applications"]
    return str(application["custom_properties"]["public_access"])


def read_by_everyone(ran: Ran) -> int:
    """What `Licensed users` may read: projects and repositories."""
    (everyone,) = (one for one in ran.payload["identity_to_permissions"] if one["identity"] == EVERYONE)
    return sum(len(one["resources"]) for one in everyone["application_permissions"])


def flags(ran: Ran) -> int:
    (application,) = ran.payload["applications"]
    things = [*application["resources"], *(r for p in application["resources"] for r in p.get("sub_resources", ()))]
    return sum(thing["custom_properties"]["is_public"] for thing in things)


def anonymous(bench: Bench) -> int:
    return sum(request.user == "" for request in bench.bitbucket.requests)


@pytest.mark.parametrize("version", first("9.4.0", of=["7.21.0", "9.4.0", "10.0.1"]))
def test_flags_count_only_while_the_switch_is_on(bench: Benches, version: str) -> None:
    made = bench(RiggedOptions(version=version, basic_enabled=True), estate=estate())
    on = made.run()
    assert (said(on), flags(on), anonymous(made)) == ("on", 4, 1)
    by_default = sum(len(project.defaults) for project in made.bitbucket.estate.projects)
    assert read_by_everyone(on) == by_default + 4
    switch(made, on=False)
    off = made.run(max_removed=0.0)
    assert off.code == 0, "rights that went because public access is off are no removal"
    assert (said(off), flags(off), anonymous(made)) == ("off", 4, 1 + 3)
    assert read_by_everyone(off) == by_default


def test_nothing_is_asked_where_nothing_is_called_public(bench: Benches) -> None:
    made = bench(estate=estate(flags=False))
    assert said(made.run()) == "none flagged"
    assert anonymous(made) == 0


def test_what_can_t_be_told_stays_as_the_last_upload_had_it(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(estate=estate(public_access=False))
    off = made.run()
    assert "public access" not in warnings(capsys)
    made.bitbucket.faults = [Fault("login-page", match="repository")]
    kept = made.run()
    assert kept.raw == off.raw
    assert warnings(capsys).count("it is treated as off, as in the last upload") == 1
    made.bitbucket.faults = []
    switch(made, on=True)
    on = made.run()
    made.bitbucket.faults = [Fault("login-page", match="repository")]
    assert made.run().raw == on.raw
    assert warnings(capsys).count("it is treated as on, as in the last upload") == 1


def test_without_a_last_upload_that_tells_flags_count_with_a_warning(
    bench: Benches, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bench(faults=[Fault("login-page", match="repository")], estate=estate(public_access=False))
    unknown = made.run()
    assert (said(unknown), unknown.code) == ("unknown", 0)
    assert read_by_everyone(unknown) == 4 + sum(len(project.defaults) for project in made.bitbucket.estate.projects)
    assert warnings(capsys).count("everyone who may sign in is shown as a reader") == 1
    assert said(made.run()) == "unknown", "it tells the next run nothing"


def warnings(capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join(line for line in capsys.readouterr().err.splitlines() if " WARNING " in line)


def test_a_dry_run_without_veza_asks_too(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(estate=estate(public_access=False))
    settings = made.settings(veza=Veza(), dry_run=True)
    assert made.run(settings).code == 0
    assert "public access: off: a public mark gives nobody access" in capsys.readouterr().err
    made.bitbucket.faults = [Fault("login-page", match="repository")]
    assert made.run(settings).code == 0
    assert "public access: unknown: treated as on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("on", "words"), [(True, "access is on: everybody"), (False, "access is off: a public mark gives nobody access")]
)
def test_check_says_so_and_counts_what_it_costs(
    bench: Benches, capsys: pytest.CaptureFixture[str], on: bool, words: str
) -> None:
    made = bench(estate=estate(public_access=on))
    nothing = bench(estate=estate(flags=False))
    assert made.check() == 0
    told = capsys.readouterr().out
    assert f"Public:      {words}" in told
    assert nothing.check() == 0
    without = capsys.readouterr().out
    assert "Public:      nothing is marked public" in without
    assert requests_in(told) - requests_in(without) == made.run().requests - nothing.run().requests == (1 if on else 6)


def requests_in(text: str) -> int:
    found = re.search(r"^ +a run +([\d,]+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_check_where_it_can_t_be_told(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(faults=[Fault("login-page", match="repository")], estate=estate())
    assert made.check() == 0
    assert "unknown whether it is on" in capsys.readouterr().out


def test_a_bitbucket_that_strips_names_is_asked_whether_nobody_is_nobody(bench: Benches) -> None:
    made = bench(RiggedOptions(strip_username_header=True), estate=estate(public_access=False))
    assert said(made.run()) == "off"
    switch(made, on=True)
    assert said(made.run()) == "on"


def test_a_resumed_run_asks_again(bench: Benches) -> None:
    made = bench(faults=[Fault("error", match="repository-users", times=1)], estate=estate())
    first = made.run(pace=replace(made.settings().pace, max_attempts=1, concurrency=1))
    assert first.code in (0, 3)
    switch(made, on=False)
    made.bitbucket.faults = []
    assert said(made.run()) == "off"
