"""A small Bitbucket with an audit log, on a date that a test moves, and incremental and full runs against it."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, ModelProject, ModelRepository
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.settings import State
from oaa_bitbucket_async.state import StatePaths
from tests.integration.harness import Bench, Ran, serving
from tests.servers import RiggedAuditLog, RiggedBitbucket, RiggedOptions
from tests.servers.faults import Fault
from tests.servers.veza import RiggedVeza

HOUR = 3600.0
TINY = EstateShape(users=12, groups=5, projects=4, repositories=16, personal_projects=1, seed=5)
_PLACE = re.compile(r"/rest/api/(?:latest|1\.0)/projects/([^/]+)(?:/repos/([^/]+))?/permissions/(?:users|groups)")


class Date:
    """The date, as the collector and the server have it."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds by which it was moved."""

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Site:
    """`full` and `incremental` are runs of one schedule, `truth` is what a full run makes that knows nothing."""

    bench: Bench
    log: RiggedAuditLog
    date: Date
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of all runs."""

    @property
    def estate(self) -> Estate:
        return self.server.estate

    @property
    def server(self) -> RiggedBitbucket:
        return self.bench.bitbucket

    @property
    def project(self) -> ModelProject:
        """One with repositories."""
        return next(p for p in self.estate.projects if p.owner is None and self.estate.repositories_of(p))

    @property
    def repository(self) -> ModelRepository:
        return self.estate.repositories_of(self.project)[0]

    @property
    def paths(self) -> StatePaths:
        return paths_of(self.bench.settings(**self.options))

    def passes(self, hours: float) -> None:
        self.date.ahead += hours * HOUR

    def full(self, **changes: Any) -> Ran:
        return self.bench.run(**{"max_removed": None, **self.options, **changes})

    def incremental(self, **changes: Any) -> Ran:
        return self.full(incremental=True, **changes)

    def truth(self, **changes: Any) -> Ran:
        """Leaves everything as it is, but that it is a request more in the log."""
        state = self.bench.state.parent / "truth"
        ran = self.full(state=State(directory=state, resume=False, keep_last=False), **changes)
        assert ran.code == 0, ran.error
        return ran

    def is_true(self, ran: Ran, **changes: Any) -> bool:
        """Whether a run that has ended uploaded what is so now, to the byte."""
        assert ran.code == 0, ran.error
        there = self.bench.neutral(self.bench.veza.pushed[-1].raw)  # nothing is sent if that is what Veza has already
        return [there] == self.truth(**changes).raw

    def grants_are_true(self, ran: Ran) -> bool:
        """The same, of who holds what alone."""
        assert ran.code == 0, ran.error
        there = self.bench.veza.pushed[-1].decoded()
        return grants(there)[0] == grants(self.truth().payload)[0]

    def asked(self, ran: Ran, *, before: int = 0) -> Counter[str]:
        """Projects and repositories for whose grants a run asked: how many questions each. It was the last run, but for
        one with `before` requests."""
        last = len(self.server.requests) - before
        found = (_PLACE.match(request.path) for request in self.server.requests[last - ran.requests : last])
        return Counter("/".join(filter(None, match.groups())) for match in found if match)


def path(place: ModelProject | ModelRepository) -> str:
    """As figures and messages have it."""
    return f"{place.project.key}/{place.slug}" if isinstance(place, ModelRepository) else place.key


def everyone_without(here: Site, place: ModelProject | ModelRepository) -> str:
    """A user who holds nothing on the place."""
    holders = {one.principal for one in place.user_grants}
    return next(user.name for user in here.estate.users if not user.deleted and user.name not in holders)


def grants(payload: dict[str, Any]) -> tuple[dict[str, set[tuple[str, str]]], dict[str, Any]]:
    """Who holds what on each place, by its key in the payload; and the payload without that."""
    found: dict[str, set[tuple[str, str]]] = {}
    for holder in payload["identity_to_permissions"]:
        for one in holder["application_permissions"]:
            for resource in one.get("resources", ()):
                found.setdefault(resource, set()).add((holder["identity"], one["permission"]))
    rest = {key: value for key, value in payload.items() if key != "identity_to_permissions"}
    return found, rest


@contextmanager
def site(
    veza: RiggedVeza,
    folder: Path,
    *,
    estate: Estate | None = None,
    options: RiggedOptions | None = None,
    faults: Sequence[Fault] = (),
    **settings: Any,
) -> Iterator[Site]:
    """A server that is up within the block. `settings` are those of all runs."""
    date = Date()
    estate = estate or generate(TINY)
    log = RiggedAuditLog(estate, date)
    server = RiggedBitbucket(estate, options, faults, log)
    with serving(server):
        yield Site(Bench(server, veza, folder / "state", date), log, date, settings)


def silent(here: Site) -> None:
    """From now on the log tells only of searches in it."""
    here.log.losing = lambda happening: happening.what != "audit log searched"


def moved(here: Site) -> list[str]:
    repository = here.repository
    target = next(p for p in here.estate.projects if p is not repository.project and p.owner is None)
    changes.move_repository(here.estate, repository.project.key, repository.slug, to_key=target.key)
    return [path(repository)]


def user_vanishes(here: Site) -> None:
    changes.delete_user(here.estate, "holder")


def group_vanishes(here: Site) -> None:
    changes.delete_group(here.estate, "holders")
