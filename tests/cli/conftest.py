import os
from collections.abc import Callable

import pytest

from oaa_bitbucket_async.cli.build import APPLICATION, Built, build_settings
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.settings import Settings

Build = Callable[..., Built[Settings]]
MINIMUM = {
    "BITBUCKET_URL": "https://bitbucket.example.com",
    "BITBUCKET_TOKEN": "bitbucket-secret",
    "VEZA_URL": "example.vezacloud.com",
    "VEZA_API_KEY": "veza-secret",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests takes part."""
    for name in list(os.environ):
        if name.startswith(("BITBUCKET_", "VEZA_", "OAA_")):
            monkeypatch.delenv(name)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    """Settings from arguments and variables, on top of what is required; None takes a variable away."""

    def build_from(*arguments: str, **variables: str | None) -> Built[Settings]:
        for name, value in {**MINIMUM, **variables}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        context = cli.make_context(APPLICATION, list(arguments), obj=Invocation())
        return build_settings(context.params, os.environ)

    return build_from
