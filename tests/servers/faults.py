"""Faults that only a test of this collector needs, on top of those that the embedded Bitbucket knows by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from oaa_bitbucket_async.demo.bitbucket import faults
from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer, refusal
from oaa_bitbucket_async.demo.bitbucket.routes import Route
from oaa_bitbucket_async.demo.model import Estate
from tests.servers.changes import delete_project, delete_repository

FAULTS = {
    **faults.FAULTS,
    "other-answer": "`status`, `headers` and `body` in place of the answer, as JSON",
    "duplicate-rows": "a later page begins with the last row of the one before",
    "shifted-rows": "a later page begins one row late, as if one had been deleted before it",
    "too-many-searches": "500, as the audit log answers while others search in it",
    "vanished": "the repository or project that is asked for is deleted first, so that it is 404",
}


@dataclass(eq=False)
class Fault(faults.ServerFault):
    """A fault of the embedded Bitbucket, or one of a test."""

    known: ClassVar[Mapping[str, str]] = FAULTS
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def shift(self) -> int:
        """By how many rows later pages are moved."""
        return {"duplicate-rows": -1, "shifted-rows": 1}.get(self.name, 0)

    def instead(self) -> ServerAnswer | None:
        """The answer that is given in place of Bitbucket's."""
        if self.name == "too-many-searches":
            message = "Can't perform search as there are many other search requests in progress"
            return refusal(500, message, "com.atlassian.audit.api.AuditSearchException").answer
        return ServerAnswer(self.status, self.body, self.headers) if self.name == "other-answer" else super().instead()

    def change(self, where: Route, estate: Estate) -> None:
        """Deletes what a request is about, if this is `vanished`."""
        if self.name != "vanished":
            return
        if where.kind.startswith("repository") and estate.repository(*where.names[:2]) is not None:
            delete_repository(estate, *where.names[:2])
        elif where.kind.startswith("project-") and estate.project(where.names[0]) is not None:
            delete_project(estate, where.names[0])
