"""Spoiled answers by the thousand: no crash, no end that never comes, and no upload that differs from the truth."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.settings import State
from tests.examples import rounds
from tests.integration.fuzzing import NOTICEABLE, Fuzzed, Mutation, change_anything, other_user
from tests.integration.harness import QUICK, Bench, Ran, serving
from tests.servers import RiggedOptions
from tests.servers.veza import RiggedVeza

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("short_probe_delays")]

SHAPE = EstateShape(users=12, groups=4, projects=3, repositories=10, personal_projects=1, seed=11)
PACE = replace(QUICK, max_attempts=4, max_outage=0.5, request_timeout=5.0)
ENDS = (0, 3, 4, 75)
NAMES = {mutation.__name__ for mutation in NOTICEABLE}


def fuzz(
    veza: RiggedVeza,
    folder: Path,
    mutations: tuple[Mutation, ...],
    options: RiggedOptions,
    *,
    basic: bool = True,
    **more: float | int | None,
) -> tuple[Ran, list[str]]:
    """One run against a server that spoils its answers."""
    server = Fuzzed(generate(SHAPE), options, mutations, **more)  # type: ignore[arg-type]
    with serving(server):
        made = Bench(server, veza, folder)
        ran = made.run(basic=basic, pace=PACE, state=State(directory=folder, resume=False))
    return ran, server.spoiled


def clean(veza: RiggedVeza, folder: Path, options: RiggedOptions, *, basic: bool) -> Ran:
    ran, _ = fuzz(veza, folder, (), options, basic=basic, seed=0, share=0.0)
    assert ran.code == 0, ran.error
    return ran


@pytest.mark.parametrize(
    ("options", "basic"),
    [(RiggedOptions(), True), (RiggedOptions(version="10.0.1", page_cap=3), False), (RiggedOptions(page_cap=2), True)],
    ids=["one page", "token and pages of 3", "pages of 2"],
)
def test_what_can_be_noticed_is_never_uploaded(
    veza_server: RiggedVeza, tmp_path: Path, options: RiggedOptions, basic: bool
) -> None:
    truth = clean(veza_server, tmp_path, options, basic=basic)
    ends: Counter[int] = Counter()
    made: Counter[str] = Counter()
    rng = random.Random(f"{options.page_cap}")
    for seed in range(number := rounds(30, least=6)):
        share = rng.choice((0.05, 0.1, 0.2, 0.4))
        ran, spoiled = fuzz(
            veza_server, tmp_path, NOTICEABLE, options, basic=basic, seed=seed, share=share,
            times=rng.choice((1, 20, None, None)),
        )  # fmt: skip
        made.update(spoiled)
        ends[ran.code] += 1
        assert ran.code in ENDS, (seed, ran.error)
        assert ran.requests < 40 * truth.requests, seed
        if ran.pushed:
            assert ran.code == 0
            assert ran.raw == truth.raw, (seed, spoiled)
    assert ends[0] >= number // 3, ends
    assert sum(made.values()) > 8 * number
    assert len(made) >= min(2 * number, len(NAMES))


def test_somebody_elses_answer_ends_the_run(veza_server: RiggedVeza, tmp_path: Path) -> None:
    options = RiggedOptions()
    truth = clean(veza_server, tmp_path, options, basic=True)
    for seed in range(rounds(20, least=5)):
        ran, spoiled = fuzz(
            veza_server, tmp_path, (other_user,), options, seed=seed, share=0.1, spared=1, times=1
        )  # the first answer is what all others are compared with
        assert spoiled == ["other_user"] or ran.code == 0
        assert (ran.code == 4) == bool(spoiled), (seed, ran.error)
        assert not (spoiled and ran.pushed)
        assert ran.requests <= truth.requests


def test_anything_at_all_ends_in_one_of_our_ways(veza_server: RiggedVeza, tmp_path: Path) -> None:
    """What is well-formed can't be told from the truth; but what is uploaded is a payload that Veza takes."""
    ends: Counter[int] = Counter()
    changes = 0
    for seed in range(number := rounds(60, least=12)):
        rng = random.Random(seed)
        options = RiggedOptions(page_cap=rng.choice((3, 1000)))
        ran, spoiled = fuzz(
            veza_server, tmp_path, (change_anything,), options, basic=rng.random() < 0.7, seed=seed,
            share=rng.choice((0.02, 0.1, 0.3, 1.0)), spared=rng.choice((0, 12)), times=rng.choice((5, 50, None)),
        )  # fmt: skip
        ends[ran.code] += 1
        changes += len(spoiled)
        assert ran.code in (*ENDS, 2), (seed, ran.error)
        assert ran.requests < 10_000, seed
    assert changes > 10 * number
    assert ends[0] >= number // 6, ends
