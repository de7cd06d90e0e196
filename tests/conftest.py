"""What all tests share."""

import signal

import pytest
from hypothesis import settings

import tests.examples  # registers the profiles before `--hypothesis-profile` chooses one


def pytest_configure() -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and programs under test would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that take long are left out by default, so that the rest is run after each change. CI runs all."""
    if settings.get_current_profile_name() == tests.examples.FULL or config.args != config.getini("testpaths"):
        return  # who names a test wants it to run
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    if thorough:
        config.hook.pytest_deselected(items=thorough)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
