"""How an embedded Bitbucket behaves: its version, its limits, and what an administrator switched on or off."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """Bitbucket's rate limit as an administrator set it; users in `exempt` (by name) are not limited."""

    capacity: int
    fill_rate: int
    exempt: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The same for the whole life of a server.

    `version` decides what exists: `archived` from 8.0, REPO_CREATE from 8.2 (shown as PROJECT_WRITE before),
    `createdTimestamp` and the trap of unknown tokens served as anonymous from 10.0, basic authentication off from 10.0;
    before 9.0 the last page says `nextPageStart: null`. Before 8.0 SSH keys have only an id, a text and a label, and
    those of another user are asked for with `user`, not `userName`; tokens of projects and repositories exist from
    7.18. The audit log exists from 7.0; before 8.0 its rows have the old attributes too.
    """

    version: str = "9.4.0"
    context_path: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    user: str = "collector"
    """The account with SYS_ADMIN; added to the estate if it has no user of that name."""
    page_cap: int = 1000
    """Most rows of a page."""
    inactive_in_users: bool = True
    """Whether `/users` shows inactive users, as `/admin/users` does."""
    rate_limit: RateLimit | None = None
    """What the server tells of its rate limit. None: it is off."""
    data_center: bool = True
    """False: the licence is one of Bitbucket Server."""
    audit_right: str = "ADMIN"
    """The global permission that reading the audit log takes: ADMIN, or SYS_ADMIN where an administrator chose so."""
    audit_by_token: bool = True
    """Whether an HTTP access token of somebody who may read the audit log may do it too."""

    @property
    def release(self) -> tuple[int, int]:
        """(major, minor)."""
        major, minor, *_ = [*self.version.split("."), "0"]
        return int(major), int(minor)

    @property
    def takes_basic(self) -> bool:
        """Whether a user name and password are accepted."""
        return self.release < (10, 0)
