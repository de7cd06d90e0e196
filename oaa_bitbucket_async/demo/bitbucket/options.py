"""How an embedded Bitbucket behaves: its version, its limits, and what an administrator switched on or off."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from oaa_bitbucket_async.demo.bitbucket.capacity import Capacity, TokenBucket

BUILT_IN_CAP = 1000


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The same for the whole life of a server.

    `version` decides what exists: `archived` from 8.0, REPO_CREATE from 8.2 (shown as PROJECT_WRITE before),
    `createdTimestamp` and the trap of unknown tokens served as anonymous from 10.0, basic authentication off by
    default from 10.0; before 9.0 the last page says `nextPageStart: null`. Before 8.0 SSH keys have only an id, a
    text and a label, and those of another user are asked for with `user`, not `userName`; tokens of projects and
    repositories exist from 7.18.

    `page_cap` is the most rows of a page, `page_caps` the same for single kinds of endpoints (`routes.KINDS`).
    With `gaps`, `nextPageStart` jumps by that many places; with `empty_pages`, each jump leads to a page without
    rows that is not the last one.
    """

    version: str = "9.4.0"
    context_path: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    display_name: str = "Bitbucket"
    user: str = "collector"
    """The account with SYS_ADMIN; added to the estate if it has no user of that name."""
    basic_enabled: bool | None = None
    """None: as the version has it."""
    admin_listings: bool = True
    """False: `/admin/users`, `/admin/groups` and `more-members` are refused (401)."""
    inactive_in_users: bool = True
    """Whether `/users` shows inactive users, as `/admin/users` does."""
    loses_filtered_users: bool = True
    """BSERV-11884: a page of `/users?permission=` loses what lies beyond half the cap."""
    strip_username_header: bool = False
    cookies: bool = True
    missing: frozenset[str] = frozenset()
    """Kinds of endpoints (`routes.KINDS`) that this server does not have: 404, as for an app that is switched off."""
    dates_as_text: bool = False
    """Dates of keys and tokens as the documentation shows them, not as servers send them: milliseconds."""
    page_cap: int = BUILT_IN_CAP
    page_caps: Mapping[str, int] = field(default_factory=dict)
    gaps: int = 0
    empty_pages: bool = False
    capacity: Capacity | None = None
    bucket: TokenBucket | None = None
    rate_settings_readable: bool = True
    log_requests: bool = True
    tls: ssl.SSLContext | None = None

    @property
    def release(self) -> tuple[int, int]:
        """(major, minor)."""
        major, minor, *_ = [*self.version.split("."), "0"]
        return int(major), int(minor)

    @property
    def takes_basic(self) -> bool:
        """Whether a user name and password are accepted."""
        return self.release < (10, 0) if self.basic_enabled is None else self.basic_enabled

    def cap(self, kind: str) -> int:
        """The most rows of a page of that kind of endpoint."""
        return self.page_caps.get(kind, self.page_cap)
