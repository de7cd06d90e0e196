"""The benchmarks' arithmetic and their processes; never what they measure."""

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks import (
    bare_loop,
    concurrency,
    falling,
    faults,
    least_requests,
    neighbours,
    rate_limit,
    readme,
    resume,
    scale,
)
from benchmarks.__main__ import QUESTIONS, ask, main, without_goals
from benchmarks.bare_loop import BARE, Cost
from benchmarks.collector import Phase, Report, ServerStats
from benchmarks.drawing import THEMES, draw, picture
from benchmarks.figures import Figure, middle, spread, table
from benchmarks.findings import charts
from benchmarks.lanes import Lanes
from benchmarks.plan import Plan
from benchmarks.processes import collect, command, serving
from benchmarks.records import Answer, Curve, LimitWay, RequestCost
from benchmarks.results import Results, Taken, load, save
from benchmarks.slots import Slots, least_seconds, ratio
from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, ModelGroup, ModelProject, ModelUser
from tests.servers.veza import RiggedVeza


def report(
    *, requests: int = 100, refused: int = 0, busy: float = 80.0, wall: float = 11.0, cpu: float = 0.02
) -> Report:
    stats = ServerStats(requests, requests, busy, refused, {"users": requests}, {}, busy, busy)
    return Report(
        phases={name: Phase(wall, cpu, 200.0) for name in ("start", "preflight", "crawl", "build", "upload")},
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
    assert ratio(report(busy=80.0, wall=11.0), Slots(8, 40)) == pytest.approx(1.1)
    assert report().ramp_up == 1.5


def test_least_time_follows_the_slots_there_are() -> None:
    assert least_seconds(80.0, 8) == 10.0
    assert least_seconds(80.0, 8, [(5.0, 4), (10.0, 8)]) == 10.0 + 20.0 / 8
    assert least_seconds(80.0, 8, [(-1.0, 4), (30.0, 8)]) == 20.0
    # preflight took a second of the schedule
    slow = report(busy=80.0, wall=25.0)
    slow = msgspec.structs.replace(slow, phases={**slow.phases, "preflight": Phase(1.0, 0.1, 50.0)})
    assert ratio(slow, Slots(8, 40, schedule=((6.0, 4),))) == pytest.approx(25.0 / 15.0)


def test_what_overload_adds_to_service_times_is_no_part_of_the_least_time() -> None:
    slowed = report(busy=160.0, wall=22.0)
    slowed = msgspec.structs.replace(slowed, server=msgspec.structs.replace(slowed.server, undisturbed_seconds=80.0))
    assert ratio(slowed, Slots(8, 40)) == pytest.approx(2.2)


def test_an_estate_as_large_as_a_crawl_should_be_long() -> None:
    server = Slots(8, 40, "fixed")
    assert server.rate() == server.rate(256) == 200.0
    assert server.rate(2) == 50.0
    assert server.repositories(24.6) == 2_000
    assert server.repositories(24.6, 4) == 1_000


def test_runs_share_a_budget_in_the_order_they_asked() -> None:
    going: list[str] = []
    seen: list[list[str]] = []

    async def run(lanes: Lanes, name: str, rate: float, turns: int) -> None:
        async with lanes.take(rate):
            going.append(name)
            seen.append(list(going))
            for _ in range(turns):
                await asyncio.sleep(0)
            going.remove(name)

    async def all_of_them() -> None:
        lanes = Lanes(100.0)
        async with asyncio.TaskGroup() as group:
            for name, rate, turns in (("a", 60.0, 50), ("b", 40.0, 5), ("c", 500.0, 5), ("d", 1.0, 5)):
                group.create_task(run(lanes, name, rate, turns))

    asyncio.run(all_of_them())
    assert seen == [["a"], ["a", "b"], ["c"], ["d"]]


def test_a_neighbour_feels_what_it_asked_while_the_crawl_lasted() -> None:
    asked = [
        neighbours.Asked(100.0 + at, seconds) for at, seconds in ((-0.1, 9.0), (1.0, 0.03), (9.0, 0.05), (12, 9.0))
    ]
    asked += [neighbours.Asked(105.0, 0.04)]
    before = [neighbours.Asked(0.0, 0.02), neighbours.Asked(0.0, 0.02)]
    of = msgspec.structs.replace(report(busy=80.0, wall=11.0), began=100.0)
    felt = neighbours.neighbour_of(Slots(8, 40), None, of, before, asked)
    assert felt.time == pytest.approx(1.1)
    assert (felt.unloaded_median, felt.median, felt.felt) == pytest.approx((20.0, 40.0, 2.0))
    assert [round(latency) for _, latency in felt.over_time] == [30, 40, 50]
    fixed = msgspec.structs.replace(felt, concurrency=64, median=160.0)
    latency, took = neighbours.figures_of(Slots(8, 40), {None: [felt], 64: [fixed]})
    assert latency.value == pytest.approx(2.0)
    assert latency.note.endswith("fixed 64: 8.0")
    assert took.value == pytest.approx(1.1)


def test_auto_stands_beside_the_best_fixed_number() -> None:
    curve = {8: 5.0, 32: 1.1, 128: 1.25, None: 1.21}
    figure = concurrency.figure(40, "lognormal", curve)
    assert figure.value == pytest.approx(1.1)
    assert "best 32: 1.10, worst 8: 5.00" in figure.note
    record = concurrency.record(40, "lognormal", curve)
    assert record == Curve(40, "lognormal", 0.0, [(8, 5.0), (32, 1.1), (128, 1.25)], 1.21)
    assert record.best == 1.1


def test_the_limits_way_has_a_beginning_and_an_end() -> None:
    def way(end: float) -> LimitWay:
        found = report(wall=0.5)
        found = msgspec.structs.replace(found, phases={**found.phases, "crawl": Phase(end, 0.1, 50.0)})
        return falling.way(found, Slots(40, 40, schedule=((1.0, 13), (9.5, 40))))

    assert way(9.2).limit == [(0.0, 8.0), (0.5, 16.0), (1.5, 10.0), (9.0, 11.0), (9.2, 11.0)]
    assert way(9.2).slots == [(0.0, 40.0), (0.5, 13.0), (9.0, 40.0), (9.2, 40.0)]
    assert (way(5.0).limit[-2:], way(5.0).slots[-2:]) == ([(1.5, 10.0), (5.0, 10.0)], [(0.5, 13.0), (5.0, 13.0)])


def test_the_price_of_faults() -> None:
    whole, sick = report(requests=100, wall=10.0), report(requests=125, wall=30.0)
    time, requests = faults.figures(faults.record(50, 0.2, sick, whole))
    assert (time.value, requests.value, time.missed) == (3.0, 1.25, False)
    assert "20% fail" in time.setting
    refused = msgspec.structs.replace(sick.server, statuses={"200": 100, "503": 25})
    overloaded = faults.record(50, None, msgspec.structs.replace(sick, server=refused), whole)
    assert [figure.value for figure in faults.figures(overloaded)] == [3.0, 1.25, 20.0]
    shares = [float(part.partition("share=")[2].partition(",")[0]) for part in faults.options(0.2)[1::2]]
    assert 1 - (1 - shares[0]) * (1 - shares[1]) * (1 - shares[2]) == pytest.approx(0.2, abs=1e-5)


def test_what_a_killed_run_costs_is_what_is_asked_twice() -> None:
    whole = report(requests=100)
    whole = msgspec.structs.replace(whole, server_all=msgspec.structs.replace(whole.server, requests=104))
    runs = [(54, report(requests=57)), (54, report(requests=51)), (60, report(requests=53))]
    figure = resume.figure(50, runs, whole)
    assert figure.value == pytest.approx(7.0)
    assert "7 of 100 (3 runs: 1 to 9)" in figure.note


def test_cost_of_a_request() -> None:
    cost = Cost.of_crawl(report(requests=100, cpu=0.02, wall=0.5))
    assert (cost.cpu, cost.rate) == (pytest.approx(200.0), pytest.approx(200.0))
    found = {BARE: [Cost(100.0, 9.0)], "auto": [cost, Cost(150.0, 9.0)], "requests, 2 threads": [Cost(500.0, 2.0)]}
    auto, threads = bare_loop.figures(found, "here")
    assert (auto.value, auto.goal, threads.value, threads.goal) == (pytest.approx(1.75), 1.25, 5.0, None)
    assert [cost.name for cost in bare_loop.records(found)] == ["bare loop", "collector, auto", "requests, 2 threads"]


ANSWERS = {
    "concurrency": Answer(
        [Figure("time", "here", 1.5, goal=1.08), Figure("bytes", "there", 7.0)],
        curves=[
            Curve(8, "fixed", 0.0, [(8, 1.0), (64, 1.2)], 1.05),
            Curve(40, "fixed", 0.3, [(8, 5.0), (64, 1.2)], 1.1),
        ],
    ),
    "bare-loop": Answer([], costs=[RequestCost(BARE, 50.0, 9e3), RequestCost("collector, auto", 80.0, 8e3)]),
}


def results(*names: str) -> Results:
    taken = {name: Taken(ANSWERS[name], "python -m benchmarks", "2026-01-02", ["2 cores"]) for name in names}
    return Results(taken)


def test_pictures_and_table_are_made_of_a_saved_file(tmp_path: Path) -> None:
    saved = tmp_path / "results.json"
    whole = results(*ANSWERS)
    save(whole, saved)
    assert load(saved) == whole
    plots = tmp_path / "plots"
    run = CliRunner().invoke(main, ["--from", str(saved), "--plots", str(plots)])
    assert run.exit_code == 0, run.output
    assert "**missed**" in run.output
    assert "`python -m benchmarks` on 2026-01-02: 2 cores." in run.output
    assert sorted(path.name for path in plots.iterdir()) == sorted(
        f"{chart.name}{theme}.svg" for chart in charts(whole) for theme in THEMES
    )
    first = charts(whole)[0]
    assert draw(first, plots)[0].read_bytes() == picture(first)


def test_small_sizes_are_held_to_no_goal() -> None:
    answer = without_goals(ANSWERS["concurrency"])
    assert [figure.goal for figure in answer.figures] == [None, None]
    assert answer.curves == ANSWERS["concurrency"].curves


def test_an_answer_is_kept_even_if_a_later_question_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def works(plan: Plan) -> Answer:
        assert plan == Plan(quick=True, runs=3, seed=7)
        return Answer([Figure("time", "here", 1.5, goal=1.08)])

    async def fails(plan: Plan) -> Answer:
        raise RuntimeError("no such luck")

    monkeypatch.setitem(QUESTIONS, "least-time", works)
    monkeypatch.setitem(QUESTIONS, "resume", fails)
    saved = tmp_path / "results.json"
    arguments = ["--quick", "--seed", "7", "--only", "least-time", "--only", "resume", "--save", str(saved)]
    run = CliRunner().invoke(main, arguments)
    assert isinstance(run.exception, BaseExceptionGroup)
    (kept,) = load(saved).taken.values()
    assert kept.answer.figures == [Figure("time", "here", 1.5)]
    assert kept.command == "python -m benchmarks --quick --only least-time --only resume --seed 7"


def test_a_quick_look_leaves_the_largest_instances_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Plan) -> Answer:
        return Answer([])

    for name in QUESTIONS:
        monkeypatch.setitem(QUESTIONS, name, nothing)
    saved = tmp_path / "results.json"
    assert CliRunner().invoke(main, ["--quick", "--save", str(saved)]).exit_code == 0
    assert list(load(saved).taken) == [name for name in QUESTIONS if name != "largest"]
    assert CliRunner().invoke(main, ["--save", str(saved)]).exit_code == 0
    assert list(load(saved).taken) == list(QUESTIONS)


