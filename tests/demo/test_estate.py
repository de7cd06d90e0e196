import base64
import dataclasses
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from oaa_bitbucket_async.demo.credentials import ModelSshKey
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, ModelGroup, ModelProject, ModelRepository, ModelUser, slug_of
from oaa_bitbucket_async.demo.rights import Rights
from tests.servers.changes import delete_project, move_repository

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CREDENTIALS = ("ssh_keys", "gpg_keys", "tokens", "access_keys", "restrictions")
BRANCH_PERMISSIONS = ("default_branch", "development", "production", "checks", "review_conditions")


NOW = 1_750_000_000_000


def as_data(estate: Estate, *, credentials: bool = True) -> object:
    left_out = () if credentials else (*CREDENTIALS, *BRANCH_PERMISSIONS)

    def fields(thing: "DataclassInstance") -> list[object]:
        return [
            value.id if isinstance(value, ModelProject | ModelRepository) else value
            for field in dataclasses.fields(thing)
            if field.name not in left_out
            for value in [getattr(thing, field.name)]
        ]

    return (
        [fields(user) for user in estate.users],
        [fields(group) for group in estate.groups],
        [fields(project) for project in estate.projects],
        [fields(repository) for repository in estate.repositories],
        estate.global_users,
        estate.global_groups,
        [(old, repository.id) for old, repository in estate.moved.items()],
    )


def test_the_same_shape_is_the_same_estate() -> None:
    shape = EstateShape.for_repositories(200, seed=7)
    assert as_data(generate(shape)) == as_data(generate(shape))
    assert as_data(generate(shape)) != as_data(generate(dataclasses.replace(shape, seed=8)))


def test_a_seed_stays_the_estate_that_it_was() -> None:
    """Whatever is added to estates: figures that were measured on one can be compared with those of years ago."""
    estate = generate(EstateShape.for_repositories(50, seed=3))
    data = repr(as_data(estate, credentials=False)).replace("ModelGrant(", "Grant(")  # as it was called at first
    assert hashlib.sha256(data.encode()).hexdigest()[:16] == "cc16f3813ddf76b5"


def test_credentials_change_nothing_else() -> None:
    shape = EstateShape.for_repositories(200, seed=7)
    bare = generate(dataclasses.replace(shape, credentials=False))
    assert as_data(generate(shape), credentials=False) == as_data(bare, credentials=False)
    for thing in (*bare.users, *bare.projects, *bare.repositories):
        assert not any(getattr(thing, name, ()) for name in CREDENTIALS)


def test_credentials_are_as_various_as_real_ones() -> None:
    estate = generate(EstateShape.for_repositories(1000))
    places = [*estate.projects, *estate.repositories]
    opened = Counter(access.key.id for place in places for access in place.access_keys)
    assert max(opened.values()) > 3
    assert min(opened.values()) == 1
    on_project = {(p.id, access.key.id) for p in estate.projects for access in p.access_keys}
    on_repository = {(r.project.id, access.key.id) for r in estate.repositories for access in r.access_keys}
    assert on_project & on_repository, "a key of a project that is also one of a repository in it"
    permissions = {access.permission for place in places for access in place.access_keys}
    assert permissions == {"PROJECT_READ", "PROJECT_WRITE", "REPO_READ", "REPO_WRITE"}
    access_keys = {access.key.id: access.key for place in places for access in place.access_keys}
    own_keys = [key for user in estate.users for key in user.ssh_keys]
    assert not access_keys.keys() & {key.id for key in own_keys}
    for keys in (list(access_keys.values()), own_keys):
        assert {key.algorithm for key in keys} == {"RSA", "ED25519", "ECDSA"}
        assert any(key.last_authenticated is None for key in keys)
        assert any(key.expires is None for key in keys)
        assert any(key.expires is not None and key.expires < NOW for key in keys)
        assert any(key.expires is not None and key.expires > NOW for key in keys)
    for owners in (estate.users, estate.projects, estate.repositories):
        tokens = [token for owner in owners for token in owner.tokens]
        assert any(token.expires is None for token in tokens)
        assert any(token.expires is not None and token.expires < NOW for token in tokens)
        assert any(token.last_authenticated is None for token in tokens)
    assert {key.expires is None for user in estate.users for key in user.gpg_keys} == {True, False}
    restrictions = [restriction for place in places for restriction in place.restrictions]
    assert len({restriction.id for restriction in restrictions}) == len(restrictions)
    assert all(any(getattr(r, who) for r in restrictions) for who in ("users", "groups", "keys"))
    assert {r.matcher.type for r in restrictions} == {"BRANCH", "PATTERN", "MODEL_BRANCH", "MODEL_CATEGORY"}
    assert len({r.checks for r in estate.repositories}) > 5


