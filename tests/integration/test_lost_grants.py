"""A run whose payload holds fewer grants than were collected uploads nothing."""

import gzip
import json

import pytest

from oaa_bitbucket_async.oaa.holdings import Holdings
from tests.integration.conftest import Benches


def test_grants_that_are_lost_on_the_way_to_the_payload_end_the_run(
    bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bug would lose them in the step that regroups grants by their holder."""
    made = bench()
    monkeypatch.setattr(Holdings, "of_group", lambda self, group, keys: {})
    ended = made.run()
    assert (ended.code, ended.pushed) == (1, [])
    assert "were collected: not uploaded" in str(ended.error)
    (kept,) = made.state.glob("*.json.gz*")
    assert kept.name.endswith(".json.gz.incomplete")
    assert str(kept) in str(ended.error)
    assert json.loads(gzip.decompress(kept.read_bytes()))["identity_to_permissions"]
