"""Bitbucket's permissions and what they mean in Veza's terms."""

from collections.abc import Iterable
from typing import NamedTuple

from oaaclient.templates import CustomApplication, OAAPermission

from oaa_bitbucket_async.oaa.notes import Code, Notes

PROJECT_READ = "PROJECT_READ"
PROJECT_ADMIN = "PROJECT_ADMIN"
REPO_READ = "REPO_READ"

_ON_PROJECTS = "PROJECT_"

_READ = (OAAPermission.DataRead, OAAPermission.MetadataRead)
_WRITE = (*_READ, OAAPermission.DataWrite, OAAPermission.DataCreate, OAAPermission.DataDelete)
_ADMIN = (*_WRITE, OAAPermission.MetadataWrite, OAAPermission.MetadataCreate, OAAPermission.MetadataDelete)


class Meaning(NamedTuple):
    """Canonical permissions, and whether a holder has the same on everything below."""

    canonical: tuple[OAAPermission, ...]
    reaches_below: bool


PERMISSIONS = {
    "LICENSED_USER": Meaning((OAAPermission.NonData,), reaches_below=False),
    "PROJECT_CREATE": Meaning((OAAPermission.MetadataCreate,), reaches_below=False),
    "ADMIN": Meaning((*_ADMIN, OAAPermission.NonData), reaches_below=True),
    "SYS_ADMIN": Meaning((*_ADMIN, OAAPermission.NonData), reaches_below=True),
    PROJECT_READ: Meaning(_READ, reaches_below=True),
    "PROJECT_WRITE": Meaning(_WRITE, reaches_below=True),
    "REPO_CREATE": Meaning((*_WRITE, OAAPermission.MetadataCreate), reaches_below=True),
    PROJECT_ADMIN: Meaning(_ADMIN, reaches_below=True),
    REPO_READ: Meaning(_READ, reaches_below=False),
    "REPO_WRITE": Meaning(_WRITE, reaches_below=False),
    "REPO_ADMIN": Meaning(_ADMIN, reaches_below=False),
}
"""All that Bitbucket 7 to 10 grants, in the order of their weight within a level."""

_RANK = {name: rank for rank, name in enumerate(PERMISSIONS)}


def highest(names: Iterable[str]) -> str | None:
    """The permission that includes the others; an unknown one ranks lowest. None if there is none."""
    return max(names, key=lambda name: (_RANK.get(name, -1), name), default=None)


def define_permissions(app: CustomApplication, met: Iterable[str], notes: Notes) -> dict[str, str]:
    """Defines the known permissions, and each unknown one of `met` under its own name as `Uncategorized`.

    An unknown one that begins with `PROJECT_` reaches the repositories below, as all project permissions do.

    Gives the name in the payload for every name met. The two differ only if an unknown name is empty, or equals
    another name except for its case, because Veza ignores case.
    """
    for name, meaning in PERMISSIONS.items():
        app.add_custom_permission(name, list(meaning.canonical), apply_to_sub_resources=meaning.reaches_below)
    names = {name: name for name in PERMISSIONS}
    for name in sorted(set(met) - set(PERMISSIONS)):
        shown, n = name or "UNNAMED", 1
        while shown in app.custom_permissions:
            n += 1
            shown = f"{name or 'UNNAMED'} ({n})"
        below = name.startswith(_ON_PROJECTS)
        app.add_custom_permission(shown, [OAAPermission.Uncategorized], apply_to_sub_resources=below)
        names[name] = shown
        notes.add(Code.PERMISSIONS_UNKNOWN, shown)
    return names
