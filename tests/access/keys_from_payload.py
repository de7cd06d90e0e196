"""What keys and tokens can open, read from nothing but the payload, by the rules of Veza's application template."""

from tests.access.from_payload import IN_WORDS, FromPayload, Json


class KeysFromPayload(FromPayload):
    """The credentials of a payload, by their ids, and what each holds."""

    def __init__(self, payload: Json) -> None:
        super().__init__(payload)
        listed = self.application.get("local_access_creds", ())
        self.credentials: dict[str, Json] = {credential["id"]: credential for credential in listed}
        assert len(self.credentials) == len(listed), "a credential twice"
        kinds = {holder["identity"]: holder["identity_type"] for holder in payload["identity_to_permissions"]}
        assert {key for key, kind in kinds.items() if kind == "local_access_creds"} <= self.credentials.keys()
        assert not self.credentials.keys() & (self.users.keys() | self.groups.keys())

    def holding(self) -> set[str]:
        """Ids of the credentials that hold anything by themselves."""
        return self.credentials.keys() & self._held.keys()

    def of_users(self) -> dict[str, str]:
        """Whose a credential is: a user's id by the credential's."""
        owners: dict[str, str] = {}
        for user, shown in self.users.items():
            for credential in shown.get("access_creds", ()):
                assert owners.setdefault(credential, user) == user, "one credential of two users"
        return owners

    def opens_project(self, credential: str, project: int) -> str:
        """none, read, write or admin."""
        return self._opened(credential, (str(project),))

    def opens_repository(self, credential: str, repository: int) -> str:
        """none, read, write or admin."""
        return self._opened(credential, self.repositories[str(repository)])

    def _opened(self, credential: str, path: tuple[str, ...]) -> str:
        types = frozenset(self._types_on(credential, path)) - {"NonData", "Uncategorized"}
        found = [level for level, words in IN_WORDS.items() if words == types]
        assert found, f"{credential} on {path}: {sorted(types)} is no level"
        return found[0]

    def _holders(self, user: str) -> set[str]:
        return {user} if user in self.credentials else super()._holders(user)

    def guardrails(self, repository: int) -> Json:
        """The properties of a repository."""
        project = self.repositories[str(repository)][0]
        return next(
            dict(shown["custom_properties"])
            for shown in self.projects[project]["sub_resources"]
            if shown["id"] == str(repository)
        )
