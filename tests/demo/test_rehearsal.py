import pytest

from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.demo.rehearsal import BAD_NIGHTS, rehearsal_servers
from oaa_bitbucket_async.run.serving import fault_list
from tests.pages import rows, section


@pytest.mark.parametrize("name", BAD_NIGHTS)
def test_every_bad_night_changes_something_and_says_how_a_run_ends(name: str) -> None:
    night = BAD_NIGHTS[name]
    codes = {int(row[0]) for row in rows(section("monitoring", "Exit codes"))}
    assert int(night.end.partition(" ")[0].rstrip(",")) in codes
    assert (night.veza, night.rate_limit, night.change) != (None, None, None) or night.faults(_estate())
    bitbucket, _ = rehearsal_servers(_estate(), [name], 0, 0)
    assert bitbucket.faults or not night.faults(_estate())


def test_all_of_them_together() -> None:
    bitbucket, _ = rehearsal_servers(_estate(), list(BAD_NIGHTS), 0, 0)
    assert bitbucket.options.rate_limit is not None


def test_the_list_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", "--fault", "list"]) == 0
    assert capsys.readouterr().out == f"{fault_list()}\n"
    assert all(f"{name} " in fault_list() for name in BAD_NIGHTS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "outage"], "--fault (OAA_DEMO_FAULTS) needs --serve"),
        (["--serve", "--fault", "nonsense"], "does not know 'nonsense'. Known faults: outage,"),
        (["--serve", "--concurrency", "4"], "--concurrency has no effect with --serve"),
    ],
)
def test_what_would_have_no_effect_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["demo", *arguments]) == 2
    assert words in capsys.readouterr().err


def _estate() -> Estate:
    return generate(EstateShape.for_repositories(20))
