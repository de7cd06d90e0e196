"""The rows of Bitbucket's answers, with the fields that the collector needs.

msgspec decodes them straight from bytes and checks the types. A key that the server does not send takes its default.
BITBUCKET.md sections 2, 4 and 5 say which keys can be absent, and since when they exist.
Instances are frozen, and the garbage collector does not track them: there are hundreds of thousands.
"""

from collections.abc import Callable
from typing import Annotated, Generic, Protocol, TypeVar

import msgspec

Id = Annotated[int, msgspec.Meta(ge=0, le=2**45)]
"""Bitbucket's ids have 31 bits. A far larger number is not an id and would not fit into a packed grant."""
Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""An integer that every JSON parser reads the same way."""
Name = Annotated[str, msgspec.Meta(min_length=1)]
"""A text that must not be empty: a name, key, slug or permission."""

Segment = Annotated[str, msgspec.Meta(pattern=r"[^.]|\.\.\.|^$")]
"""A key or slug that becomes part of a path. `.` and `..` would lead to another path."""


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
    """A group. Its name identifies it: comparisons ignore case, and the spelling is kept."""

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
    """Whether every licensed user has a permission on a project (its default permission)."""

    permitted: bool


class Project(Row, frozen=True):
    """A project. A personal project has an owner and a key that begins with `~`, but never `public`."""

    id: Id
    key: Annotated[Segment, msgspec.Meta(min_length=1)]
    name: str
    type: str = "NORMAL"
    public: bool = False
    description: str | None = None
    owner: User | None = None


class Origin(Row, frozen=True):
    """The origin of a fork. Only its existence matters."""

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
    """What the server says about itself."""

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
    """`admin/rate-limit/settings/users/{slug}`: the exception for one user; `whitelisted` means exempt."""

    whitelisted: bool = False
    settings: RateSettings | None = None


T = TypeVar("T")
W = TypeVar("W")
T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """Turns the bytes of an answer into rows: one of msgspec's decoders, or one that keeps less."""

    def decode(self, body: bytes, /) -> T_co:
        """Raises msgspec.ValidationError and msgspec.DecodeError."""
        ...


def without_nulls(body: bytes) -> bytes:
    """The same JSON without members that are null: some servers send null for an absent key (BITBUCKET.md section 11).

    A null in an array stays. Raises what msgspec raises, and RecursionError.
    """
    return msgspec.json.encode(_less_nulls(msgspec.json.decode(body)))


def _less_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _less_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_less_nulls(item) for item in value]
    return value


class Page(msgspec.Struct, Generic[T], frozen=True, gc=False, rename="camel"):
    """One page of a listing. `next_page_start` is where the next page starts; null or absent on the last one."""

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
    """Decodes a page and keeps only what `keep` makes of each row."""

    def __init__(self, wire: Decoder[Page[W]], keep: Callable[[W], T]) -> None:
        self._wire = wire
        self._keep = keep

    def decode(self, body: bytes, /) -> Page[T]:
        """Raises msgspec.ValidationError and msgspec.DecodeError, as a decoder of msgspec does."""
        page = self._wire.decode(body)
        values = [self._keep(row) for row in page.values]
        return Page(values, page.is_last_page, page.next_page_start, page.limit, page.size, page.start)


# The keys that tell whether two rows of a listing are the same row.


class _WithId(Protocol):
    @property
    def id(self) -> int | str: ...


def by_id(row: _WithId) -> int | str:
    """The id, which most rows have."""
    return row.id


def by_name(row: Group) -> str:
    """The name of a group."""
    return row.name


def by_user(row: UserGrant) -> tuple[int, str]:
    """The user and the permission."""
    return row.user.id, row.permission


def by_group(row: GroupGrant) -> tuple[str, str]:
    """The group and the permission."""
    return row.group.name, row.permission
