"""How many examples a property is tried on, and how often a loop goes round: a tenth by default, all of them with
`--hypothesis-profile=full`.

The default keeps the suite short enough to be run after each change; `.ci/run` asks for all. Where CI is set, the
examples are the same each time, so that a change is judged and not the luck. How long an example takes
is no finding: the machine may be busy.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

QUICK, FULL = "quick", "full"
_SHARE = {QUICK: 10, FULL: 100}
"""Per cent."""

for name, share in _SHARE.items():
    settings.register_profile(
        name,
        max_examples=share,
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(QUICK)


def rounds(number: int, *, least: int = 3) -> int:
    """How often a loop goes round that is worth `number` rounds in full."""
    return max(least, number * settings().max_examples // _SHARE[FULL])


def examples(number: int, **more: Any) -> settings:
    """The decorator for a property that is worth `number` examples in full; `more` is for `hypothesis.settings`."""
    return settings(max_examples=rounds(number), **{"deadline": None, **more})


def first(*wanted: Any, of: Iterable[Any]) -> list[Any]:
    """Values of a parameter of which all but `wanted` are for a thorough run: they go the same way."""
    return [one if one in wanted else _thorough(*one if isinstance(one, tuple) else (one,)) for one in of]


def _thorough(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.thorough)
