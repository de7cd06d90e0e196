"""How many of what a payload holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What the payload holds. `grants`: one for each holder, permission and thing it is held on."""

    users: int
    groups: int
    projects: int
    repositories: int
    grants: int
    credentials: int | None = None
    """Keys and tokens; None if they were not asked for."""
