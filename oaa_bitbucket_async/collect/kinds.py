"""Every kind of question that a crawl asks, each described once.

An entry says where Bitbucket answers it, how the answer is decoded, whose it is, what people call it, under which
word of `--include` it is asked, and how its rows enter the snapshot. Another kind is another entry, with its row type
(`bitbucket`) and what a payload makes of it (`oaa`).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from oaa_bitbucket_async.bitbucket import branch_permissions, credentials, default_reviewers, rows
from oaa_bitbucket_async.bitbucket.api import (
    DEFAULT_LEVELS,
    EFFECTIVE_PERMISSIONS,
    GROUP_GRANTS,
    REPO_CREATE,
    USER_GRANTS,
    Api,
    Endpoint,
    Listing,
    Weight,
)
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.bitbucket.rows import Decoder, Page
from oaa_bitbucket_async.collect import intake
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import Kind, Owner, RowT, Subject
from oaa_bitbucket_async.settings import Include

_WEIGHTS: dict[Owner, Weight] = {"instance": Weight.FEW, "project": Weight.SOME}


def _itself(row: Hashable) -> Hashable:
    return row


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class UnitKind(Kind[RowT]):
    """A kind of unit: how it is asked, and what becomes of its rows.

    It is asked at `path`, where `{}` stands for what its subject is called there (see `Endpoints.names`), and answered
    in `pages` or with one `answer`; or where `ask` says, which gets the same names.
    """

    what: str
    """For people, as in `user permissions of repository {}`."""
    path: str = ""
    pages: Decoder[Page[RowT]] | None = None
    answer: Decoder[RowT] | None = None
    ask: Callable[..., Listing[RowT] | Endpoint[RowT]] | None = None
    row_key: Callable[[RowT], Hashable] = _itself
    """What makes two rows of one listing the same row."""
    enter: Callable[[Snapshot, str, Sequence[RowT], float], None] | None = None
    """Puts rows of the unit with this key, read at this time (epoch seconds), into the snapshot. None: `--include`
    added them, and they are kept with their subject."""
    unreadable: RowT | None = None
    """Replaces a row whose form is unknown. What its subject has is then unknown too."""
    grants: bool = False
    """Whether each row is somebody's grant."""
    helps: bool = False
    """Asked only if the answers to another kind are not enough. If the login may not see it, one property is
    absent."""
    weight: Weight = field(init=False)
    """Those about a project lead to more, those about groups, repositories and users are many."""
    parts: tuple[str, ...] = ()
    """The kind is asked once for each of these parts. A part is in the unit's key, alone or after `ID/`."""

    def __post_init__(self) -> None:
        """Sets the fields that follow from the others."""
        super().__post_init__()
        object.__setattr__(self, "weight", _WEIGHTS.get(self.of, Weight.BULK))

    @property
    def listing(self) -> bool:
        """Without it there is no payload at all, not even a partial one (DESIGN.md section 4, rule 1)."""
        return self.of == "instance" and not self.grants

    def endpoint(self, api: Api, capabilities: Capabilities, names: Sequence[str]) -> Listing[RowT] | Endpoint[RowT]:
        """The endpoint for a subject with these names. Raises Fault for a name that leads elsewhere."""
        if self.ask is not None:
            return self.ask(api, capabilities, *names)
        return self.at(api, names)

    def at(self, api: Api, names: Sequence[str]) -> Listing[RowT] | Endpoint[RowT]:
        """The same for a kind that has a `path`."""
        if self.pages is not None:
            return api.listing(self.name, self.path, names, self.pages, self.weight)
        if self.answer is None:
            raise ValueError(f"nothing says how {self.name} is answered")
        return api.endpoint(self.name, self.path, names, self.answer, self.weight)

    def ingest(self, snapshot: Snapshot, key: str, answer: Sequence[RowT], read_at: float) -> None:
        """Puts the answer for the unit with this key, read at `read_at` (epoch seconds), into the snapshot.

        Pages of one unit in any order, or twice, give the same snapshot.
        """
        if self.enter is not None:
            self.enter(snapshot, key, answer, read_at)
        elif self.unreadable is not None and self.unreadable in answer:
            snapshot.included.hide(self, int(key))
        else:
            snapshot.included.add(self, int(key), answer)


AnyRow = msgspec.Struct
"""A row of whichever kind."""
AnyKind = UnitKind[Any]
"""A kind of any rows: its decoder and its way into the snapshot agree, for they were checked where it is described."""

# fmt: off
# --- the instance -----------------------------------------------------------------------------------------------------

