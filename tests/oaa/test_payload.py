"""The fast way to a payload against the plain way, on random estates; the file that it is saved in."""

import gc
import gzip
import json
import sys
import tracemalloc
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oaaclient.templates import CustomApplication, OAAIdentityType

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.demo.veza.check import check_payload
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.encode import pieces
from oaa_bitbucket_async.oaa.entries import Grant, Group, Holder, Resource, User
from oaa_bitbucket_async.oaa.integrity import ReferenceCheck
from oaa_bitbucket_async.oaa.mapping import Mapped, map_snapshot
from oaa_bitbucket_async.oaa.notes import Notes
from oaa_bitbucket_async.oaa.payload import Payload, build_payload, load_payload
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, snapshot_of, steps_of
from tests.oaa.plain import plain_json

SEEDS = st.integers(0, 2**32)
IDENTITIES = st.sampled_from(["email", "name", "both"])
INSTANCES = st.sampled_from([INSTANCE, EFFECTIVE])


@given(SEEDS, IDENTITIES, INSTANCES)
@examples(150)
def test_the_payload_is_that_of_the_plain_way(seed, identity, instance):
    snapshot = snapshot_of(steps_of(seed, instance), instance)
    payload = build_payload(snapshot, identity=identity)
    raw = b"".join(payload.json_chunks())
    assert raw == plain_json(snapshot, identity)
    assert payload.raw_size == len(raw)
    assert check_payload(raw) == []


@given(SEEDS, SEEDS)
@examples(100)
def test_the_same_state_gives_the_same_bytes_in_whatever_order_it_came(seed, order):
    steps = steps_of(seed)
    shuffled = list(steps)
    Random(order).shuffle(shuffled)
    one, other = (build_payload(snapshot_of(some)) for some in (steps, shuffled))
    assert one.compressed == other.compressed
    assert one == other


@given(SEEDS)
@examples(50)
def test_what_is_counted_is_what_is_there(seed):
    payload = build_payload(snapshot_of(steps_of(seed)))
    decoded = json.loads(gzip.decompress(payload.compressed))
    (application,) = decoded["applications"]
    grants = Counter()
    for holder in decoded["identity_to_permissions"]:
        for grant in holder["application_permissions"]:
            grants["all"] += len(grant.get("resources", ())) + bool(grant.get("apply_to_application"))
    assert payload.counts.grants == grants["all"]
    assert payload.counts.users == len(application["local_users"])
    assert payload.counts.groups == len(application["local_groups"])
    assert payload.counts.projects == len(application["resources"])
    assert payload.counts.repositories == sum(len(p.get("sub_resources", ())) for p in application["resources"])


def test_mapping_leaves_the_snapshot_as_it_was():
    owner = rows.User(id=1, name="owner")
    project = rows.Project(id=1, key="~OWNER", name="Owner", type="PERSONAL", owner=owner)
    steps = [lambda s: s.add_project(project)]
    snapshot, twin = snapshot_of(steps), snapshot_of(steps)
    build_payload(snapshot)
    assert vars(snapshot.codec) == vars(twin.codec)
    assert list(snapshot.all_grants()) == list(twin.all_grants())
    assert (snapshot.users, snapshot.groups, snapshot.projects) == (twin.users, twin.groups, twin.projects)


def test_resources_are_made_one_project_at_a_time():
    snapshot = snapshot_of([step for seed in (1, 2, 3, 9, 11) for step in steps_of(seed)])
    mapped = map_snapshot(snapshot, identity="email", notes=Notes())
    walked = 0
    for project in mapped.resources:
        walked += 1
        assert sys.getrefcount(project) == 2, "only this loop and the call know it"
    assert walked == len(snapshot.projects) > 1


