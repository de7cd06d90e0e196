"""Fixtures that all tests share."""

from collections.abc import Iterator

import pytest

import tests.examples  # noqa: F401  # registers the profiles before `--hypothesis-profile` chooses one
from oaa_bitbucket_async.demo.veza import EmbeddedVeza


@pytest.fixture(scope="session")
def veza_server() -> Iterator[EmbeddedVeza]:
    """One Veza for the whole session: its certificate takes longest to make."""
    with EmbeddedVeza() as veza, veza.trusted():
        yield veza