USERS = UnitKind(
    name="users", of="instance", row=rows.User, what="listing of users",
    ask=lambda api, capabilities: api.users(detailed=capabilities.detailed_users),
    row_key=rows.by_id, enter=intake.users,
)
GROUPS = UnitKind(
    name="groups", of="instance", row=rows.Group, what="listing of groups",
    ask=lambda api, capabilities: api.groups(detailed=capabilities.detailed_groups),
    row_key=rows.by_name, enter=intake.groups,
)
PROJECTS = UnitKind(
    name="projects", of="instance", row=rows.Project, what="listing of projects",
    ask=lambda api, _: api.projects(),
    row_key=rows.by_id, enter=intake.projects,
)
REPOSITORIES = UnitKind(
    name="repositories", of="instance", row=rows.Repository, what="listing of repositories",
    ask=lambda api, _: api.repositories(),
    row_key=rows.by_id, enter=intake.repositories,
)
GLOBAL_USERS = UnitKind(
    name="global-users", of="instance", row=rows.UserGrant, what="global permissions of users",
    ask=lambda api, _, *__: api.global_users(),
    row_key=rows.by_user, enter=intake.global_grants, grants=True,
)
GLOBAL_GROUPS = UnitKind(
    name="global-groups", of="instance", row=rows.GroupGrant, what="global permissions of groups",
    ask=lambda api, _, *__: api.global_groups(),
    row_key=rows.by_group, enter=intake.global_grants, grants=True,
)
EFFECTIVE = UnitKind(
    # who effectively holds one global permission; in place of the two above
    name="effective-users", of="instance", row=rows.User, what="users who hold {}",
    ask=lambda api, capabilities, permission: api.effective_users(permission, capabilities.effective_page),
    parts=EFFECTIVE_PERMISSIONS, row_key=rows.by_id, enter=intake.effective, grants=True,
)
MEMBERS = UnitKind(
    name="members", of="group", row=rows.User, what="members of group {}",
    ask=lambda api, capabilities, group: api.members(group, detailed=capabilities.detailed_members),
    row_key=rows.by_id, enter=intake.members,
)

# --- projects ---------------------------------------------------------------------------------------------------------

PROJECT_USERS = UnitKind(
    name="project-users", of="project", row=rows.UserGrant, what="user permissions of project {}",
    path="/rest/api/1.0/projects/{}/permissions/users", pages=USER_GRANTS,
    row_key=rows.by_user, enter=intake.project_grants, grants=True,
)
PROJECT_GROUPS = UnitKind(
    name="project-groups", of="project", row=rows.GroupGrant, what="group permissions of project {}",
    path="/rest/api/1.0/projects/{}/permissions/groups", pages=GROUP_GRANTS,
    row_key=rows.by_group, enter=intake.project_grants, grants=True,
)
PROJECT_DEFAULT = UnitKind(
    name="project-default", of="project", row=rows.Permitted, what="default permission of project {}",
    ask=lambda api, _, project, level: api.project_default(project, level),
    parts=(*DEFAULT_LEVELS, REPO_CREATE), enter=intake.project_default,
)
PROJECT_ACCESS_KEYS = UnitKind(
    name="project-access-keys", of="project", row=credentials.AccessKey, what="access keys of project {}",
    path="/rest/keys/1.0/projects/{}/ssh", pages=credentials.ACCESS_KEYS,
    include=Include.ACCESS_KEYS, row_key=rows.by_id,
)
PROJECT_TOKENS = UnitKind(
    name="project-tokens", of="project", row=credentials.Token, what="tokens of project {}",
    path="/rest/access-tokens/1.0/projects/{}", pages=credentials.TOKENS,
    include=Include.TOKENS, row_key=rows.by_id,
)
PROJECT_REVIEWERS = UnitKind(
    name="project-reviewers", of="project", row=default_reviewers.ReviewCondition,
    what="default reviewers of project {}",
    path="/rest/default-reviewers/latest/projects/{}/conditions", pages=default_reviewers.CONDITIONS,
    include=Include.DEFAULT_REVIEWERS,
)

# --- repositories -----------------------------------------------------------------------------------------------------

