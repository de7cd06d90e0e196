"""Fixtures that all tests share."""

from collections.abc import Iterator

import pytest

import tests.examples  # noqa: F401  # registers the profiles before `--hypothesis-profile` chooses one
from tests.servers.veza import RiggedVeza


@pytest.fixture(scope="session")
def veza_server() -> Iterator[RiggedVeza]:
    """One Veza for the whole session: its certificate takes longest to make."""
    with RiggedVeza() as veza, veza.trusted():
        yield veza
