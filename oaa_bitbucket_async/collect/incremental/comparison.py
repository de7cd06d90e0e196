"""Compares new answers with those of the base: holders and permissions, nothing else (DESIGN.md section 7)."""

from collections.abc import Callable
from typing import NamedTuple, cast

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject

Held = tuple[Principal, str]
"""Who holds which permission."""
EVERYONE = Principal("group", "")
"""Who holds a default permission; no group has this name."""


class Difference(NamedTuple):
    """A unit whose answer differs from the base's although no row of the audit log named it."""

    unit: Unit
    read_at: float
    """When the base's answer was read, in epoch seconds."""
    holders: frozenset[Principal]
    """Holders whose permissions have changed since then."""


class Comparison:
    """Takes in the base, page by page, once the crawl is over. Things that were deleted are not compared."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        is_named: Callable[[Unit, Subject], bool],
        is_renewed: Callable[[Subject], bool],
    ) -> None:
        """`is_named`: whether the audit log names the unit, which is about the subject; such units were asked again.

        `is_renewed`: whether all of the subject was asked again.
        """
        self.named_changes: set[Subject] = set()
        """Changes that the audit log named."""
        self.differences: list[Difference] = []
        """Changes that the audit log did not name."""
        self._snapshot = snapshot
        self._is_named = is_named
        self._is_renewed = is_renewed
        self._before: dict[Unit, set[Held]] = {}

    def wanted(self, unit: Unit) -> bool:
        """Whether `add` needs the rows of this unit."""
        if not (unit.kind.grants or unit.kind is kinds.PROJECT_DEFAULT):
            return False
        subject = subject_of(unit)
        if subject is None or not (self._is_renewed(subject) or self._is_named(unit, subject)):
            return False
        snapshot = self._snapshot
        return subject.id in (snapshot.projects if subject.kind == "project" else snapshot.repositories)

    def add(self, item: Replayed) -> None:
        """A page of a unit of the base."""
        unit = item.unit
        if not self.wanted(unit):
            return
        before = self._before.pop(unit, set())
        before.update(_held(unit, item))
        if not item.last:
            self._before[unit] = before
            return
        subject = cast("Subject", subject_of(unit))
        holders = frozenset(holder for holder, _ in before ^ self._now(unit, subject))
        if not holders:
            return
        if self._is_named(unit, subject):
            self.named_changes.add(subject)
        else:
            self.differences.append(Difference(unit, item.read_at, holders))

    def _now(self, unit: Unit, subject: Subject) -> set[Held]:
        snapshot = self._snapshot
        if unit.kind is kinds.PROJECT_DEFAULT:
            level = unit.key.partition("/")[2]
            return {(EVERYONE, level)} if level in snapshot.default_permissions.get(subject.id, ()) else set()
        table = snapshot.project_grants if subject.kind == "project" else snapshot.repository_grants
        kind = "user" if unit.kind.row is rows.UserGrant else "group"
        return {held for held in snapshot.grants(table.get(subject.id)) if held[0].kind == kind}


def _held(unit: Unit, item: Replayed) -> set[Held]:
    if unit.kind is kinds.PROJECT_DEFAULT:
        level = unit.key.partition("/")[2]
        return {(EVERYONE, level)} if any(row.permitted for row in cast("list[rows.Permitted]", item.rows)) else set()
    if unit.kind.row is rows.UserGrant:
        users = cast("list[rows.UserGrant]", item.rows)
        return {(Principal("user", grant.user.id), grant.permission) for grant in users}
    groups = cast("list[rows.GroupGrant]", item.rows)
    return {(Principal("group", fold(grant.group.name)), grant.permission) for grant in groups}
