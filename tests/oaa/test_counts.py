"""No grant is lost between the snapshot and the payload, and a payload that lost one is not given out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oaaclient.templates import CustomApplication

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, Token
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.oaa.counts import counts_of, credential_grants_of, grants_of
from oaa_bitbucket_async.oaa.holdings import Holdings
from oaa_bitbucket_async.oaa.payload import LostGrantsError, Payload, build_payload
from oaa_bitbucket_async.settings import Include
from tests.examples import examples
from tests.oaa.estates import INSTANCE, ON_PROJECT, ON_REPO, snapshot_of, steps_of

FOLDING = [
    "dev", "DEV", "Dev", "ß", "SS", "ẞ", "ſ", "S", "s", "K", "\u212a", "k", "İ", "i\u0307", "I", "ı",
    "\u03a3", "\u03c3", "\u03c2", "é", "e\u0301",
]  # fmt: skip
"""Names that some way of folding takes for one."""
USERS = [rows.User(id=number, name=name) for number, name in enumerate(FOLDING[:8])]


def distinct(payload: Payload) -> int:
    decoded = json.loads(b"".join(payload.json_chunks()))
    return len(
        {
            (one["identity_type"], one["identity"], grant["permission"], place)
            for one in decoded["identity_to_permissions"]
            for grant in one["application_permissions"]
            for place in grant.get("resources", [None])
        }
    )


@given(st.integers(0, 2**32))
@examples(100)
def test_every_grant_of_a_random_estate_is_in_the_payload(seed):
    snapshot = snapshot_of(steps_of(seed))
    payload = build_payload(snapshot)
    assert grants_of(snapshot) == distinct(payload) == payload.counts.grants
    assert counts_of(snapshot) == payload.counts


def grants(permissions: list[str]) -> st.SearchStrategy:
    holder = st.sampled_from(FOLDING).map(lambda name: ("group", name)) | st.sampled_from(USERS).map(
        lambda user: ("user", user)
    )
    row = st.tuples(holder, st.sampled_from(permissions)).map(
        lambda one: (
            rows.GroupGrant(group=rows.Group(name=one[0][1]), permission=one[1])
            if one[0][0] == "group"
            else rows.UserGrant(user=one[0][1], permission=one[1])
        )
    )
    return st.lists(row, max_size=12)


@given(
    instance=grants(["LICENSED_USER", "ADMIN", "admin"]),
    on_project=grants(ON_PROJECT),
    on_repository=grants(ON_REPO),
    defaults=st.sets(st.sampled_from(["PROJECT_READ", "PROJECT_WRITE"])),
    public=st.tuples(st.booleans(), st.booleans()),
    access=st.sampled_from(["on", "off", "unknown", "none flagged"]),
    owner=st.none() | st.sampled_from(USERS),
)
@examples(200)
def test_holders_whose_names_fold_together_owners_defaults_and_public_things_count_once(
    instance, on_project, on_repository, defaults, public, access, owner
):
    snapshot = Snapshot(INSTANCE, public_access=access)
    project = rows.Project(id=1, key="P", name="P", public=public[0], owner=owner)
    snapshot.add_project(project)
    snapshot.add_repository(rows.Repository(id=2, slug="r", name="r", project=project, public=public[1]))
    snapshot.add_global_grants(instance, 1.0)
    for some in (on_project, on_project[::2]):
        snapshot.add_project_grants(1, some, 1.0)
    for level in defaults:
        snapshot.add_default_permission(1, level)
    snapshot.add_repository_grants(2, on_repository, 1.0)
    payload = build_payload(snapshot)
    assert grants_of(snapshot) == distinct(payload) == payload.counts.grants
    assert counts_of(snapshot) == payload.counts


def test_grants_on_what_no_listing_shows_do_not_count():
    snapshot = Snapshot(INSTANCE)
    grant = rows.UserGrant(user=USERS[0], permission="REPO_READ")
    snapshot.add_repository_grants(7, [grant], 1.0)
    snapshot.add_project_grants(8, [grant], 1.0)
    snapshot.add_default_permission(8, "PROJECT_READ")
    assert grants_of(snapshot) == build_payload(snapshot).counts.grants == 0


KEYS = st.builds(
    lambda number, permission: AccessKey(number, "k", "SHA256:x", "RSA", 2048, None, None, None, permission),
    st.integers(1, 4),
    st.sampled_from(["REPO_READ", "PROJECT_READ", "ODD"]),
)
RIGHTS = st.lists(st.sampled_from([*ON_PROJECT, *ON_REPO, "PROJECT_ODD_ADMIN", "ODD"]), max_size=3).map(tuple)
KINDS = {
    kinds.PROJECT_ACCESS_KEYS: 1,
    kinds.REPOSITORY_ACCESS_KEYS: 2,
    kinds.PROJECT_TOKENS: 1,
    kinds.REPOSITORY_TOKENS: 2,
}


@given(keys=st.tuples(st.lists(KEYS, max_size=5), st.lists(KEYS, max_size=5)), rights=st.tuples(RIGHTS, RIGHTS))
@examples(200)
def test_keys_and_tokens_hold_what_was_collected(keys, rights):
    snapshot = Snapshot(INSTANCE, included=Included(Include))
    project = rows.Project(id=1, key="P", name="P")
    snapshot.add_project(project)
    for number in (2, 3, 4):
        snapshot.add_repository(rows.Repository(id=number, slug=f"r{number}", name="r", project=project))
    tokens = [Token(str(number), "t", None, None, None, some) for number, some in enumerate(rights)]
    for (kind, place), answer in zip(KINDS.items(), (*keys, tokens[:1], tokens[1:]), strict=True):
        snapshot.included.add(kind, place, answer)
    payload = build_payload(snapshot)
    assert distinct(payload) == payload.counts.grants
    if {*rights[0]} <= {*ON_PROJECT[:4], *ON_REPO[:3]}:
        assert credential_grants_of(snapshot) == payload.counts.grants
    else:
        assert credential_grants_of(snapshot) <= payload.counts.grants


def test_the_order_of_oaaclients_keys_does_not_matter(monkeypatch):
    snapshot = snapshot_of(steps_of(11))
    usual = json.loads(b"".join(build_payload(snapshot).json_chunks()))
    laid_out = CustomApplication.get_payload

    def other_way_round(app: CustomApplication) -> dict[str, object]:
        payload = laid_out(app)
        payload["applications"] = [dict(reversed(one.items())) for one in payload["applications"]]
        return dict(reversed(payload.items()))

    monkeypatch.setattr(CustomApplication, "get_payload", other_way_round)
    assert json.loads(b"".join(build_payload(snapshot).json_chunks())) == usual
    assert usual["identity_to_permissions"]


def test_a_payload_that_lost_grants_is_a_bug_and_not_given_out(monkeypatch):
    snapshot = Snapshot(INSTANCE)
    snapshot.add_project(rows.Project(id=1, key="P", name="P", type="NORMAL"))
    snapshot.add_project_grants(1, [rows.GroupGrant(group=rows.Group(name="g"), permission="PROJECT_READ")], 1.0)
    snapshot.add_project_grants(1, [rows.UserGrant(user=USERS[0], permission="PROJECT_READ")], 1.0)
    monkeypatch.setattr(Holdings, "of_group", lambda self, group, keys: {})
    with pytest.raises(LostGrantsError, match=r"holds 1 grants .* and 2 were collected: not uploaded") as raised:
        build_payload(snapshot)
    assert raised.value.exit_code == 1
    assert raised.value.payload.counts.grants == 1
