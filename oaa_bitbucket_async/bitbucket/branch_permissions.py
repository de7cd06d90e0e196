"""What limits changes to a branch: restrictions, default branch and merge checks."""

import msgspec

from oaa_bitbucket_async.bitbucket.rows import Id, MappedDecoder, MappedPages, Name, Number, Page, Row, without_nulls


class Restriction(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A branch restriction, inherited or the repository's own, and who is exempt from it.

    `kind` and `matcher` (BRANCH, PATTERN, …) are Bitbucket's words; `matched` is the matcher's id.
    """

    kind: Name
    matcher: str
    matched: str
    active: bool
    users: tuple[int, ...]
    groups: tuple[str, ...]
    keys: tuple[int, ...]


class DefaultBranch(Row, frozen=True):
    """The branch that is configured to be the default one: `refs/heads/main`."""

    id: Name


class BranchModel(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A repository's branching model. `roles` has the full ref name of each role (`development`, `production`) that is
    set, or None for the default branch. `prefixes` has the prefix of each category (`RELEASE`, …) that is enabled.
    """

    roles: tuple[tuple[str, str | None], ...]
    prefixes: tuple[tuple[str, str], ...]


class MergeChecks(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a pull request needs before it can be merged. None means that the server does not tell."""

    approvals: int | None
    builds: int | None
    all_approvers: bool | None
    all_tasks: bool | None


class _MatcherType(Row, frozen=True):
    id: Name


class _Matcher(Row, frozen=True):
    id: str
    type: _MatcherType
    active: bool = True


class _User(Row, frozen=True):
    id: Id


class _Group(Row, frozen=True):
    name: Name


class _Key(Row, frozen=True):
    id: Id


class _AccessKey(Row, frozen=True):
    key: _Key


class _Restriction(Row, frozen=True):
    type: Name
    matcher: _Matcher
    users: tuple[_User, ...] = ()
    groups: tuple[str | _Group, ...] = ()
    access_keys: tuple[_AccessKey, ...] = ()


def _restriction(wire: _Restriction) -> Restriction:
    return Restriction(
        kind=wire.type,
        matcher=wire.matcher.type.id,
        matched=wire.matcher.id,
        active=wire.matcher.active,
        users=tuple(sorted({user.id for user in wire.users})),
        groups=tuple(sorted({group if isinstance(group, str) else group.name for group in wire.groups})),
        keys=tuple(sorted({access.key.id for access in wire.access_keys})),
    )


UNREADABLE = Restriction("unreadable", "", "", active=False, users=(), groups=(), keys=())
"""Replaces a restriction in an unknown form. What its repository restricts is then unknown."""


class _Restrictions:
    """Decodes a page of restrictions. If one row can't be read, it decodes row by row."""

    def __init__(self) -> None:
        self._page = MappedPages(msgspec.json.Decoder(Page[_Restriction]), _restriction)
        self._rows = msgspec.json.Decoder(Page[msgspec.Raw])
        self._row = msgspec.json.Decoder(_Restriction)

    def decode(self, body: bytes, /) -> Page[Restriction]:
        """Raises msgspec.ValidationError and msgspec.DecodeError, as a decoder of msgspec does."""
        try:
            return self._page.decode(body)
        except msgspec.ValidationError:
            page = self._rows.decode(body)
        values = [self._readable(bytes(row)) for row in page.values]
        return Page(values, page.is_last_page, page.next_page_start, page.limit, page.size, page.start)

    def _readable(self, row: bytes) -> Restriction:
        try:
            return _restriction(self._row.decode(without_nulls(row)))
        except msgspec.ValidationError:
            return UNREADABLE


class _Role(Row, frozen=True):
    ref_id: str | None = None
    use_default: bool = False


class _Category(Row, frozen=True):
    id: Name
    prefix: str | None = None
    enabled: bool = True


class _BranchModel(Row, frozen=True):
    development: _Role | None = None
    production: _Role | None = None
    types: tuple[_Category, ...] = ()


def _branch_model(wire: _BranchModel) -> BranchModel:
    roles = (("development", wire.development), ("production", wire.production))
    return BranchModel(
        roles=tuple(
            (name, None if role.use_default else role.ref_id)
            for name, role in roles
            if role is not None and (role.use_default or role.ref_id)
        ),
        prefixes=tuple((one.id, one.prefix) for one in wire.types if one.enabled and one.prefix),
    )


class _Check(Row, frozen=True):
    enabled: bool = True
    count: Number | str | None = None


_Checked = Number | str | _Check | None


class _MergeChecks(Row, frozen=True):
    """`requiredApprovers` is a number. Newer servers also send it in the form of the hook."""

    required_approvers: _Checked = None
    required_successful_builds: _Checked = None
    required_all_approvers: bool | None = None
    required_all_tasks_complete: bool | None = None


def _merge_checks(wire: _MergeChecks) -> MergeChecks:
    return MergeChecks(
        approvals=_count(wire.required_approvers),
        builds=_count(wire.required_successful_builds),
        all_approvers=wire.required_all_approvers,
        all_tasks=wire.required_all_tasks_complete,
    )


def _count(check: _Checked) -> int | None:
    if isinstance(check, _Check):
        return _count(check.count) if check.enabled else 0
    if isinstance(check, str):
        return int(check) if check.isascii() and check.isdecimal() and len(check) <= 9 else None
    return check


RESTRICTIONS = _Restrictions()
DEFAULT_BRANCH = msgspec.json.Decoder(DefaultBranch)
BRANCH_MODEL = MappedDecoder(msgspec.json.Decoder(_BranchModel), _branch_model)
MERGE_CHECKS = MappedDecoder(msgspec.json.Decoder(_MergeChecks), _merge_checks)
