"""The findings of the report, each one entry of a table. The page and the CSV files are made from it.

To add a finding, add an entry to FINDINGS: its words, how its rows are found, and what its columns are
called. Findings are shown by their seriousness, and within it in the order of the table.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.ops.report import access_rows, credential_rows
from oaa_bitbucket_async.ops.report.access_rows import Row
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.settings import Include


class Seriousness(IntEnum):
    """How soon somebody should act."""

    HIGH = 0
    """Somebody may get what nobody meant to give."""
    MEDIUM = 1
    """More access, or access for longer, than is needed; to be looked at one by one."""
    LOW = 2
    """To tidy up."""

    @property
    def word(self) -> str:
        """As the page says it."""
        return self.name.capitalize()

    @property
    def sign(self) -> str:
        """A shape of its own for each, so that nobody has to tell them apart by colour."""
        return "▲◆●"[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that deserves action, wherever it is found."""

    key: str
    """Names the CSV file, and the place on the page."""
    seriousness: Seriousness
    one: str
    """What a row is, where there is one of them: `1 …`."""
    many: str
    """Where there are several, or none: `12 …`."""
    means: str
    matters: str
    """Why anybody should care."""
    change: str
    """Where in Bitbucket it is put right."""
    columns: tuple[str, ...]
    rows: Callable[[Evidence], Iterable[Row]]
    """In the order in which they are shown. Can be called again."""
    reads: frozenset[AnyKind] = frozenset()
    """What it rests on. Without one of these it is not told, or, if `--include` asks for it, told in part."""

    @property
    def includes(self) -> frozenset[Include]:
        """What `--include` has to ask for, one of these at least; empty if nothing."""
        return frozenset(kind.include for kind in self.reads if kind.include is not None)


_GLOBAL: frozenset[AnyKind] = frozenset({kinds.GLOBAL_USERS, kinds.GLOBAL_GROUPS, kinds.EFFECTIVE})

