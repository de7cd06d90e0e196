"""Where a payload goes travels within it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.payload import build_payload, load_payload
from oaa_bitbucket_async.oaa.saved import head_of_ours
from oaa_bitbucket_async.oaa.target import Target, left_out, scope_of, scope_words
from oaa_bitbucket_async.settings import Scope
from tests.oaa.estates import snapshot_of, steps_of

KEYS = st.lists(st.sampled_from(["CORE", "core", "Team*", "~ann", "[A-C]?"]), max_size=4).map(tuple)
SCOPES = st.builds(Scope, projects=KEYS, exclude_projects=KEYS, personal_projects=st.booleans(), archived=st.booleans())


@given(SCOPES)
def test_a_scope_and_its_words_are_the_same(scope: Scope) -> None:
    words = scope_words(scope)
    assert scope_words(scope_of(words)) == words
    assert bool(words) == scope.limited
    assert not left_out(scope, scope)
    assert not left_out(Scope(), scope), "the whole leaves nothing out"
    assert bool(left_out(scope, Scope())) == scope.limited


@pytest.mark.parametrize(
    ("scope", "before", "less"),
    [
        (Scope(projects=("a",)), Scope(projects=("A", "B")), ["--project A"]),
        (Scope(projects=("A", "B")), Scope(projects=("a",)), []),
        (Scope(exclude_projects=("A",)), Scope(exclude_projects=("B",)), ["--exclude-project A"]),
        (Scope(archived=False), Scope(personal_projects=False), ["--no-archived"]),
        (Scope(personal_projects=False), Scope(archived=False), ["--no-personal-projects"]),
    ],
)
def test_what_a_scope_leaves_out(scope: Scope, before: Scope, less: list[str]) -> None:
    assert left_out(scope, before) == less


def _saved(path: Path, **changes: Any) -> Path:
    target = Target("P", "D", Scope(projects=("core",)))
    payload = json.loads(b"".join(build_payload(snapshot_of(steps_of(9)), target=target).json_chunks()))
    payload["applications"][0]["custom_properties"].update(changes)
    path.write_text(json.dumps(payload))
    path.chmod(0o600)
    return path


def test_it_is_read_back(tmp_path: Path) -> None:
    path = _saved(tmp_path / "payload")
    expected = Target("P", "D", Scope(projects=("CORE",)))
    assert load_payload(path).target == head_of_ours(path).target == expected
    properties = json.loads(path.read_text())["custom_property_definition"]["applications"][0]
    assert properties["application_properties"]["scope"] == "STRING_LIST"


def test_a_payload_may_not_say_it(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(build_payload(snapshot_of(steps_of(9))).compressed)
    assert load_payload(path).target is None


def test_words_of_another_version_are_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path / "payload", scope=["--label red"])
    for read in (load_payload, head_of_ours):
        with pytest.raises(ConfigurationError, match="--label red"):
            read(path)
