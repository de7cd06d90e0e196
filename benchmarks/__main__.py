"""`python -m benchmarks`: asks the questions and prints their answers as one Markdown table."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click

from benchmarks import bare_loop, least_requests, least_time, rate_limit, scale
from benchmarks.figures import Figure, table
from benchmarks.machine import facts
from benchmarks.plan import Plan

Measure = Callable[[Plan], Awaitable[list[Figure]]]

QUESTIONS: dict[str, Measure] = {
    "least-time": least_time.measure,
    "least-requests": least_requests.measure,
    "bare-loop": bare_loop.measure,
    "scale": scale.measure,
    "rate-limit": rate_limit.measure,
}
BESIDE_OTHERS = {"rate-limit"} if rate_limit.BESIDE_OTHERS else set()


async def ask(names: Sequence[str], plan: Plan) -> list[Figure]:
    """The figures of all questions, in their order; what disturbs nobody runs beside the others."""
    async with asyncio.TaskGroup() as group:
        beside = {name: group.create_task(_timed(name, plan)) for name in names if name in BESIDE_OTHERS}
        alone = {name: await _timed(name, plan) for name in names if name not in BESIDE_OTHERS}
    return [figure for name in names for figure in (beside[name].result() if name in beside else alone[name])]


async def _timed(name: str, plan: Plan) -> list[Figure]:
    began = time.perf_counter()
    figures = await QUESTIONS[name](plan)
    click.echo(f"{name}: {time.perf_counter() - began:.0f} s", err=True)
    for figure in figures:
        click.echo(f"  {figure.row()}", err=True)
    return figures


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes: a look that takes a few minutes.")
@click.option("--only", "names", multiple=True, type=click.Choice(list(QUESTIONS)), help="One question; repeatable.")
@click.option("--runs", default=3, show_default=True, help="Runs of what is compared by processor time.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same estate.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file, too.")
def main(quick: bool, names: tuple[str, ...], runs: int, seed: int, output: Path | None) -> None:
    """Measure the collector against limits that are taken in the same run."""
    lines = ["`python -m benchmarks " + " ".join(sys.argv[1:]) + "`", "", *(f"- {fact}" for fact in facts()), ""]
    lines.append(table(asyncio.run(ask(names or list(QUESTIONS), Plan(quick=quick, runs=runs, seed=seed)))))
    text = "\n".join(lines) + "\n"
    click.echo(text)
    if output is not None:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