def test_the_garbage_collector_is_on_again_afterwards():
    assert gc.isenabled()
    build_payload(snapshot_of([]))
    assert gc.isenabled()
    gc.disable()
    try:
        build_payload(snapshot_of([]))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_compressed_form_has_no_time():
    assert build_payload(snapshot_of([])).compressed[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_chunks_of_any_size_are_the_whole(size):
    payload = build_payload(snapshot_of(steps_of(3)))
    chunks = list(payload.json_chunks(size))
    assert b"".join(chunks) == gzip.decompress(payload.compressed)
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_the_text_of_a_payload_comes_without_copies_of_its_file() -> None:
    text = Random(4).randbytes(4_000_000).hex().encode()
    payload = Payload(gzip.compress(text, 1), len(text), None, Counts(0, 0, 0, 0, 0))
    tracemalloc.start()
    size = sum(map(len, payload.json_chunks()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == len(text)
    assert peak < len(payload.compressed)


# --- the self-check ---------------------------------------------------------------------------------------


def _mapped() -> Mapped:
    app = CustomApplication("A", "T")
    app.add_custom_permission("P", [])
    user = User(name="u", groups=["g"], access_creds=[], id="1")
    project = Resource("1", "Project", "Project", sub_resources=[Resource("2", "Repo", "Repo")])
    return Mapped(app, [user], [Group(name="g", id="g")], [project], lambda keys: [_holder("P", list(keys))])


def _holder(permission: str, keys: list[str], identity: str = "1") -> Holder:
    on_instance = Grant("A", permission=permission, apply_to_application=True)
    return Holder(identity, OAAIdentityType.LocalUser, [on_instance, Grant("A", keys, "P")])


def _write(mapped: Mapped) -> tuple[dict, ReferenceCheck]:
    check = ReferenceCheck(mapped.app)
    return json.loads(b"".join(pieces(mapped, check))), check


def test_references_that_lead_somewhere_are_counted():
    written, check = _write(_mapped())
    assert (check.project_count, check.repository_count, check.grant_count) == (1, 1, 3)
    (entry,) = written["identity_to_permissions"]
    assert entry["application_permissions"] == [
        {"application": "A", "permission": "P", "apply_to_application": True},
        {"application": "A", "resources": ["1", "1.2"], "permission": "P"},
    ]


def test_a_grant_that_is_there_twice_counts_once():
    twice = _mapped()._replace(holders=lambda keys: [_holder("P", [keys[0], keys[0]])])
    assert _write(twice)[1].grant_count == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"holders": lambda keys: [_holder("NOPE", list(keys))]},
        {"holders": lambda keys: [_holder("P", list(keys), identity="2")]},
        {"users": [User(name="u", groups=["group:gone"], id="1")]},
        {"users": [User(name="u", access_creds=["gone"], id="1")]},
        {"groups": [Group(name="g", groups=["gone"], id="g")]},
    ],
    ids=["permission", "holder", "group", "credential", "nesting"],
)
def test_a_reference_that_leads_nowhere_is_found(broken):
    with pytest.raises(CollectorError, match="does not define it"):
        _write(_mapped()._replace(**broken))


def test_grants_are_not_written_unless_all_their_resources_are():
    mapped = map_snapshot(snapshot_of(steps_of(9)), identity="email", notes=Notes())
    keys = [str(number) for number, _ in enumerate(_with_repositories(mapped.resources))]
    with pytest.raises(CollectorError, match="grants refer to"):
        list(mapped.holders(keys[:-1]))
    assert list(mapped.holders(keys))


def _with_repositories(projects):
    for project in projects:
        yield project
        yield from project.sub_resources


# --- saved payloads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
def test_a_saved_payload_is_the_payload(tmp_path, compressed):
    payload = build_payload(snapshot_of(steps_of(9)))
    file = tmp_path / "payload"
    file.write_bytes(payload.compressed if compressed else b"".join(payload.json_chunks()))
    loaded = load_payload(file)
    assert loaded.compressed == payload.compressed
    assert loaded.counts == payload.counts
    assert loaded.raw_size == payload.raw_size
    assert loaded.base_url == payload.base_url == INSTANCE.base_url


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"no json",
        b"\x1f\x8b",
        gzip.compress(b"{}", mtime=0),
        gzip.compress(b'{"a": 1}' * 100, mtime=0)[:-9],
        b'{"custom_property_definition":{},"applications":[],"permissions":[],"identity_to_permissions":[]}',
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_no_payload_is_refused(tmp_path, content):
    file = tmp_path / "payload.json"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"payload\.json"):
        load_payload(file)


def test_a_payload_with_every_second_byte_changed_is_refused_or_read(tmp_path):
    payload = build_payload(snapshot_of(steps_of(9)))
    file = tmp_path / "payload.json.gz"
    refused = 0
    for position in range(10, len(payload.compressed), 97):
        damaged = bytearray(payload.compressed)
        damaged[position] ^= 0x55
        file.write_bytes(damaged)
        try:
            read = load_payload(file)
        except ConfigurationError:
            refused += 1
        else:  # the damage led to another place with the same text
            assert b"".join(read.json_chunks()) == b"".join(payload.json_chunks())
    assert refused


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="Can't read"):
        load_payload(tmp_path / "absent.json")
