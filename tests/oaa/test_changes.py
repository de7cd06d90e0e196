"""What changed between two payloads, against sets made the plain way from the same JSON."""

import gzip
import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import PublicAccess, Snapshot
from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant, Thing
from oaa_bitbucket_async.oaa.comparing import compare_payloads as compare
from oaa_bitbucket_async.oaa.payload import build_payload
from oaa_bitbucket_async.oaa.side_by_side import Source
from oaa_bitbucket_async.ops.changes_text import summed_up
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, Step, snapshot_of, steps_of

SEEDS = st.integers(0, 2**32)
SHOWN = {"local_user": "user", "local_group": "group", "local_access_creds": "credential"}
KINDS = ("grants", "members", "users", "groups", "projects", "repositories", "credentials")


def _json(steps: list[Step], instance: Any = INSTANCE) -> bytes:
    return gzip.decompress(build_payload(snapshot_of(steps, instance)).compressed)


def _related(seed: int, other: int, keep: float) -> tuple[list[Step], list[Step]]:
    """One estate, and what is left of it when some steps are not taken, with some of another one added."""
    one = steps_of(seed)
    left = [step for n, step in enumerate(one) if hash((other, n)) % 1000 < keep * 1000]
    more = [step for n, step in enumerate(steps_of(other)) if hash((seed, n)) % 1000 > keep * 1000]
    return one, left + more