@pytest.mark.parametrize(("algorithm", "bits"), [("RSA", 2048), ("RSA", 4096), ("ED25519", 256), ("ECDSA", 521)])
def test_key_texts_are_what_openssh_reads(algorithm: str, bits: int) -> None:
    key = ModelSshKey(7, "me@host", algorithm, bits)
    name, blob, label = key.text.split()
    read = serialization.load_ssh_public_key(key.text.encode()) if algorithm != "ECDSA" else None
    if isinstance(read, rsa.RSAPublicKey):
        assert read.key_size == bits
    assert label == key.label
    assert base64.b64decode(blob)[4:].startswith(name.encode())
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    assert key.fingerprint == base64.b64encode(digest).decode().rstrip("=")
    assert ModelSshKey(8, "me@host", algorithm, bits).text != key.text


def test_sizes_are_those_of_the_shape() -> None:
    estate = generate(EstateShape(users=40, groups=12, projects=7, repositories=90, personal_projects=3))
    assert len(estate.users) == 40
    assert len(estate.groups) == 12
    assert Counter(p.type for p in estate.projects) == {"NORMAL": 7, "PERSONAL": 3}
    assert len(estate.repositories) == 90


def test_names_identify() -> None:
    estate = generate(EstateShape.for_repositories(3000))
    for names in (
        [u.name.lower() for u in estate.users],
        [u.slug for u in estate.users],
        [g.name.lower() for g in estate.groups],
        [p.key.upper() for p in estate.projects],
        [(r.project.key, r.slug) for r in estate.repositories],
    ):
        assert len(set(names)) == len(names)
    assert all(u.slug == slug_of(u.name) for u in estate.users)


def test_what_real_instances_hold_is_there() -> None:
    estate = generate(EstateShape.for_repositories(3000))
    listed = {g.name.lower() for g in estate.groups}
    granted = [g for r in estate.repositories for g in r.group_grants]
    user_granted = {g.principal for r in estate.repositories for g in r.user_grants}
    assert any(g.principal.lower() not in listed for g in granted)
    assert any(g.principal not in {x.name for x in estate.groups} and g.principal.lower() in listed for g in granted)
    assert any(u.deleted and u.name in user_granted for u in estate.users)
    assert any(not u.active for u in estate.users)
    assert {u.type for u in estate.users} == {"NORMAL", "SERVICE"}
    assert any(u.email is None for u in estate.users)
    assert any(u.last_login is None for u in estate.users)
    for character in "@+'\"\\":
        assert any(character in u.name for u in estate.users), character
    for character in " /%ü":
        assert any(character in g.name for g in estate.groups), character
    assert any(g.children for g in estate.groups)
    assert any(p.defaults == ("PROJECT_READ", "PROJECT_WRITE") for p in estate.projects)
    assert any(p.public for p in estate.projects)
    assert any(len((p.description or "").encode()) > 256 for p in estate.projects)
    assert any("." in r.slug for r in estate.repositories)
    assert any(r.origin for r in estate.repositories)
    assert any(r.archived for r in estate.repositories)
    assert any(r.public and r.project.type == "PERSONAL" for r in estate.repositories)
    assert max(Counter(r.slug for r in estate.repositories).values()) > 1
    owned = [p for p in estate.projects if p.owner]
    assert owned
    assert all((p.owner, "PROJECT_ADMIN") in p.user_grants and p.key.startswith("~") for p in owned)


def test_everywhere_is_everywhere() -> None:
    estate = generate(EstateShape(repositories=30, everywhere=True))
    users = set.intersection(*({g.principal for g in r.user_grants} for r in estate.repositories))
    groups = set.intersection(*({g.principal for g in r.group_grants} for r in estate.repositories))
    assert users == {"svc-scanner"}
    assert groups == {"security-scanners"}
    for r in estate.repositories:
        assert len({g.principal for g in r.user_grants}) == len(r.user_grants)
        assert len({g.principal for g in r.group_grants}) == len(r.group_grants)


def test_members_go_through_groups_and_around_rings() -> None:
    estate = Estate(
        users=[ModelUser(1, "A"), ModelUser(2, "b"), ModelUser(3, "c", deleted=True)],
        groups=[ModelGroup("One", ["a"], ["two"]), ModelGroup("two", ["B", "c", "nobody"], ["ONE", "missing"])],
    )
    rights = Rights(estate)
    assert rights.members("one") == rights.members("TWO") == {"a", "b"}
    assert rights.groups_of("B") == {"one", "two"}


def test_a_moved_repository_leaves_its_old_path_behind() -> None:
    project, other = ModelProject(1, "ONE"), ModelProject(2, "TWO")
    repository = ModelRepository(1, project, "tool")
    estate = Estate(projects=[project, other], repositories=[repository])
    move_repository(estate, "one", "tool", to_key="two", to_slug="kit")
    assert estate.repository("TWO", "kit") is repository
    assert estate.repository("ONE", "tool") is None
    assert estate.moved == {("ONE", "tool"): repository}
    move_repository(estate, "TWO", "kit", to_key="ONE", to_slug="tool")
    assert ("ONE", "tool") not in estate.moved
    delete_project(estate, "ONE")
    assert estate.repositories == []
    with pytest.raises(KeyError, match="there is no ONE"):
        delete_project(estate, "ONE")
