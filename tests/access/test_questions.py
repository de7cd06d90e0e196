"""The answers to `who-can` and `what-can` against the access oracle, on random estates."""

import json
from contextlib import nullcontext

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.access.answers import WhatCan, WhoCan
from oaa_bitbucket_async.access.compute import what_can, who_can
from oaa_bitbucket_async.access.finding import find_places
from oaa_bitbucket_async.access.graph import ON_EVERYTHING, AccessGraph, Place
from oaa_bitbucket_async.access.levels import Level
from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.oaa.payload import Payload, build_payload
from oaa_bitbucket_async.oaa.side_by_side import Source
from oaa_bitbucket_async.ops.report.reach import users_that_reach_most
from oaa_bitbucket_async.ops.report.reach_index import ReachIndex
from tests.access.from_payload import FromPayload
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, snapshot_of, steps_of

ORDER = ["none", "read", "write", "admin"]
ANN = rows.User(id=1, name="ann", slug="ann", display_name="Ann")
BOB = rows.User(id=2, name="bob", slug="bob", display_name="Bob")
CAT = rows.User(id=3, name="cat", slug="cat", display_name="Cat", active=False)
CORE = rows.Project(id=10, key="CORE", name="Core", public=True)
HERS = rows.Project(id=11, key="~ANN", name="Ann", type="PERSONAL", owner=ANN)
BILLING = rows.Repository(id=100, slug="billing", name="Billing", project=CORE)
NOTES = rows.Repository(id=101, slug="notes", name="Notes", project=HERS)


def graph_of(payload: Payload) -> AccessGraph:
    return AccessGraph(Source(payload.json_chunks, nullcontext))


def level_of(oracle: FromPayload, user: str, place: Place) -> str:
    """By the oracle; who may create repositories may write."""
    if place.is_project:
        level = oracle.on_project(int(user), int(place.key))
    else:
        level = oracle.on_repository(int(user), int(place.key.partition(".")[2]))
    return "write" if level == "create" else level


def told_level(answer: WhatCan, place: Place) -> str:
    """The highest that `what-can` tells of the place, or of what is above it."""
    above = {ON_EVERYTHING, place.project, place.name}
    levels = [reached.highest for reached in answer.places if reached.place in above]
    return max((level or "none" for level in levels), key=ORDER.index, default="none")


@given(st.integers(0, 2**32), st.sampled_from([INSTANCE, EFFECTIVE]))
@examples(150)
def test_every_answer_is_the_oracles(seed, instance):
    payload = build_payload(snapshot_of(steps_of(seed, instance), instance))
    graph, oracle = graph_of(payload), FromPayload(json.loads(b"".join(payload.json_chunks())))
    places = list(graph.places())
    users = [user for user in graph.users if oracle.may_sign_in(int(user.id))]
    names = [place.name for place in places]
    for level in Level:
        for place, answer in zip(places, who_can(graph, level, places), strict=True):
            assert answer.place == place.name
            able = {str(p.id) for p in answer.people if p.active and p.licensed}
            right = {user.id: level_of(oracle, user.id, place) for user in users}
            assert able == {user for user, found in right.items() if ORDER.index(found) >= level}
            assert {str(p.id): p.highest for p in answer.people if str(p.id) in able} == {u: right[u] for u in able}
            assert all(person.ways for person in answer.people)
    for user in users:
        answer = what_can(graph, user)
        for place in places:
            if names.count(place.name) == 1 and names.count(place.project) == 1:  # answers tell places by their names
                assert told_level(answer, place) == level_of(oracle, user.id, place), (user.name, place)


@given(st.integers(0, 2**32))
@examples(100)
def test_the_reports_ranking_agrees_with_the_oracle(seed):
    """The report counts from the snapshot, in sets of bits: it has to come to what the payload says."""
    snapshot = snapshot_of(steps_of(seed))
    payload = build_payload(snapshot)
    graph, oracle = graph_of(payload), FromPayload(json.loads(b"".join(payload.json_chunks())))
    repositories = [place for place in graph.places() if not place.is_project]
    able = [user for user in graph.users if oracle.may_sign_in(int(user.id))]
    records = [snapshot.users[int(user.id)] for user in able]
    ranking = {reach.name: reach for reach in users_that_reach_most(snapshot, ReachIndex(snapshot), records)}
    names = [record.name for record in records]
    for user, record in zip(able, records, strict=True):
        administers_all = any(reached.place == ON_EVERYTHING for reached in what_can(graph, user).places)
        if administers_all or names.count(record.name) > 1:
            continue  # global permissions don't count in the ranking, and it tells people by their names
        levels = [ORDER.index(level_of(oracle, user.id, place)) for place in repositories]
        reached = tuple(sum(found >= level for found in levels) for level in Level)
        ranked = ranking.get(record.name)
        assert reached == ((ranked.reads, ranked.writes, ranked.administers) if ranked else (0, 0, 0)), record


