"""The benchmarks' arithmetic and their processes; never what they measure."""

import asyncio
import sys

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks import bare_loop, least_requests, least_time, rate_limit, scale
from benchmarks.__main__ import main
from benchmarks.collector import Phase, Report, ServerStats
from benchmarks.figures import Figure, middle, spread, table
from benchmarks.processes import collect, serving
from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, Group, Project, User


def report(
    *, requests: int = 100, refused: int = 0, busy: float = 80.0, wall: float = 11.0, cpu: float = 0.02
) -> Report:
    stats = ServerStats(requests, requests, busy, refused, {"users": requests})
    return Report(
        phases={name: Phase(wall, cpu, 200.0) for name in ("start", "preflight", "crawl", "build")},
        sent={"users": requests},
        server=stats,
        server_all=stats,
        limit=[(0.5, 8, 16, "slow start"), (1.5, 16, 10, "full"), (9.0, 10, 11, "room")],
        complete=True,
        found={"grants": 5},
    )


def test_a_goal_is_judged_by_what_is_printed() -> None:
    assert not Figure("f", "s", 1.504, goal=1.5).missed
    assert Figure("f", "s", 1.506, goal=1.5).missed
    assert not Figure("f", "s", 99.0).missed


def test_a_figure_that_missed_its_goal_stands_as_missed() -> None:
    text = table([Figure("time", "here", 1.5, goal=1.08), Figure("refused", "there", 0.0, "%", 0.0, "none")])
    assert "| time | here | 1.50 × | ≤ 1.08 | **missed** |  |" in text
    assert "| refused | there | 0.00 % | ≤ 0.00 | reached | none |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_several_runs() -> None:
    assert middle([3.0, 1.0, 2.0]) == 2.0
    assert spread([1.0, 3.0]) == "2 runs: 1.00 to 3.00"
    assert spread([1.0]) == ""


def test_least_time_is_what_all_slots_together_were_busy() -> None:
    assert least_time.ratio(report(busy=80.0, wall=11.0), slots=8) == pytest.approx(1.1)
    assert report().ramp_up == 1.5


def test_what_a_bucket_allows() -> None:
    assert rate_limit.allowed_seconds(600, 60, 5.0) == 108.0
    assert rate_limit.allowed_seconds(59, 60, 5.0) == 0.0
    share, time = rate_limit.figures(report(requests=204, refused=4, wall=15.0), readable=False)
    assert share.value == pytest.approx(100 * 4 / 204)
    assert time.value == pytest.approx(30.0 / 28.0)


def test_least_requests_by_hand() -> None:
    users = [User(n, f"u{n}") for n in range(1, 1002)]
    own = Project(2, "~U1", "U", type="PERSONAL", owner="u1")
    estate = Estate(users, [Group("a", [u.name for u in users]), Group("b")], [Project(1, "A", "A"), own], [])
    wanted = least_requests.least(estate)
    assert wanted == {
        "users": 2,
        "groups": 1,
        "members": 3,
        "global-users": 1,
        "global-groups": 1,
        "projects": 1,
        "repositories": 1,
        "project-users": 1,
        "project-groups": 1,
        "project-default": 4,
        "repository-users": 0,
        "repository-groups": 0,
    }
    figure = least_requests.figure({**wanted, "users": 4}, wanted, "here")
    assert figure.value == pytest.approx(18 / 16)
    assert "users 4 for 2" in figure.note


def test_growth_is_per_repository() -> None:
    few, many = report(cpu=0.1), report(cpu=1.0)
    few, many = (msgspec.structs.replace(r, phases={**r.phases, "start": Phase(0.1, 0.1, 100.0)}) for r in (few, many))
    processor, build, memory = scale._growth([(10, few), (100, many)])
    assert processor.value == build.value == pytest.approx(1.0)
    assert memory.value == pytest.approx(0.1)
    assert scale._growth([(10, report())]) == []


def test_the_bare_loop_asks_what_a_crawl_asks_and_all_of_it_is_there() -> None:
    estate = generate(EstateShape.for_repositories(30))
    asked = bare_loop.questions(estate, Api("", 1000))
    assert len(asked) == sum(least_requests.least(estate).values())

    async def both() -> None:
        async with serving(30) as server:
            bare = await bare_loop._bare(server, asked, concurrency=4)
            ours = await collect(server, journal=False)
            assert bare.requests == sum(ours.sent.values()) == ours.server.requests
            assert bare.values > ours.found["grants"]
            assert bare.cpu > 0 < ours.phases["crawl"].cpu

    asyncio.run(both())


def test_a_run_is_measured_phase_by_phase() -> None:
    async def one() -> Report:
        async with serving(20, "--slots", "40", "--service-time", "1") as server:
            return await collect(server, concurrency=8, build=True)

    found = asyncio.run(one())
    assert list(found.phases) == ["start", "preflight", "crawl", "build"]
    assert found.server.served == found.server.requests == sum(found.sent.values())
    assert found.server_all.requests > found.server.requests
    assert found.found["repositories"] == 20
    assert found.payload_bytes > found.compressed_bytes > 0
    assert found.phases["build"].peak_mb > 0 or sys.platform == "win32"


def test_a_server_that_does_not_start_is_an_error() -> None:
    async def start() -> None:
        async with serving(10, "--no-such-option"):
            pass

    with pytest.raises(RuntimeError, match="did not start"):
        asyncio.run(start())


def test_its_help_names_the_questions() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "least-time" in result.output
