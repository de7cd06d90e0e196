"""Whatever happens between incremental runs and while they go on: what they upload is what a full run would upload."""

import random
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, event, given
from hypothesis import strategies as st

from oaa_bitbucket_async.demo.changes import random_changes
from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.settings import Include
from tests.examples import examples
from tests.integration.site import TINY, Site, site
from tests.servers import RiggedBitbucket, RiggedOptions
from tests.servers.veza import RiggedVeza

GENERATE = (Phase.reuse, Phase.generate)
"""An example takes a second, so that a smaller one is not looked for."""


class Step(NamedTuple):
    """What happens until a run has ended."""

    hours: float
    """That pass before the run."""
    before: int
    """Changes in that time."""
    during: list[tuple[int, int]]
    """At which request of the run how many changes happen."""
    full: bool


REQUESTS = st.integers(1, 90)
STEPS = st.lists(
    st.builds(
        Step,
        hours=st.sampled_from([0.0, 0.2, 1.0, 7.0]),
        before=st.integers(0, 15),
        during=st.lists(st.tuples(REQUESTS, st.integers(1, 5)), max_size=2),
        full=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=3,
)


def happens(server: RiggedBitbucket, rng: random.Random, during: list[tuple[int, int]]) -> None:
    def change(estate: Estate, number: int) -> None:
        random_changes(estate, rng, number)

    for request, number in during:
        server.change_at(request, partial(change, number=number))


def plays(here: Site, steps: list[Step], seed: int) -> None:
    rng = random.Random(seed)
    for number, step in enumerate((Step(0.0, 0, steps[0].during, True), *steps)):
        here.passes(step.hours / 2)
        random_changes(here.estate, rng, step.before)
        here.passes(step.hours / 2)
        happens(here.server, rng, step.during)
        ran = here.full() if step.full else here.incremental()
        here.server.happen()
        assert ran.code in (0, 3) if step.during else ran.code == 0, ran.error
        if not step.during:
            assert here.is_true(ran), f"after step {number}"
    last = here.incremental()
    event(f"incremental: {last.freshness.incremental}")
    assert here.is_true(last)
    assert not last.freshness.unexplained


@examples(20, phases=GENERATE)
@given(STEPS, st.integers(0, 10**6), st.sampled_from([7, 1000]))
def test_with_a_faithful_log_it_is_what_a_full_run_uploads(
    veza: RiggedVeza, steps: list[Step], seed: int, cap: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, site(veza, Path(folder), options=RiggedOptions(page_cap=cap)) as here:
        plays(here, steps, seed)


@pytest.mark.thorough
@examples(20, phases=GENERATE)
@given(STEPS, st.integers(0, 10**6))
def test_the_same_with_all_that_include_adds(veza: RiggedVeza, steps: list[Step], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        more = {"include": frozenset(Include), "basic": False}
        with site(veza, Path(folder), estate=generate(TINY), **more) as here:
            plays(here, steps, seed)
