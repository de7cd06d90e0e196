"""Checks that every reference within a payload leads somewhere.

oaaclient silently accepts an undefined permission, a missing group and a resource of another application. Veza then
refuses the payload or, worse, accepts it without the grant.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from oaaclient.templates import AccessCred, CustomApplication, OAAIdentityType

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.entries import Group, Holder, Resource, User


class ReferenceCheck:
    """Looks on while a payload is written, and counts. CollectorError (a bug of ours) if a reference leads nowhere."""

    def __init__(self, app: CustomApplication) -> None:
        self._permissions = {permission.name for permission in app.custom_permissions.values()}
        self._groups: set[str] = set()
        self._joined: set[str] = set()
        self._identities: set[str] = set()
        self._keys: list[str] = []
        """Of projects and repositories, as they were written."""
        self._attached: set[str] = set()
        self.user_count = 0
        self.group_count = 0
        self.project_count = 0
        self.grant_count = 0
        """Distinct ones, of users, groups and credentials."""
        self.credential_grant_count = 0
        self.credential_count = 0

    @property
    def repository_count(self) -> int:
        """Repositories written so far."""
        return len(self._keys) - self.project_count

    def users(self, users: Iterable[User]) -> Iterator[User]:
        """Users about to be written."""
        for user in users:
            self.user_count += 1
            self._joined.update(user.groups)
            self._attached.update(user.access_creds)
            self._identities.add(user.id)
            yield user

    def groups(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Groups about to be written."""
        for group in groups:
            self.group_count += 1
            self._joined.update(group.groups)
            self._groups.add(group.id)
            self._identities.add(group.id)
            yield group

    def credentials(self, credentials: Iterable[AccessCred]) -> Iterator[AccessCred]:
        """Credentials about to be written, after the users: each once."""
        for credential in credentials:
            self._expect_new(credential.unique_id)
            self._identities.add(credential.unique_id)
            self.credential_count += 1
            yield credential

    def projects(self, projects: Iterable[Resource]) -> Iterator[Resource]:
        """Projects about to be written, with their repositories."""
        for project in projects:
            self.project_count += 1
            key = project.id
            self._keys.append(key)
            self._keys += [f"{key}.{repository.id}" for repository in project.sub_resources]
            yield project

    def grants(self, holders: Callable[[Sequence[str]], Iterable[Holder]]) -> Iterator[Holder]:
        """What is held, after everything else has been written: by whom, which permission, and on what.

        `holders` gets the keys of the resources that have been written, so that no grant can name another.
        """
        self._expect(self._joined, self._groups, "group", "a user or a group")
        self._expect(self._attached, self._identities, "credential", "a user")
        for entry in holders(self._keys):
            holder, grants = entry.identity, entry.application_permissions
            self._expect((holder,), self._identities, "identity", holder)
            self._expect([grant.permission for grant in grants], self._permissions, "permission", holder)
            found = sum([len(set(grant.resources)) + grant.apply_to_application for grant in grants])
            self.grant_count += found
            if entry.identity_type is OAAIdentityType.AccessCred:
                self.credential_grant_count += found
            yield entry

    def _expect_new(self, identity: str) -> None:
        if identity in self._identities:
            raise CollectorError(
                f"The payload defines {identity!r} twice, so it was not uploaded.",
                "This is a bug in this program. Please report it with this line.",
            )

    def _expect(self, references: Iterable[str], known: set[str], what: str, holder: str) -> None:
        if not known.issuperset(references):
            unknown = next(reference for reference in references if reference not in known)
            raise CollectorError(
                f"The payload refers to the {what} {unknown!r} (from {holder!r}) but does not define it, so it was not "
                "uploaded.",
                "This is a bug in this program. Please report it with this line.",
            )