@pytest.mark.parametrize(("quick", "beside"), [(True, True), (False, False)])
def test_a_quick_look_asks_what_waits_beside_the_others(
    quick: bool, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    going: set[str] = set()
    together = False

    async def one(name: str, turns: int) -> Answer:
        nonlocal together
        going.add(name)
        together = together or going == {"faults", "scale"}
        for _ in range(turns):
            await asyncio.sleep(0)
        going.remove(name)
        return Answer([])

    monkeypatch.setitem(QUESTIONS, "faults", lambda _: one("faults", 9))
    monkeypatch.setitem(QUESTIONS, "scale", lambda _: one("scale", 3))
    kept: list[str] = []
    asyncio.run(ask(["faults", "scale"], Plan(quick=quick), lambda name, _: kept.append(name)))
    assert together is beside
    assert kept == (["scale", "faults"] if beside else ["faults", "scale"])


def test_fresh_answers_take_the_place_of_older_ones() -> None:
    old = results("concurrency").taken["concurrency"]
    new = Taken(old.answer, "python -m benchmarks --only scale", "2026-02-03", ["4 cores"])
    both = Results({"scale": new}).with_(results("concurrency")).in_order(["concurrency", "resume", "scale"])
    assert list(both.taken) == ["concurrency", "scale"]
    assert both.with_(Results({"concurrency": new})).taken["concurrency"] == new
    assert [line.partition(":")[0] for line in both.circumstances] == ["concurrency", "scale"]


def test_the_page_is_rewritten_between_its_markers(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "benchmarks.md"
    path.parent.mkdir()
    path.write_text(f"before\n\n{readme.BEGIN}\nold\n{readme.END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        readme.write(path, results("concurrency"), tmp_path / "benchmarks" / "plots")
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"before\n\n{readme.BEGIN}\n\n")
        assert text.endswith(f"\n\n{readme.END}\n\nafter\n")
        assert "old" not in text
        assert text.count("| time | here |") == text.count("| bytes | there |") == 1
        assert text.index("| time |") < text.index("<details>") < text.index("| bytes |")
        assert 'src="../benchmarks/plots/time-over-concurrency.svg"' in text
    with pytest.raises(ValueError, match="no two lines"):
        readme.rewritten("nothing here", "x")


def test_what_a_bucket_allows() -> None:
    assert rate_limit.allowed_seconds(600, 60, 5.0) == 108.0
    assert rate_limit.allowed_seconds(59, 60, 5.0) == 0.0
    share, time = rate_limit.figures(report(requests=204, refused=4, wall=15.0), readable=False)
    assert share.value == pytest.approx(100 * 4 / 204)
    assert time.value == pytest.approx(30.0 / 28.0)


def test_least_requests_by_hand() -> None:
    users = [ModelUser(n, f"u{n}") for n in range(1, 1002)]
    own = ModelProject(2, "~U1", "U", type="PERSONAL", owner="u1")
    estate = Estate(
        users, [ModelGroup("a", [u.name for u in users]), ModelGroup("b")], [ModelProject(1, "A", "A"), own], []
    )
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
    processor, build, memory = scale.growth([(10, few), (100, many)])
    assert processor.value == build.value == pytest.approx(1.0)
    assert memory.value == pytest.approx(0.1)
    assert memory.goal is None
    assert scale.growth([(10_000, few), (100_000, many)])[0].goal == scale.GOAL_GROWTH
    assert scale.growth([(10, report())]) == []


@pytest.mark.thorough
def test_the_command_tells_what_it_took(tmp_path: Path) -> None:
    async def twice() -> None:
        async with serving(30) as server:
            for _ in range(2):
                ended = await command(server, veza, tmp_path, "--no-progress")
                assert ended.wall > ended.cpu / 2 > 0
                assert ended.peak_mb == 0 or ended.peak_mb > 20
            report = await collect(server, build=True, veza=veza)
            assert set(report.phases) == {"start", "preflight", "crawl", "build", "upload"}

    with RiggedVeza() as veza, veza.trusted():
        asyncio.run(twice())
        assert len(veza.pushed) == 3


@pytest.mark.thorough
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
            for threads in (1, 3):
                simple = await bare_loop._bare(server, asked, threads, module="benchmarks.first_try")
                assert simple.requests == bare.requests
                assert simple.cpu > 0

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


@pytest.mark.thorough
def test_a_run_is_killed_half_way_and_goes_on() -> None:
    async def both() -> tuple[int, Report]:
        async with serving(60, "--slots", "4", "--service", "fixed", "--service-time", "80") as server:
            with tempfile.TemporaryDirectory() as state:
                first = await resume.killed(server, Path(state), after=130)
                return first, await collect(server, state=Path(state))

    first, second = asyncio.run(both())
    assert first >= 130
    assert second.found["repositories"] == 60
    assert 0 < second.requests < sum(least_requests.least(generate(EstateShape.for_repositories(60))).values())


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


def test_a_second_crawl_begins_with_the_pace_that_the_first_one_found(tmp_path: Path) -> None:
    async def both() -> list[Report]:
        async with serving(120, *Slots(16, 25, "fixed").options) as server:
            return [await collect(server, state=tmp_path) for _ in range(2)]

    first, following = asyncio.run(both())
    assert first.limit[0][3] == "slow start"
    assert following.limit[0][3] == "as last time"
