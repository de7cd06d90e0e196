"""Who gained or lost access since the last upload, and what is new or gone, as lists for people."""

from typing import NamedTuple

from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.ops.report.analysis import Shown
from oaa_bitbucket_async.ops.report.found import MOST_ROWS

_HOLDERS = {"group": "group", "credential": "key or token"}


class AccessChange(NamedTuple):
    """Somebody gained or lost something."""

    who: str
    on: str
    """A project key, `KEY/slug`, the whole instance, or a group."""
    gained: bool
    what: str
    """A permission, or that they are a member."""
    kind: str = ""
    """What `who` is, where it is no user."""

    @property
    def word(self) -> str:
        """`gained` or `lost`."""
        return "gained" if self.gained else "lost"


class ThingChange(NamedTuple):
    """A user, group, project, repository or credential came or went."""

    kind: str
    name: str
    came: bool

    @property
    def word(self) -> str:
        """`new` or `gone`."""
        return "new" if self.came else "gone"


def access_changes(changes: Changes) -> Shown[AccessChange]:
    """By who it is and on what; what was lost stands before what was gained in its place."""
    grants, members = changes.grants, changes.members
    rows = [
        AccessChange(g.holder, g.on or "the whole instance", gained, g.permission, _HOLDERS.get(g.holder_kind, ""))
        for gained, examples in ((False, grants.removed_examples), (True, grants.added_examples))
        for g in examples
    ]
    rows += [
        AccessChange(m.member, m.group, gained, "membership", _HOLDERS.get(m.member_kind, ""))
        for gained, examples in ((False, members.removed_examples), (True, members.added_examples))
        for m in examples
    ]
    total = grants.added + grants.removed + members.added + members.removed
    return Shown(tuple(sorted(rows)[:MOST_ROWS]), total)


def thing_changes(changes: Changes) -> Shown[ThingChange]:
    """What went before what came; by kind and name."""
    kinds = {
        "user": changes.users,
        "group": changes.groups,
        "project": changes.projects,
        "repository": changes.repositories,
        "key or token": changes.credentials,
    }
    rows = [
        ThingChange(kind, thing.name, came)
        for came in (False, True)
        for kind, difference in kinds.items()
        for thing in (difference.added_examples if came else difference.removed_examples)
    ]
    total = sum(difference.added + difference.removed for difference in kinds.values())
    return Shown(tuple(rows[:MOST_ROWS]), total)
