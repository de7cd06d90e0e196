"""The rows of Bitbucket's answers, as far as a collector of access rights needs them.

Decoded straight from bytes and checked for type by msgspec; a key that a server does not send takes the
default here. Which keys can be absent, and since when they exist: BITBUCKET.md sections 2, 4 and 5.
Instances are frozen and invisible to the garbage collector: there are hundreds of thousands of them.
"""

from collections.abc import Callable
from typing import Annotated, Generic, Protocol, TypeVar

import msgspec

Id = Annotated[int, msgspec.Meta(ge=0, le=2**45)]
"""Bitbucket's ids have 31 bits; what is far beyond that is no id, and would not fit where grants are packed."""
Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""An integer that every JSON parser reads alike."""
Name = Annotated[str, msgspec.Meta(min_length=1)]
"""What nothing can be without: a name, key, slug or permission."""

Segment = Annotated[str, msgspec.Meta(pattern=r"[^.]|\.\.\.|^$")]
"""A key or slug, which becomes a part of a path; `.` and `..` would lead to another path."""


class Row(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Base of all rows: camelCase on the wire, snake_case here, unknown keys ignored."""


class User(Row, frozen=True):
    """A user, as `/users`, `/admin/users` and permission rows show it. Times are milliseconds since 1970."""

    id: Id
    name: Name
    slug: Segment = ""
    display_name: str = ""
    email_address: str | None = None
    active: bool = True
    type: str = "NORMAL"
    directory_name: str | None = None
    last_authentication_timestamp: Number | None = None
    created_timestamp: Number | None = None


class Group(Row, frozen=True):
    """A group: its name is its identity, compared ignoring case, kept as reported."""

    name: Name


class UserGrant(Row, frozen=True):
    """A user's highest permission at one level (global, project or repository)."""

    user: User
    permission: Name


class GroupGrant(Row, frozen=True):
    """A group's highest permission at one level."""

    group: Group
    permission: Name


class Permitted(Row, frozen=True):
    """Whether everyone who is licensed holds a permission on a project (its default permission)."""

    permitted: bool


class Project(Row, frozen=True):
    """A project. Personal ones have an owner and a key that begins with `~`, and never `public`."""

    id: Id
    key: Annotated[Segment, msgspec.Meta(min_length=1)]
    name: str
    type: str = "NORMAL"
    public: bool = False
    description: str | None = None
    owner: User | None = None


class Origin(Row, frozen=True):
    """What a fork was made from; only that it exists matters."""

    id: Number | None = None


class Repository(Row, frozen=True):
    """A repository, in listings together with its project. `archived` exists from 8.0."""

    id: Id
    slug: Annotated[Segment, msgspec.Meta(min_length=1)]
    name: str
    project: Project
    public: bool = False
    archived: bool = False
    forkable: bool = True
    state: str = "AVAILABLE"
    description: str | None = None
    origin: Origin | None = None


class ApplicationProperties(Row, frozen=True):
    """What the server says of itself."""

    version: str
    display_name: str = "Bitbucket"


class RateSettings(Row, frozen=True):
    """A token bucket of Bitbucket: `capacity` requests at once, `fill_rate` a second after that."""

    capacity: Number
    fill_rate: Number


class RateLimitSettings(Row, frozen=True):
    """`admin/rate-limit/settings`: the instance's rate limit (6.6 and newer, Data Center)."""

    enabled: bool = False
    default_settings: RateSettings | None = None


class UserRateLimit(Row, frozen=True):
    """`admin/rate-limit/settings/users/{slug}`: what deviates for one user; `whitelisted` is exempt."""

    whitelisted: bool = False
    settings: RateSettings | None = None


T = TypeVar("T")
W = TypeVar("W")
T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """From an answer's bytes to what is kept of it: msgspec's own decoders, or one that keeps less."""

    def decode(self, body: bytes, /) -> T_co:
        """Raises msgspec.ValidationError and msgspec.DecodeError."""
        ...


def without_nulls(body: bytes) -> bytes:
    """The same JSON less members that are null: some servers write that for what is absent (BITBUCKET.md section 11).

    A null in an array stays: it is no absence. Raises what msgspec raises, and RecursionError.
    """
    return msgspec.json.encode(_less_nulls(msgspec.json.decode(body)))


def _less_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _less_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_less_nulls(item) for item in value]
    return value


class Page(msgspec.Struct, Generic[T], frozen=True, gc=False, rename="camel"):
    """One page of a listing. `next_page_start` is what to ask for next; null or absent on the last page."""

    values: list[T]
    is_last_page: bool
    next_page_start: Number | None = None
    limit: Number | None = None
    size: Number | None = None
    start: Number | None = None


class MappedDecoder(Generic[W, T]):
    """Decodes an answer and keeps only what `keep` makes of it."""

    def __init__(self, wire: Decoder[W], keep: Callable[[W], T]) -> None:
        self._wire = wire
        self._keep = keep

    def decode(self, body: bytes, /) -> T:
        """Raises msgspec.ValidationError and msgspec.DecodeError, as a decoder of msgspec does."""
        return self._keep(self._wire.decode(body))


class MappedPages(Generic[W, T]):
    """Decodes a page and keeps of each row only what `keep` makes of it."""

    def __init__(self, wire: Decoder[Page[W]], keep: Callable[[W], T]) -> None:
        self._wire = wire
        self._keep = keep

    def decode(self, body: bytes, /) -> Page[T]:
        """Raises msgspec.ValidationError and msgspec.DecodeError, as a decoder of msgspec does."""
        page = self._wire.decode(body)
        values = [self._keep(row) for row in page.values]
        return Page(values, page.is_last_page, page.next_page_start, page.limit, page.size, page.start)


# What makes two rows of a listing the same row.


class _WithId(Protocol):
    @property
    def id(self) -> int | str: ...


def by_id(row: _WithId) -> int | str:
    """Most things have an id."""
    return row.id


def by_name(row: Group) -> str:
    """A group is its name."""
    return row.name


def by_user(row: UserGrant) -> tuple[int, str]:
    """Somebody's permission."""
    return row.user.id, row.permission


def by_group(row: GroupGrant) -> tuple[str, str]:
    """A group's permission."""
    return row.group.name, row.permission
