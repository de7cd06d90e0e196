"""An audit log that does what real ones do on bad days: it loses rows, or writes them late, by clocks that differ."""

import random
import time
from collections.abc import Callable, Mapping
from itertools import cycle

from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.bitbucket.audit.actions import ACTIONS
from oaa_bitbucket_async.demo.bitbucket.audit.log import NODE
from oaa_bitbucket_async.demo.happening import Happening
from oaa_bitbucket_async.demo.model import Estate

_SEARCH = "audit log searched"
GERMAN = {
    "Permissions": "Berechtigungen",
    "Project permission granted": "Projektberechtigung erteilt",
    "Project permission removed": "Projektberechtigung entfernt",
    "Repository permission granted": "Repository-Berechtigung erteilt",
    "Repository permission removed": "Repository-Berechtigung entfernt",
    "Permission": "Berechtigung",
    "Group": "Gruppe",
}


class RiggedAuditLog(AuditLog):
    """`losing` says which rows are lost; of all changes a share of `lost` is, each with the row of its request.

    Rows can be found `late` seconds after they were written, those of searches `search_late` seconds. `nodes` take
    turns in writing, each by a clock that is so many seconds fast. `german`: the site's language. All may be changed at
    any time.
    """

    def __init__(
        self,
        estate: Estate,
        clock: Callable[[], float] = time.time,
        *,
        lost: float = 0.0,
        seed: int = 1,
        losing: Callable[[Happening], bool] = lambda _: False,
        late: float = 0.0,
        search_late: float = 0.0,
        nodes: Mapping[str, float] | None = None,
        german: bool = False,
    ) -> None:
        self.lost = lost
        self.losing = losing
        self.late = late
        self.search_late = search_late
        self.nodes = dict(nodes or {NODE: 0.0})
        self.german = german
        self.losses: list[Happening] = []
        """What was lost."""
        self._rng = random.Random(seed)
        self._turns = cycle(self.nodes)
        self._requested: tuple[str, bool] = ("", False)
        super().__init__(estate, clock)

    def forget(self, *, what: str | None = None) -> None:
        """The rows that are there are gone, as after a restore; `what`: only those that tell of it."""
        self._rows = [row for row in self._rows if what is not None and row.action.key != ACTIONS[what].key]

    def loses(self, happening: Happening) -> bool:
        """Whether the row is lost; a change shares the lot of its request. Rows of searches are lost by name only."""
        if self.losing(happening) or self._by_chance(happening):
            self.losses.append(happening)
            return True
        return False

    def _by_chance(self, happening: Happening) -> bool:
        if not self.lost or happening.what == _SEARCH:
            return False
        change = happening.what.removesuffix(" requested")
        before, fate = self._requested
        self._requested = ("", False)
        if change == before:
            return fate
        fate = self._rng.random() < self.lost
        if happening.what.endswith(" requested"):
            self._requested = (change, fate)
        return fate

    def delay(self, happening: Happening) -> int:
        """Milliseconds."""
        return round(1000 * (self.search_late if happening.what == _SEARCH else self.late))

    def node(self) -> str:
        """The next in turn."""
        return next(self._turns)

    def skew(self, node: str) -> int:
        """Milliseconds."""
        return round(1000 * self.nodes[node])

    def text(self, english: str) -> str:
        """In German, or marked as such where nobody translated it here."""
        return GERMAN.get(english, f"{english} (deutsch)") if self.german else english