@st.composite
def payloads(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two payloads of the real mapping: strangers, relatives, or one and the same."""
    seed, other = draw(SEEDS), draw(SEEDS)
    one, two = _related(seed, other, draw(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0])))
    return _json(one), _json(two, draw(st.sampled_from([INSTANCE, EFFECTIVE])))


def _plain(raw: bytes) -> dict[str, set[Any]]:
    """Everything in a payload that can be added or removed, with names as a reader knows them."""
    decoded = json.loads(raw)
    (application,) = decoded["applications"]
    names = {("local_user", u["id"]): u["name"] for u in application["local_users"]}
    names |= {("local_group", g["id"]): g["name"] for g in application["local_groups"]}
    on = {"": ("", "application")}
    projects, repositories = set(), set()
    for project in application["resources"]:
        shown = project["custom_properties"].get("key") or project["name"]
        on[project["id"]] = (shown, "project")
        projects.add((shown, project["id"]))
        for repository in project.get("sub_resources", ()):
            key = f"{project['id']}.{repository['id']}"
            on[key] = (repository["custom_properties"]["path"], "repository")
            repositories.add((repository["custom_properties"]["path"], key))
    credentials = {(cred["name"], cred["id"]) for cred in application.get("local_access_creds", ())}
    names |= {("local_access_creds", key): name for name, key in credentials}
    grants = set()
    for holder in decoded["identity_to_permissions"]:
        kind, who = holder["identity_type"], holder["identity"]
        for grant in holder["application_permissions"]:
            for key in [*grant.get("resources", ()), *([""] if grant.get("apply_to_application") else ())]:
                grants.add((kind, who, grant["permission"], key, names[kind, who], *on[key]))
    members = {
        (kind, who["id"], group, who["name"], names["local_group", group])
        for kind, lists in (("local_user", "local_users"), ("local_group", "local_groups"))
        for who in application[lists]
        for group in who.get("groups") or ()
    }
    return {
        "grants": grants,
        "members": members,
        "users": {(user["name"], user["id"]) for user in application["local_users"]},
        "groups": {(group["name"], group["id"]) for group in application["local_groups"]},
        "projects": projects,
        "repositories": repositories,
        "credentials": credentials,
    }


def _by_id(kind: str, things: set[Any]) -> dict[Any, Any]:
    """What tells a thing apart, and how it is shown."""
    if kind == "grants":
        return {
            (k, who, permission, key): NamedGrant(name, on, permission, SHOWN[k], on_kind)
            for k, who, permission, key, name, on, on_kind in things
        }
    if kind == "members":
        return {(k, who, group): Membership(g, name, SHOWN[k]) for k, who, group, name, g in things}
    return {key: Thing(name, key) for name, key in things}


def _sources(*raw: bytes) -> list[Source]:
    return [_source(one) for one in raw]


def _source(raw: bytes, size: int = 1000) -> Source:
    def pieces() -> Iterator[bytes]:
        return (raw[at : at + size] for at in range(0, len(raw), size))

    return Source(pieces, nullcontext)


@given(payloads())
@examples(200)
def test_it_is_the_difference_of_plain_sets(pair: tuple[bytes, bytes]) -> None:
    old, new = _sources(*pair)
    found = compare(old, new, most_examples=10**9)
    plain_old, plain_new = map(_plain, pair)
    for kind, difference in found.kinds().items():
        before, after = _by_id(kind, plain_old[kind]), _by_id(kind, plain_new[kind])
        assert (difference.before, difference.after) == (len(before), len(after))
        assert sorted(difference.removed_examples) == sorted(before[key] for key in before.keys() - after.keys())
        assert sorted(difference.added_examples) == sorted(after[key] for key in after.keys() - before.keys())
        assert difference.added == len(difference.added_examples)
        assert difference.removed == len(difference.removed_examples)
    assert bool(found) == any(_by_id(k, plain_old[k]).keys() != _by_id(k, plain_new[k]).keys() for k in KINDS)


@given(payloads(), st.integers(0, 5))
@examples(100)
def test_the_way_back_is_the_mirror(pair: tuple[bytes, bytes], most: int) -> None:
    old, new = _sources(*pair)
    there, back = compare(old, new, most_examples=most), compare(new, old, most_examples=most)
    for one, other in zip(there.kinds().values(), back.kinds().values(), strict=True):
        assert (one.before, one.added, one.added_examples) == (other.after, other.removed, other.removed_examples)
        assert (one.after, one.removed, one.removed_examples) == (other.before, other.added, other.added_examples)
        assert one.before - one.removed + one.added == one.after


@given(payloads(), SEEDS)
@examples(50)
def test_the_order_of_a_payload_changes_nothing_but_the_order_of_examples(pair: tuple[bytes, bytes], seed: int) -> None:
    one, other = _sources(pair[0], _shuffled(pair[1], seed))
    found, expected = (compare(one, new, most_examples=10**9) for new in (other, _source(pair[1])))
    assert (found.grants_lost, found.grants_closed) == (expected.grants_lost, expected.grants_closed)
    for some, same in zip(found.kinds().values(), expected.kinds().values(), strict=True):
        assert (some.before, some.after) == (same.before, same.after)
        assert sorted(some.added_examples) == sorted(same.added_examples)
        assert sorted(some.removed_examples) == sorted(same.removed_examples)


def _shuffled(raw: bytes, seed: int) -> bytes:
    """The same payload with its lists and keys in another order, laid out for a reader."""
    order = random.Random(seed)

    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: mixed(inner) for key, inner in order.sample(list(value.items()), len(value))}
        if isinstance(value, list) and all(isinstance(inner, dict) for inner in value):
            return [mixed(inner) for inner in order.sample(value, len(value))]
        return value

    return json.dumps(mixed(json.loads(raw)), indent=order.choice([None, 2])).encode()


@given(SEEDS, st.sampled_from([INSTANCE, EFFECTIVE]))
@examples(50)
def test_nothing_changes_from_a_payload_to_itself(seed: int, instance: Any) -> None:
    raw = _json(steps_of(seed, instance), instance)
    old, new = _sources(raw, raw)
    assert not compare(old, new)
    assert not any(compare(old, new).kinds().values())
    assert not any(compare(old, new).removed_shares().values())


@given(payloads(), st.integers(0, 5))
@examples(50)
def test_examples_are_the_first_ones_and_the_numbers_exact(pair: tuple[bytes, bytes], most: int) -> None:
    old, new = _sources(*pair)
    few, all_of_them = compare(old, new, most_examples=most), compare(old, new, most_examples=10**9)
    for some, all_ in zip(few.kinds().values(), all_of_them.kinds().values(), strict=True):
        assert (some.added, some.removed) == (all_.added, all_.removed)
        assert some.added_examples == all_.added_examples[:most]
        assert some.removed_examples == all_.removed_examples[:most]


@given(SEEDS)
@examples(50)
def test_contents_count_as_the_payload_does(seed: int) -> None:
    payload = build_payload(snapshot_of(steps_of(seed)))
    source = _source(gzip.decompress(payload.compressed))
    changes = compare(source, source)
    assert changes.users.after == payload.counts.users
    assert changes.groups.after == payload.counts.groups
    assert changes.projects.after == payload.counts.projects
    assert changes.repositories.after == payload.counts.repositories
    assert changes.grants.after == payload.counts.grants


def test_kinds_are_the_fields_in_their_order() -> None:
    changes = Changes(grants=Difference(removed=1), members=Difference(removed=2), users=Difference(removed=3))
    assert tuple(changes.kinds()) == KINDS
    assert [kind.removed for kind in changes.kinds().values()] == [1, 2, 3, 0, 0, 0, 0]


def test_the_share_that_was_removed() -> None:
    changes = Changes(
        grants=Difference(before=90, after=70, removed=40),
        members=Difference(added=5),
        grants_lost=20,
        grants_closed=10,
    )
    assert changes.removed_shares() == {"grants": 25.0, "members": 0.0}


# --- payloads of another origin ---------------------------------------------------------------------------------------


def _foreign(**changes: Any) -> bytes:
    application = {
        "name": "A",
        "application_type": "Something else",
        "local_users": [{"name": "ann", "groups": ["g", "g"]}, {"name": "bob", "groups": None}],
        "local_groups": [{"name": "g"}],
        "resources": [
            {"name": "P", "resource_type": "X", "sub_resources": [{"name": "r", "sub_resources": [{"name": "s"}]}]}
        ],
    }
    return json.dumps(
        {
            "applications": [application],
            "permissions": [],
            "identity_to_permissions": [
                {
                    "identity": "ann",
                    "identity_type": "local_user",
                    "application_permissions": [
                        {"application": "A", "permission": "p", "resources": ["P.r.s", "P.r.s", "nowhere"]},
                        {"application": "A", "permission": "p", "resources": ["P.r.s"], "apply_to_application": True},
                    ],
                },
                {"identity": "ann", "identity_type": "local_role", "application_permissions": []},
            ],
            **changes,
        }
    ).encode()


def test_names_stand_for_ids_and_what_is_said_twice_counts_once() -> None:
    nothing = json.loads(_foreign(identity_to_permissions=[]))
    nothing["applications"][0].update(local_users=[], local_groups=[], resources=[])
    old, new = _sources(json.dumps(nothing).encode(), _foreign())
    changes = compare(old, new)
    assert changes.users.added_examples == (Thing("ann", "ann"), Thing("bob", "bob"))
    assert changes.members.added_examples == (Membership("g", "ann"),)
    assert changes.projects.added_examples == (Thing("P", "P"),)
    assert changes.repositories.added_examples == (Thing("P/r", "P.r"), Thing("P/r/s", "P.r.s"))
    assert set(changes.grants.added_examples) == {
        NamedGrant("ann", "P/r/s", "p"),
        NamedGrant("ann", "nowhere", "p", on_kind="unknown"),
        NamedGrant("ann", "", "p", on_kind="application"),
    }
    assert changes.grants.added == 3


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"applications":[],"identity_to_permissions":[]}'])
def test_what_is_no_payload_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        compare(_source(text), _source(_foreign()))
    with pytest.raises(msgspec.MsgspecError):
        compare(_source(_foreign()), _source(text))


# --- what is told apart by what -------------------------------------------------------------------------------------


def test_another_level_is_a_grant_removed_and_one_added() -> None:
    old = _foreign(identity_to_permissions=[_holds("REPO_READ")])
    new = _foreign(identity_to_permissions=[_holds("REPO_WRITE")])
    changes = compare(*_sources(old, new))
    assert changes.grants.removed_examples == (NamedGrant("ann", "P/r", "REPO_READ"),)
    assert changes.grants.added_examples == (NamedGrant("ann", "P/r", "REPO_WRITE"),)


def test_keys_and_tokens_come_and_go_with_what_they_hold() -> None:
    with_key = json.loads(_foreign(identity_to_permissions=[]))
    with_key["applications"][0]["local_access_creds"] = [{"name": "deploy", "id": "access-key:1"}]
    held = {"application": "A", "permission": "REPO_WRITE", "resources": ["P.r"]}
    with_key["identity_to_permissions"] = [
        {"identity": "access-key:1", "identity_type": "local_access_creds", "application_permissions": [held]}
    ]
    changes = compare(*_sources(_foreign(identity_to_permissions=[]), json.dumps(with_key).encode()))
    assert changes.credentials.added_examples == (Thing("deploy", "access-key:1"),)
    assert changes.grants.added_examples == (NamedGrant("deploy", "P/r", "REPO_WRITE", "credential"),)
    assert changes.grants.removed == changes.credentials.removed == 0


def test_a_grant_is_lost_only_if_its_holder_has_nothing_left_there() -> None:
    def lost(before: list[Any], after: list[Any], **changes: Any) -> int:
        old = _foreign(identity_to_permissions=before)
        new = json.loads(_foreign(identity_to_permissions=after))
        new["applications"][0].update(changes)
        return compare(*_sources(old, json.dumps(new).encode())).grants_lost

    assert lost([_holds("REPO_READ")], [_holds("REPO_WRITE")]) == 0
    assert lost([_holds("REPO_READ"), _holds("REPO_ADMIN")], [_holds("REPO_WRITE")]) == 0
    assert lost([_holds("REPO_READ"), _holds("REPO_ADMIN")], []) == 2
    assert lost([_holds("REPO_READ")], [_holds("REPO_READ", who="bob")]) == 1
    assert lost([_holds("REPO_READ")], [_holds("REPO_READ", on="P")]) == 1
    elsewhere = [{"name": "Q", "resource_type": "X", "sub_resources": [{"name": "r"}]}]
    assert lost([_holds("REPO_READ")], [_holds("REPO_WRITE", on="Q.r")], resources=elsewhere) == 0
    assert lost([_holds("REPO_READ")], [_holds("REPO_READ", who="bob", on="Q.r")], resources=elsewhere) == 1


@given(payloads())
@examples(50)
def test_no_more_is_lost_than_removed(pair: tuple[bytes, bytes]) -> None:
    old, new = _sources(*pair)
    changes = compare(old, new)
    before, after = ({grant[:4] for grant in _plain(raw)["grants"]} for raw in pair)
    kept = {(kind, who, _thing(key)) for kind, who, _, key in after}
    closed = before - after & _given_by_flags(*map(json.loads, pair))
    assert changes.grants_closed == len(closed)
    lost = before - after - closed
    assert changes.grants_lost == sum((kind, who, _thing(key)) not in kept for kind, who, _, key in lost)
    assert changes.grants_lost + changes.grants_closed <= changes.grants.removed


def _given_by_flags(old: Any, new: Any) -> set[tuple[str, str, str, str]]:
    """Grants that a flag gave in `old`, and gives no longer in `new` because public access is off."""

    def things(payload: Any) -> dict[str, dict[str, Any]]:
        (application,) = payload["applications"]
        return {p["id"]: p["custom_properties"] for p in application["resources"]} | {
            f"{p['id']}.{r['id']}": r["custom_properties"]
            for p in application["resources"]
            for r in p.get("sub_resources", ())
        }

    access = [payload["applications"][0]["custom_properties"]["public_access"] for payload in (old, new)]
    if access[0] == "off" or access[1] != "off":
        return set()
    still = {_thing(key) for key, properties in things(new).items() if properties["is_public"]}
    by_default = {key for key, properties in things(old).items() if properties.get("default_permission")}
    return {
        ("local_group", "built-in:licensed-users", "REPO_READ" if "." in key else "PROJECT_READ", key)
        for key in things(old).keys() - by_default
        if _thing(key) in still
    }


def test_read_rights_that_went_with_public_access_are_told_apart() -> None:
    project = rows.Project(id=1, key="P", name="P", public=True)
    repository = rows.Repository(id=2, slug="r", name="r", project=project, public=True)

    def compared(*, after: PublicAccess, public: bool = True, default: bool = False) -> Changes:
        both = []
        for public_access in ("on", after):
            s = Snapshot(INSTANCE, public_access=public_access)  # type: ignore[arg-type]
            s.add_repository(msgspec.structs.replace(repository, public=public or public_access == "on"))
            s.add_project(msgspec.structs.replace(project, public=public or public_access == "on"))
            if default and public_access == "on":
                s.add_default_permission(1, "PROJECT_READ")
            both.append(gzip.decompress(build_payload(s).compressed))
        return compare(*_sources(*both))

    off = compared(after="off")
    assert (off.grants.removed, off.grants_closed, off.grants_lost) == (2, 2, 0)
    assert "2 of the grants removed since public access is off" in summed_up(off)
    private = compared(after="off", public=False)
    assert (private.grants.removed, private.grants_closed, private.grants_lost) == (2, 0, 2)
    elsewise = compared(after="unknown", public=False)
    assert (elsewise.grants.removed, elsewise.grants_closed, elsewise.grants_lost) == (2, 0, 2)
    default = compared(after="off", default=True)
    assert (default.grants.removed, default.grants_closed, default.grants_lost) == (2, 1, 1)


def _thing(key: str) -> tuple[bool, str]:
    return "." in key, key.rpartition(".")[2]


def _holds(permission: str, who: str = "ann", on: str = "P.r") -> dict[str, Any]:
    grant = {"application": "A", "permission": permission, "resources": [on]}
    return {"identity": who, "identity_type": "local_user", "application_permissions": [grant]}


def test_another_name_is_no_change() -> None:
    old = _json(steps_of(3))
    renamed = json.loads(old)
    for user in renamed["applications"][0]["local_users"]:
        user["name"] += "2"
    assert renamed["applications"][0]["local_users"]
    assert not compare(*_sources(old, json.dumps(renamed).encode()))
