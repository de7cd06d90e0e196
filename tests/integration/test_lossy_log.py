"""With an audit log that loses rows: no difference outlives `--max-age`, and each is told when it is found."""

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hypothesis import Phase, event, given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.incremental.mark import OVERLAP
from oaa_bitbucket_async.collect.incremental.named import CLOCKS_DIFFER
from oaa_bitbucket_async.demo.changes import grant, revoke
from oaa_bitbucket_async.demo.happening import Happening
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository
from tests.examples import examples
from tests.integration.site import HOUR, Site, grants, path, site
from tests.servers.veza import RiggedVeza

MAX_AGE = 6.0
BEFORE_A_RUN = 0.1
"""Hours in which nothing happens: what happens sooner may have been seen by the run, as far as clocks tell."""
Place = ModelProject | ModelRepository


def held(place: Place) -> set[tuple[str, str]]:
    return {(one.principal, one.permission) for one in (*place.user_grants, *place.group_grants)}


def toggle(here: Site, place: Place, rng: random.Random) -> None:
    """Somebody gets a grant on the place, or loses it."""
    user = rng.choice([u.name for u in here.estate.users if not u.deleted])
    if any(one.principal == user for one in place.user_grants):
        revoke(here.estate, user, place)
    else:
        levels = ("PROJECT_READ", "PROJECT_WRITE") if isinstance(place, ModelProject) else ("REPO_READ", "REPO_WRITE")
        grant(here.estate, rng.choice(levels), place, user=user)


class Model:
    """What the collector may know of each place."""

    def __init__(self, here: Site) -> None:
        self.here = here
        self.places: dict[str, Place] = {path(p): p for p in (*here.estate.projects, *here.estate.repositories)}
        self.known: dict[str, set[tuple[str, str]]] = {}
        self.read_at: dict[str, float] = {}
        self.told_at: dict[str, float] = {}
        self.ran_at = here.date()
        self.read(self.places)

    def read(self, places: Iterable[str]) -> None:
        """The run has asked for these."""
        for name in places:
            self.known[name], self.read_at[name] = held(self.places[name]), self.here.date()

    def tell(self, place: Place) -> None:
        """A row tells of a change; that of a repository has its project too."""
        for one in (place, place.project) if isinstance(place, ModelRepository) else (place,):
            self.told_at[path(one)] = self.here.date()

    def stale(self) -> set[str]:
        return {name for name, place in self.places.items() if self.known[name] != held(place)}

    def explained(self, name: str) -> bool:
        """Whether a row in the window of the run that is next is not older than what is known of the place."""
        oldest = max(self.read_at[name] - CLOCKS_DIFFER / 1000, self.ran_at - OVERLAP / 1000)
        return self.told_at.get(name, 0.0) >= oldest


def key_of(place: Place) -> str:
    """As the payload has it."""
    return f"{place.project.id}.{place.id}" if isinstance(place, ModelRepository) else str(place.id)


@examples(20, phases=(Phase.reuse, Phase.generate))
@given(st.integers(0, 10**6), st.lists(st.sampled_from([0.5, 1.0, 3.0, 5.5]), min_size=2, max_size=5))
def test_no_difference_outlives_the_age_bound_and_each_is_told(
    veza: RiggedVeza, seed: int, pauses: list[float]
) -> None:
    rng = random.Random(seed)
    lost: set[str] = set()

    def loses(happening: Happening) -> bool:
        place = next((t for t in happening.things if t.kind == "REPOSITORY"), None)
        place = place or next((t for t in happening.things if t.kind == "PROJECT"), None)
        return place is not None and f"{place.kind} {place.id}" in lost

    with tempfile.TemporaryDirectory() as folder, site(veza, Path(folder), max_age=MAX_AGE) as here:
        here.log.losing = loses
        assert here.full().code == 0
        assert here.incremental().code == 0, "the log is read for the first time"
        model = Model(here)
        for pause in pauses:
            here.passes(pause - BEFORE_A_RUN)
            places = [one for one in model.places.values() if getattr(one, "owner", None) is None]  # owners hold all
            lost.clear()
            lost |= {
                f"{'REPOSITORY' if isinstance(one, ModelRepository) else 'PROJECT'} {one.id}"
                for one in places
                if rng.random() < 0.4
            }
            for _ in range(rng.randrange(8)):
                place = rng.choice(places)
                before = len(here.log.losses)
                toggle(here, place, rng)
                if len(here.log.losses) == before:
                    model.tell(place)
            here.passes(BEFORE_A_RUN)
            stale = model.stale()
            ran = here.incremental()
            assert ran.code == 0, ran.error
            in_veza, truth = veza.pushed[-1].decoded(), here.truth()
            asked = set(here.asked(ran, before=truth.requests))
            told = {name for name in asked & stale if not model.explained(name)}
            event(f"found: {len(told)}")
            event(f"trust: {'in doubt' if ran.freshness.doubts else 'sound'}")
            assert set(ran.freshness.unexplained) == told
            model.read(asked)
            model.ran_at = here.date()
            left = model.stale()
            now = here.date()
            assert all(now - model.read_at[name] <= MAX_AGE * HOUR + 60 for name in model.places)
            mine, rest = grants(in_veza)
            true, true_rest = grants(truth.payload)
            assert rest == true_rest
            differ = {k for k in {*mine, *true} if mine.get(k) != true.get(k)}
            assert differ == {key_of(model.places[name]) for name in left}