REPOSITORY_USERS = UnitKind(
    name="repository-users", of="repository", row=rows.UserGrant, what="user permissions of repository {}",
    path="/rest/api/1.0/projects/{}/repos/{}/permissions/users", pages=USER_GRANTS,
    row_key=rows.by_user, enter=intake.repository_grants, grants=True,
)
REPOSITORY_GROUPS = UnitKind(
    name="repository-groups", of="repository", row=rows.GroupGrant, what="group permissions of repository {}",
    path="/rest/api/1.0/projects/{}/repos/{}/permissions/groups", pages=GROUP_GRANTS,
    row_key=rows.by_group, enter=intake.repository_grants, grants=True,
)
REPOSITORY_ACCESS_KEYS = UnitKind(
    # less those of its project
    name="repository-access-keys", of="repository", row=credentials.AccessKey, what="access keys of repository {}",
    path="/rest/keys/1.0/projects/{}/repos/{}/ssh", pages=credentials.ACCESS_KEYS,
    include=Include.ACCESS_KEYS, row_key=rows.by_id,
)
REPOSITORY_TOKENS = UnitKind(
    name="repository-tokens", of="repository", row=credentials.Token, what="tokens of repository {}",
    path="/rest/access-tokens/1.0/projects/{}/repos/{}", pages=credentials.TOKENS,
    include=Include.TOKENS, row_key=rows.by_id,
)
REPOSITORY_RESTRICTIONS = UnitKind(
    # with those that its project gives it
    name="repository-restrictions", of="repository", row=branch_permissions.Restriction,
    what="branch restrictions of repository {}",
    path="/rest/branch-permissions/2.0/projects/{}/repos/{}/restrictions", pages=branch_permissions.RESTRICTIONS,
    include=Include.BRANCH_RESTRICTIONS, unreadable=branch_permissions.UNREADABLE,
)
REPOSITORY_DEFAULT_BRANCH = UnitKind(
    # as configured, whether or not it exists; where a restriction leaves open whether it covers the default branch
    name="repository-default-branch", of="repository", row=branch_permissions.DefaultBranch,
    what="default branch of repository {}",
    path="/rest/api/latest/projects/{}/repos/{}/default-branch", answer=branch_permissions.DEFAULT_BRANCH,
    include=Include.BRANCH_RESTRICTIONS, helps=True,
)
REPOSITORY_BRANCH_MODEL = UnitKind(
    # where a restriction names a role or a category of branches; not in Atlassian's document, but many clients ask it
    name="repository-branch-model", of="repository", row=branch_permissions.BranchModel,
    what="branching model of repository {}",
    path="/rest/branch-utils/1.0/projects/{}/repos/{}/branchmodel/configuration",
    answer=branch_permissions.BRANCH_MODEL, include=Include.BRANCH_RESTRICTIONS, helps=True,
)
REPOSITORY_SETTINGS = UnitKind(
    # what a pull request needs before it can be merged, by the repository or its project
    name="repository-settings", of="repository", row=branch_permissions.MergeChecks,
    what="pull request settings of repository {}",
    path="/rest/api/1.0/projects/{}/repos/{}/settings/pull-requests", answer=branch_permissions.MERGE_CHECKS,
    include=Include.SETTINGS,
)
REPOSITORY_REVIEWERS = UnitKind(
    name="repository-reviewers", of="repository", row=default_reviewers.ReviewCondition,
    what="default reviewers of repository {}",
    path="/rest/default-reviewers/latest/projects/{}/repos/{}/conditions", pages=default_reviewers.CONDITIONS,
    include=Include.DEFAULT_REVIEWERS,
)

# --- users: those of others need ADMIN --------------------------------------------------------------------------------

USER_TOKENS = UnitKind(
    name="user-tokens", of="user", row=credentials.Token, what="tokens of user {}",
    ask=lambda api, _, __, slug: api.user_tokens(slug),
    include=Include.TOKENS, row_key=rows.by_id,
)
USER_SSH_KEYS = UnitKind(
    # `user` is what older servers know, `userName` newer ones
    name="user-ssh-keys", of="user", row=credentials.SshKey, what="SSH keys of user {}",
    path="/rest/ssh/1.0/keys?user={0}&userName={0}", pages=credentials.SSH_KEYS,
    include=Include.SSH_KEYS, row_key=rows.by_id,
)
USER_GPG_KEYS = UnitKind(
    name="user-gpg-keys", of="user", row=credentials.GpgKey, what="GPG keys of user {}",
    path="/rest/gpg/1.0/keys?user={0}", pages=credentials.GPG_KEYS,
    include=Include.GPG_KEYS, row_key=rows.by_id,
)

# fmt: on

ALL: tuple[AnyKind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, UnitKind))
"""In the order above, in which the crawl also asks what `--include` adds of one place."""
BY_NAME = {kind.name: kind for kind in ALL}
INCLUDED = tuple(kind for kind in ALL if kind.include is not None)
_ABOUT = {owner: sorted(kind for kind in ALL if kind.of == owner) for owner in ("project", "repository", "user")}


class Unit(NamedTuple):
    """One unit of work: one question to Bitbucket with all its pages, asked whole, ended whole, resumed whole.

    `key` is stable over runs: a group's name, or a project's, repository's or user's numeric id as text. A kind that is
    asked in `parts` has the part in its key, a listing the empty string.
    """

    kind: AnyKind
    key: str = ""


def subject_of(unit: Unit) -> Subject | None:
    """What the unit asks about; None for groups and the whole instance."""
    owner = unit.kind.of
    if owner == "repository":  # first, for there are most of them
        return Subject("repository", int(unit.key))
    if owner == "project":
        return Subject("project", int(unit.key.partition("/")[0]))
    if owner == "user":
        return Subject("user", int(unit.key))
    return None


def units_of(subject: Subject) -> Iterator[Unit]:
    """Every unit that can be about the subject."""
    for kind in _ABOUT[subject.kind]:
        for part in kind.parts:
            yield Unit(kind, f"{subject.id}/{part}")
        if not kind.parts:
            yield Unit(kind, str(subject.id))


def first_unit_of(subject: Subject) -> Unit:
    """The unit that represents a project or repository as a whole in messages."""
    return Unit(PROJECT_USERS if subject.kind == "project" else REPOSITORY_USERS, str(subject.id))


def kinds_of(include: Include) -> list[AnyKind]:
    """What is asked for a word of `--include`."""
    return [kind for kind in INCLUDED if kind.include is include]
