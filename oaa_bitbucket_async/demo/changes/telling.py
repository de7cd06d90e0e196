"""Reports changes to listeners: who and what each is about."""

from typing import TypeVar

from oaa_bitbucket_async.demo.happening import Happening, Replaced, Thing, Told
from oaa_bitbucket_async.demo.model import Estate, ModelProject, ModelRepository

T = TypeVar("T")
Place = ModelProject | ModelRepository
_FIRST_NEW_ID = 1_000_000


def new_id(estate: Estate) -> int:
    """An id that nothing of the estate has had."""
    return _FIRST_NEW_ID + estate.revision


def found(thing: T | None, name: str) -> T:
    """`thing`. Raises KeyError if there is none."""
    if thing is None:
        raise KeyError(f"there is no {name} in this estate")
    return thing


def place_things(at: Place | None) -> list[Thing]:
    """A project, or a repository after its project."""
    if at is None:
        return []
    if isinstance(at, ModelProject):
        return [Thing("PROJECT", at.key, str(at.id))]
    return [*place_things(at.project), Thing("REPOSITORY", at.slug, str(at.id))]


def user_thing(estate: Estate, name: str) -> Thing:
    """A user by name, without an id if there is none."""
    user = estate.user(name)
    return Thing("USER", name, str(user.id) if user is not None else None)


def group_thing(name: str) -> Thing:
    """A group. Its id is its name."""
    return Thing("GROUP", name, name)


def tell(
    estate: Estate,
    what: str,
    things: list[Thing],
    *told: Told,
    replaced: list[Replaced] | None = None,
    requested: list[Thing] | None = None,
) -> None:
    """Tells that something was requested, and that it was done. `requested`: what the first is about, if not the same.

    Bitbucket's log has both rows for what people ask for in a browser.
    """
    estate.tell(Happening(f"{what} requested", things if requested is None else requested, told, replaced or []))
    estate.tell(Happening(what, things, told, replaced or []))


def tell_done(estate: Estate, what: str, things: list[Thing], *told: Told) -> None:
    """Tells that something was done that nobody asked for in so many words."""
    estate.tell(Happening(what, things, told))