def small() -> AccessGraph:
    """Ann owns a project and writes through a group, Bob administers everything, Cat can't sign in."""
    snapshot = Snapshot(INSTANCE, public_access="on")
    for user in (ANN, BOB, CAT):
        snapshot.add_user(user, listed=True)
    snapshot.add_group("makers", listed=True)
    snapshot.add_members("makers", [ANN.id, CAT.id])
    snapshot.add_global_grants(
        [
            rows.UserGrant(user=BOB, permission="ADMIN"),
            rows.GroupGrant(group=rows.Group(name="makers"), permission="LICENSED_USER"),
        ],
        1.0,
    )
    snapshot.add_project(CORE)
    snapshot.add_project(HERS)
    snapshot.add_default_permission(CORE.id, "PROJECT_WRITE")
    snapshot.add_repository(BILLING)
    snapshot.add_repository(NOTES)
    grants = [
        rows.GroupGrant(group=rows.Group(name="makers"), permission="REPO_ADMIN"),
        rows.UserGrant(user=ANN, permission="REPO_READ"),
        rows.UserGrant(user=BOB, permission="REPO_DANCE"),
    ]
    snapshot.add_repository_grants(BILLING.id, grants, 1.0)
    return graph_of(build_payload(snapshot))


def ask(level: Level, place: str) -> WhoCan:
    graph = small()
    (answer,) = who_can(graph, level, find_places(graph, place))
    return answer


def ways(answer: WhoCan, name: str) -> list[tuple[str, str | None, str, str]]:
    (person,) = [person for person in answer.people if person.name == name]
    return [(way.kind, way.through, way.permission, way.on) for way in person.ways]


def test_each_way_is_told_and_the_strongest_first():
    answer = ask(Level.WRITE, "core/BILLING")
    assert ways(answer, "ann") == [
        ("group", "makers", "REPO_ADMIN", "CORE/billing"),
        ("default", "Licensed users", "PROJECT_WRITE", "CORE"),
        ("own", None, "REPO_READ", "CORE/billing"),
        ("public", "Licensed users", "PROJECT_READ", "CORE"),
    ]
    assert ways(answer, "bob")[0] == ("global", None, "ADMIN", "*")


def test_who_can_not_sign_in_is_told_and_not_counted():
    answer = ask(Level.ADMIN, "CORE/billing")
    assert [(person.name, person.active, person.licensed) for person in answer.people] == [
        ("ann", True, True),
        ("bob", True, True),
        ("cat", False, False),
    ]
    assert answer.anybody == 2


def test_the_owner_of_a_personal_project():
    assert ways(ask(Level.ADMIN, "personal:ann"), "ann") == [("owner", None, "PROJECT_ADMIN", "~ANN")]
    assert ways(ask(Level.READ, "~ann/notes"), "ann") == [("owner", None, "PROJECT_ADMIN", "~ANN")]


def test_a_project_counts_those_who_reach_single_repositories_of_it():
    assert ask(Level.ADMIN, "CORE").reach_repositories == 1, "ann by her group; bob can do it on the project"
    assert ask(Level.ADMIN, "CORE/billing").reach_repositories is None


def test_a_permission_of_an_unknown_name_is_told_apart():
    snapshot = Snapshot(INSTANCE)
    for user in (ANN, BOB):
        snapshot.add_user(user, listed=True)
    snapshot.add_project(CORE)
    snapshot.add_project_grants(CORE.id, [rows.UserGrant(user=ANN, permission="PROJECT_DANCE")], 1.0)
    graph = graph_of(build_payload(snapshot))
    (answer,) = who_can(graph, Level.READ, find_places(graph, "CORE"))
    assert [person.name for person in answer.unknown] == ["ann"]
    assert "ann" not in [person.name for person in answer.people]
    assert msgspec.to_builtins(answer.unknown[0])["highest"] is None
    (reached,) = [place for place in what_can(graph, graph.users[0]).places if place.place == "CORE"]
    assert "PROJECT_DANCE" in [way.permission for way in reached.ways]


def test_what_a_project_gives_is_told_once():
    graph = small()
    ann, bob, _ = graph.users
    assert [(place.place, place.highest) for place in what_can(graph, ann).places] == [
        ("CORE", "write"),
        ("CORE/billing", "admin"),
        ("~ANN", "admin"),
    ]
    places = what_can(graph, bob).places
    assert [(place.place, place.highest) for place in places] == [("*", "admin"), ("CORE/billing", None)], (
        "what is unknown is told though the rest covers it"
    )
