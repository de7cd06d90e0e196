"""`python -m benchmarks`: measures, keeps the figures, and makes a Markdown table and plots from them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from benchmarks import (
    bare_loop,
    concurrency,
    drawing,
    falling,
    faults,
    findings,
    largest,
    least_requests,
    least_time,
    neighbours,
    rate_limit,
    readme,
    resume,
    scale,
    short_crawls,
    week,
)
from benchmarks.figures import Figure
from benchmarks.machine import facts
from benchmarks.plan import Plan
from benchmarks.records import Answer
from benchmarks.results import Results, Taken, load, save

Measure = Callable[[Plan], Awaitable[Answer | list[Figure]]]

QUESTIONS: dict[str, Measure] = {
    "least-time": least_time.measure,
    "short-crawls": short_crawls.measure,
    "concurrency": concurrency.measure,
    "falling-capacity": falling.measure,
    "neighbours": neighbours.measure,
    "least-requests": least_requests.measure,
    "bare-loop": bare_loop.measure,
    "rate-limit": rate_limit.measure,
    "faults": faults.measure,
    "resume": resume.measure,
    "scale": scale.measure,
    "week": week.measure,
    "largest": largest.measure,
}
BESIDE_OTHERS = {"rate-limit"}
"""Five requests a second disturb no other measurement, so this one runs beside them."""
BESIDE_IN_A_LOOK = BESIDE_OTHERS | {"falling-capacity", "faults", "short-crawls"}
"""These wait for their servers most of the time: a quick look, which has no goals, asks them beside the others too."""
NOT_IN_A_LOOK = {"largest"}
"""It takes long at any size, so a quick look has it only if it is named."""

HERE = Path(__file__).parent
SAVED = HERE / "results.json"
PLOTS = HERE / "plots"
PAGE = HERE.parent / "docs" / "benchmarks.md"


async def ask(names: Sequence[str], plan: Plan, keep: Callable[[str, Answer], None]) -> None:
    """Gives each answer to `keep` as soon as it is there. Questions that disturb no others run at the same time."""

    async def one(name: str) -> None:
        keep(name, await _timed(name, plan))

    beside = BESIDE_IN_A_LOOK if plan.quick else BESIDE_OTHERS
    async with asyncio.TaskGroup() as group:
        for name in names:
            if name in beside:
                group.create_task(one(name))
        for name in names:
            if name not in beside:
                await one(name)


async def _timed(name: str, plan: Plan) -> Answer:
    began = time.perf_counter()
    answer = await QUESTIONS[name](plan)
    if not isinstance(answer, Answer):
        answer = Answer(answer)
    if plan.quick:
        answer = without_goals(answer)
    click.echo(f"{name}: {time.perf_counter() - began:.0f} s", err=True)
    for figure in answer.figures:
        click.echo(f"  {figure.row()}", err=True)
    return answer


def without_goals(answer: Answer) -> Answer:
    """Goals are for full sizes: a small crawl ends before `auto` gains from what it has learned."""
    figures = [msgspec.structs.replace(figure, goal=None) for figure in answer.figures]
    return msgspec.structs.replace(answer, figures=figures)


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, without goals: a look that takes less than a minute.")
@click.option("--only", "names", multiple=True, type=click.Choice(list(QUESTIONS)), help="One question; repeatable.")
@click.option("--runs", default=3, show_default=True, help="Runs of what is compared by processor time.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same estate.")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Figures of an earlier run. Without --only nothing is measured; with it, these questions are measured anew.",
)
@click.option("--save", "target", type=click.Path(dir_okay=False, path_type=Path), help="Keep the figures as JSON.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Draw the plots into a folder.")
@click.option(
    "--readme",
    "for_readme",
    is_flag=True,
    help="Rewrite the table and the plots of docs/benchmarks.md, and benchmarks/results.json if anything was measured.",
)
def main(
    quick: bool,
    names: tuple[str, ...],
    runs: int,
    seed: int,
    source: Path | None,
    target: Path | None,
    plots: Path | None,
    for_readme: bool,
) -> None:
    """Measure the collector against limits that are taken in the same run."""
    plots = plots or (PLOTS if for_readme else None)
    if plots is not None and not drawing.possible():
        raise click.UsageError("Plots need matplotlib: pip install '.[benchmarks]'")
    if for_readme and names and source is None and SAVED.exists():
        source = SAVED  # the page tells all, not only what is measured anew
    results = load(source) if source else Results()
    circumstances = facts()
    command = _command(quick, names, runs, seed)

    def keep(name: str, answer: Answer) -> None:
        """On the disk at once: if a later question fails, `--only` and `--from` do the rest."""
        nonlocal results
        taken = Taken(answer, command, f"{datetime.now(UTC):%Y-%m-%d}", circumstances)
        results = results.with_(Results({name: taken})).in_order(list(QUESTIONS))
        if target is not None:
            save(results, target)

    if source is None or names:
        target = target or (SAVED if for_readme else None)
        asked = names or [name for name in QUESTIONS if not (quick and name in NOT_IN_A_LOOK)]
        asyncio.run(ask(asked, Plan(quick=quick, runs=runs, seed=seed), keep))
    elif target is not None:
        save(results, target)
    if plots is not None:
        for chart in findings.charts(results):
            drawing.draw(chart, plots)
    if for_readme:
        readme.write(PAGE, results, PLOTS)
    else:
        click.echo(readme.text(results))


def _command(quick: bool, names: Sequence[str], runs: int, seed: int) -> str:
    """The command that repeats what was measured."""
    parts = ["python -m benchmarks", *(["--quick"] if quick else []), *(f"--only {name}" for name in names)]
    parts += [f"--runs {runs}"] if runs != 3 else []
    parts += [f"--seed {seed}"] if seed != 1 else []
    return " ".join(parts)


if __name__ == "__main__":
    main()
