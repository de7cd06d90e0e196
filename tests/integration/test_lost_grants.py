"""A run whose payload holds fewer grants than were collected uploads nothing."""

import gzip
import json

import pytest
from oaaclient.templates import LocalGroup

from tests.integration.conftest import Benches


def test_grants_that_are_lost_on_the_way_to_the_payload_end_the_run(
    bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an oaaclient would lose them that lays its payload out in another way."""
    made = bench()
    tell = LocalGroup.get_identity_to_permissions

    def without_resources(group: LocalGroup, application_name: str) -> dict[str, object]:
        entry: dict[str, object] = tell(group, application_name)
        held = entry.get("application_permissions")
        if isinstance(held, list):
            entry["application_permissions"] = [one for one in held if "resources" not in one]
        return entry

    monkeypatch.setattr(LocalGroup, "get_identity_to_permissions", without_resources)
    ended = made.run()
    assert (ended.code, ended.pushed) == (1, [])
    assert "were collected: not uploaded" in str(ended.error)
    (kept,) = made.state.glob("*.json.gz*")
    assert kept.name.endswith(".json.gz.incomplete")
    assert str(kept) in str(ended.error)
    assert json.loads(gzip.decompress(kept.read_bytes()))["identity_to_permissions"]
