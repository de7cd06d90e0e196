"""Is `auto` as good as the best fixed number that somebody could find by trying?

Compares fixed numbers in flight with `auto` on servers of different sizes: with even and uneven service times, and with
servers that get slower under load. A fixed number has nothing to learn, so its ratio hardly depends on the number of
requests, and few are enough. `auto` gets more requests, because learning is part of its cost.
"""

import asyncio
from itertools import groupby

from benchmarks.figures import Figure
from benchmarks.lanes import Lanes
from benchmarks.least_time import one
from benchmarks.plan import Plan
from benchmarks.processes import serving
from benchmarks.records import Answer, Curve
from benchmarks.slots import Slots, ratio

FIXED = (8, 16, 32, 64, 128, 256)
SERVERS = ((8, 40.0), (40, 40.0), (150, 80.0))
"""Slots, and milliseconds of a common request."""
VARIANTS = {
    "lognormal": ("lognormal", 0.0),
    "fixed times": ("fixed", 0.0),
    "lognormal, slower under overload": ("lognormal", 0.25),
    "fixed times, slower under overload": ("fixed", 0.25),
}
"""How long requests take, and by how much longer for every `slots` that wait."""
TOGETHER = 3000.0

Ratios = dict[int | None, float]
"""By number in flight; None: `auto`."""


async def measure(plan: Plan) -> Answer:
    """All servers, all variants (in a quick run one server and the first variant)."""
    lanes = Lanes(TOGETHER)
    variants = list(VARIANTS)[: 1 if plan.quick else None]
    async with asyncio.TaskGroup() as group:
        tasks = {
            (slots, variant): group.create_task(_curve(Slots(slots, milliseconds, *VARIANTS[variant]), plan, lanes))
            for slots, milliseconds in (SERVERS[1:2] if plan.quick else SERVERS)
            for variant in variants
        }
    curves = {key: task.result() for key, task in tasks.items()}
    return Answer(
        [figure(slots, variant, curve) for (slots, variant), curve in curves.items()],
        curves=[record(slots, variant, curve) for (slots, variant), curve in curves.items()],
    )


async def _curve(server: Slots, plan: Plan, lanes: Lanes) -> Ratios:
    longer = server.milliseconds / 40.0  # beginning and end take as much longer as each request does
    seconds = plan.size(quick=1, full=7) * longer
    fixed = FIXED[::2] if plan.quick else FIXED
    for_auto = server.repositories(plan.size(quick=3, full=30 if server.slots == 8 else 16) * longer)
    sizes: list[tuple[int, int | None]] = [(server.repositories(seconds, number), number) for number in fixed]
    curve: Ratios = {}
    for repositories, group in groupby([*sizes, (for_auto, None)], key=lambda size: size[0]):
        async with serving(repositories, *server.options, seed=plan.seed) as process:
            for _, number in group:
                curve[number] = ratio(await one(process, server, lanes, number), server)
    return curve


def figure(slots: int, variant: str, curve: Ratios) -> Figure:
    """`auto` beside the best and the worst fixed number."""
    fixed = {number: value for number, value in curve.items() if number is not None}
    best, worst = min(fixed, key=fixed.__getitem__), max(fixed, key=fixed.__getitem__)
    return Figure(
        "time of auto ÷ best fixed number",
        f"{slots} slots, {variant}",
        curve[None] / fixed[best],
        note=f"auto {curve[None]:.2f} × least time, best {best}: {fixed[best]:.2f}, worst {worst}: {fixed[worst]:.2f}",
    )


def record(slots: int, variant: str, curve: Ratios) -> Curve:
    """For the plot."""
    fixed = [(number, ratio) for number, ratio in curve.items() if number is not None]
    return Curve(slots, *VARIANTS[variant], fixed, curve[None])