FINDINGS = (
    Finding(
        key="public-repositories",
        seriousness=Seriousness.HIGH,
        one="repository that anybody may read without signing in",
        many="repositories that anybody may read without signing in",
        means="They, or their projects, are marked public, and public access to the instance is on or may be on.",
        matters="Anybody who can reach the server on the network can clone the code, without an account and without "
        "leaving a name.",
        change="Repository settings → Repository permissions → Public access; for a whole project: Project settings → "
        "Project permissions → Public access.",
        columns=("repository", "marked public is"),
        rows=access_rows.public_repositories,
    ),
    Finding(
        key="projects-everyone-may-change",
        seriousness=Seriousness.HIGH,
        one="project that everyone who may sign in can change",
        many="projects that everyone who may sign in can change",
        means="The project’s default permission is higher than reading.",
        matters="Every account can push to all repositories of the project, including accounts created tomorrow.",
        change="Project settings → Project permissions → Default permission.",
        columns=("project", "name", "everyone holds", "repositories"),
        rows=access_rows.open_for_writing,
        reads=frozenset({kinds.PROJECT_DEFAULT}),
    ),
    Finding(
        key="grants-to-gone-groups",
        seriousness=Seriousness.HIGH,
        one="grant to a group that no longer exists",
        many="grants to groups that no longer exist",
        means="A permission names a group that is not in any directory.",
        matters="If someone creates a group with this name, everyone in it gets these grants.",
        change="Project or repository settings → permissions → remove the group; for the whole instance: "
        "Administration → Global permissions.",
        columns=("group", "permission", "on"),
        rows=access_rows.grants_to_gone_groups,
        reads=frozenset({kinds.GROUPS}),
    ),
    Finding(
        key="administrators",
        seriousness=Seriousness.MEDIUM,
        one="person who can administer everything",
        many="people who can administer everything",
        means="They hold the global permission ADMIN or SYS_ADMIN, themselves or through a group.",
        matters="They can reach every project and repository, and can give themselves and others any right.",
        change="Administration → Global permissions; who is in a group: Administration → Groups.",
        columns=("user", "name", "permission", "through", "may sign in", "last login"),
        rows=access_rows.administrators,
        reads=_GLOBAL,
    ),
    Finding(
        key="credentials-of-inactive-people",
        seriousness=Seriousness.MEDIUM,
        one="key or token of an inactive person",
        many="keys and tokens of inactive people",
        means="The account is inactive; its tokens and SSH keys were never revoked.",
        matters="If the account becomes active again, they work as before, for anyone who has a copy.",
        change="Administration → Users → the user → HTTP access tokens: revoke them. SSH keys: an administrator "
        "deletes them over REST (DELETE /rest/ssh/latest/keys?user=NAME).",
        columns=("user", "kind", "called", "created", "last used", "expires"),
        rows=credential_rows.credentials_of_inactive_people,
        reads=frozenset(credential_rows.USER_CREDENTIALS),
    ),
    Finding(
        key="access-keys-that-may-write",
        seriousness=Seriousness.MEDIUM,
        one="access key that may write",
        many="access keys that may write",
        means="An SSH key that belongs to no person can write to a project or repository.",
        matters="Most build servers only need to read. Anyone who has the key’s file can push, without a name.",
        change="Repository settings or Project settings → Access keys: add the key again with read permission.",
        columns=("key", "opens", "permission", "created", "last used"),
        rows=credential_rows.access_keys_that_may_write,
        reads=frozenset(credential_rows.ACCESS_KEYS),
    ),
    Finding(
        key="tokens-that-never-expire",
        seriousness=Seriousness.MEDIUM,
        one="token that never expires",
        many="tokens that never expire",
        means="An HTTP access token has no expiry date.",
        matters="A copy in a script or a log works until somebody revokes it.",
        change="Administration → Users → the user → HTTP access tokens, or Project or Repository settings → HTTP "
        "access tokens: revoke it once its owner has made one that expires. An administrator can require a date.",
        columns=("token", "belongs to", "may", "created", "last used"),
        rows=credential_rows.tokens_that_never_expire,
        reads=frozenset(credential_rows.TOKENS),
    ),
    Finding(
        key="unused-keys-and-tokens",
        seriousness=Seriousness.MEDIUM,
        one=f"key or token not used for {credential_rows.UNUSED_DAYS} days",
        many=f"keys and tokens not used for {credential_rows.UNUSED_DAYS} days",
        means="They are valid, and the server has recorded no use in that time. Newer ones are left out.",
        matters="Nobody would miss them, and nobody would notice if somebody else used them.",
        change="Where they belong: HTTP access tokens, Access keys or SSH keys, in the settings of the repository, the "
        "project or the account.",
        columns=("kind", "called", "belongs to", "created", "last used"),
        rows=credential_rows.unused_credentials,
        reads=frozenset({*credential_rows.TOKENS, *credential_rows.ACCESS_KEYS, kinds.USER_SSH_KEYS}),
    ),
    Finding(
        key="unprotected-default-branches",
        seriousness=Seriousness.MEDIUM,
        one="repository with an unprotected default branch",
        many="repositories with an unprotected default branch",
        means="No branch restriction keeps people from pushing to the branch that everybody builds from.",
        matters="Everyone who may write can change it without a pull request and without a review.",
        change="Repository settings or Project settings → Branch permissions: prevent changes without a pull request.",
        columns=("repository", "default branch", "restrictions"),
        rows=credential_rows.unprotected_default_branches,
        reads=frozenset({kinds.REPOSITORY_RESTRICTIONS}),
    ),
    Finding(
        key="dormant-people",
        seriousness=Seriousness.MEDIUM,
        one="person who can’t sign in and holds grants",
        many="people who can’t sign in and hold grants",
        means="They are inactive or have no licence, but hold grants or are in groups that do.",
        matters="If they are activated or licensed again, they get all of it back without anybody deciding so.",
        change="Administration → Users: delete the account, or take it out of its groups; own grants: in the "
        "permissions of the project or repository.",
        columns=("user", "name", "why", "own grants", "groups", "last login"),
        rows=access_rows.dormant_people,
        reads=_GLOBAL,
    ),
    Finding(
        key="repositories-without-administrator",
        seriousness=Seriousness.MEDIUM,
        one="repository without an administrator of its own",
        many="repositories without an administrator of their own",
        means="Nobody who can sign in has an admin grant on the repository or its project.",
        matters="Nobody is responsible for who has access. Only administrators of the whole instance can change it.",
        change="Repository settings → Repository permissions, or Project settings → Project permissions: give a group "
        "the admin permission.",
        columns=("repository", "project", "archived"),
        rows=access_rows.orphaned_repositories,
    ),
    Finding(
        key="people-without-identity",
        seriousness=Seriousness.MEDIUM,
        one="person without an identity",
        many="people without an identity",
        means="They can sign in, but nothing links them to an account of your identity provider.",
        matters="Veza can’t tell who they are. When they leave the company, nothing takes their access away.",
        change="Administration → Users: set the e-mail address, or sign in through the identity provider’s directory. "
        "--identity chooses what links people.",
        columns=("user", "name", "directory", "last login"),
        rows=access_rows.people_without_identity,
        reads=_GLOBAL,
    ),
    Finding(
        key="projects-everyone-may-read",
        seriousness=Seriousness.LOW,
        one="project that everyone who may sign in can read",
        many="projects that everyone who may sign in can read",
        means="The project’s default permission is read.",
        matters="This may be intended. It also applies to contractors and to machine accounts.",
        change="Project settings → Project permissions → Default permission.",
        columns=("project", "name", "everyone holds", "repositories"),
        rows=access_rows.open_for_reading,
        reads=frozenset({kinds.PROJECT_DEFAULT}),
    ),
    Finding(
        key="public-if-switched-on",
        seriousness=Seriousness.LOW,
        one="repository marked public while public access is off",
        many="repositories marked public while public access is off",
        means="They, or their projects, are marked public, and public access to the instance is off: the mark "
        "gives nobody access.",
        matters="If somebody turns public access on, all of them are open to everybody.",
        change="Repository settings → Repository permissions → Public access; for a whole project: Project settings → "
        "Project permissions → Public access.",
        columns=("repository", "marked public is"),
        rows=access_rows.public_if_switched_on,
    ),
    Finding(
        key="empty-groups-with-grants",
        seriousness=Seriousness.LOW,
        one="group that nobody is in and that holds grants",
        many="groups that nobody is in and that hold grants",
        means="The group has no members, but permissions name it.",
        matters="Anyone who is added to it gets rights that nobody has reviewed for a long time.",
        change="Administration → Groups: delete it, or in its directory, and remove what still names it.",
        columns=("group", "highest permission", "grants", "on"),
        rows=access_rows.empty_groups,
        reads=frozenset({kinds.GROUPS}),
    ),
    Finding(
        key="grants-that-say-nothing-new",
        seriousness=Seriousness.LOW,
        one="grant of a person’s own that a group gives anyway",
        many="grants of people’s own that a group gives anyway",
        means="The person is in a group that has the same or a higher permission on the same place or its project.",
        matters="It has no effect today. If the person leaves the group, they keep the access, and nobody sees why.",
        change="Repository settings → Repository permissions, or Project settings → Project permissions: remove the "
        "person.",
        columns=("user", "permission", "on", "group", "group holds"),
        rows=access_rows.redundant_grants,
    ),
)
