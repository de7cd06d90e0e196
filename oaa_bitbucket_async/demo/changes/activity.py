"""Daily activity of people and nodes that changes no grant. It makes up most rows of a real audit log."""

import random

from oaa_bitbucket_async.demo.changes.telling import place_things
from oaa_bitbucket_async.demo.happening import Happening, Thing
from oaa_bitbucket_async.demo.model import Estate

PLUGINS = 149
"""Plugins that are enabled when a node starts, that of the audit log among them."""
_SYSTEM = Thing("system", "System", "-1")
_READING = ("repository viewed", "repository viewed", "repository viewed", "pull request opened", "pull request merged")


def look_around(estate: Estate, rng: random.Random, times: int) -> None:
    """People look at repositories, and open and merge pull requests, so many times."""
    users = [user for user in estate.users if user.active]
    if not users or not estate.repositories:
        return
    for _ in range(times):
        user = rng.choice(users)
        by = Thing(user.type, user.name, str(user.id))
        estate.tell(Happening(rng.choice(_READING), place_things(rng.choice(estate.repositories)), by=by))


def start_node(estate: Estate) -> None:
    """A node starts."""
    names = [f"com.atlassian.bitbucket.server.plugin-{number}" for number in range(1, PLUGINS)]
    for name in ("com.atlassian.audit.atlassian-audit-plugin", *names):
        estate.tell(Happening("plugin enabled", [Thing("MISC", name)], by=_SYSTEM))
