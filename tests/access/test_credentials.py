"""What a key or token opens in the payload is what Bitbucket would let it open; whose it is, and until when."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import branch_permissions
from oaa_bitbucket_async.collect.protection import protected
from oaa_bitbucket_async.demo.branch_permissions import ModelMatcher
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import PERSONAL, Estate, ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.settings import Include
from tests.access.conftest import Upload
from tests.access.keyed import BRANCHES, PATTERNS, keyed_instances, take_credentials
from tests.access.keys_from_payload import KeysFromPayload
from tests.access.strategies import Instance
from tests.access.test_access import PASSING, PATIENT, STUBBORN
from tests.examples import examples
from tests.servers import Fault
from tests.servers.credential_rights import (
    covers,
    default_branch_protected,
    key_permission,
    place_token_permission,
    restrictions_of,
)

EVERYTHING = frozenset(Include)
LEVELS = {"READ": "read", "WRITE": "write", "ADMIN": "admin"}
OF_USERS = ("user-token", "ssh-key", "gpg-key")


@dataclass(frozen=True)
class Expected:
    """A credential that has to be in the payload, whose it is, and of which place."""

    kind: str
    credential: ModelSshKey | ModelAccessToken | ModelGpgKey
    owner: str | None = None
    place: ModelProject | ModelRepository | None = None

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.credential.id}"

    def opens(self, at: ModelProject | ModelRepository) -> str:
        permission = None
        if self.kind == "access-key" and isinstance(self.credential, ModelSshKey):
            permission = key_permission(self.credential.id, at)
        elif isinstance(self.credential, ModelAccessToken) and self.place is not None:
            permission = place_token_permission(self.credential, self.place, at)
        return LEVELS.get((permission or "").rpartition("_")[2], "none")


def shown_projects(instance: Instance) -> list[ModelProject]:
    """A personal project without a repository shows nowhere."""
    with_repositories = {repository.project.id for repository in instance.estate.repositories}
    return [p for p in instance.estate.projects if p.type != PERSONAL or p.id in with_repositories]


def expected(instance: Instance) -> Iterator[Expected]:
    estate = instance.estate
    places = [*shown_projects(instance), *estate.repositories]
    access = {access.key.id: access.key for place in places for access in place.access_keys}
    yield from (Expected("access-key", key) for key in access.values())
    for place in places:
        kind = "project-token" if isinstance(place, ModelProject) else "repository-token"
        yield from (Expected(kind, token, place=place) for token in place.tokens)
    if hides_keys_of_users(instance):
        return
    for user in listed_users(instance):
        yield from (Expected("user-token", token, str(user.id)) for token in user.tokens)
        yield from (Expected("ssh-key", key, str(user.id)) for key in user.ssh_keys)
        yield from (Expected("gpg-key", key, str(user.id)) for key in user.gpg_keys)


def listed_users(instance: Instance) -> list[ModelUser]:
    hides_inactive = not (instance.options.admin_listings or instance.options.inactive_in_users)
    return [user for user in instance.estate.users if not user.deleted and (user.active or not hides_inactive)]


def hides_keys_of_users(instance: Instance) -> bool:
    """A token is shown none but its owner's: once that is seen, no more is asked, and nothing of users is told."""
    me = instance.options.user.lower()
    return not instance.basic and any(user.name.lower() != me for user in listed_users(instance))


def assert_opens_the_same(instance: Instance, raw: bytes) -> KeysFromPayload:
    payload = KeysFromPayload(json.loads(raw))
    wanted = {one.id: one for one in expected(instance)}
    assert payload.credentials.keys() == wanted.keys()
    assert payload.of_users() == {one.id: one.owner for one in wanted.values() if one.owner is not None}
    assert not {one for one in payload.holding() if one.startswith(OF_USERS)}, "a user's has no right but its user's"
    for one in wanted.values():
        for project in shown_projects(instance):
            assert payload.opens_project(one.id, project.id) == one.opens(project), (one, project)
        for repository in instance.estate.repositories:
            assert payload.opens_repository(one.id, repository.id) == one.opens(repository), (one, repository)
    return payload


@pytest.mark.timeout(600)  # what is found has to be made small
@given(instance=keyed_instances())
@examples(60, **PATIENT)
def test_what_opens_is_what_bitbucket_lets_open(upload: Upload, instance: Instance) -> None:
    payload = assert_opens_the_same(instance, upload(instance, include=EVERYTHING))
    assert_says_what_it_saw(instance, payload)
    assert_told_the_truth(instance, payload)
    assert_guarded_the_same(instance, payload)


def assert_says_what_it_saw(instance: Instance, payload: KeysFromPayload) -> None:
    """An empty list is not to be taken for none: others' keys are not shown to a token."""
    told = payload.application["custom_properties"]
    said = {include: told[include.replace("-", "_")] for include in Include}
    of_others = {Include.SSH_KEYS: "not visible", Include.GPG_KEYS: "not visible", Include.TOKENS: "partly visible"}
    assert said == dict.fromkeys(Include, "collected") | (of_others if hides_keys_of_users(instance) else {})


def assert_told_the_truth(instance: Instance, payload: KeysFromPayload) -> None:
    """Dates are those of the credential, or not there; of a key its fingerprint is told."""
    details = instance.options.release >= (8, 0)
    told_use = {type(one.credential) for one in expected(instance) if last_used(one.credential) is not None}
    told_use -= set() if details else {ModelSshKey}
    for one in expected(instance):
        credential, shown = one.credential, payload.credentials[one.id]
        told = shown["custom_properties"]
        assert told["kind"] == one.kind
        tells_dates = details or not isinstance(credential, ModelSshKey)
        expires = credential.expires if tells_dates else None
        assert milliseconds(shown.get("expires_at")) == expires
        assert told["never_expires"] is (expires is None) is (not shown["can_expire"])
        assert told.get("label", "") == label(credential)
        if isinstance(credential, ModelAccessToken):
            assert told.get("permission_levels", []) == sorted(credential.permissions)
        elif isinstance(credential, ModelSshKey):
            assert told["fingerprint"] == f"SHA256:{credential.fingerprint}"
            assert told["algorithm"] == credential.algorithm
            assert told.get("bits") == (credential.bits if details else None)
        else:
            assert told["fingerprint"] == credential.fingerprint
        if not isinstance(credential, ModelGpgKey):
            used = last_used(credential) if tells_dates else None
            assert milliseconds(shown.get("created_at")) == (credential.created if tells_dates else None)
            assert milliseconds(shown.get("last_used_at")) == used
            assert told.get("never_used") is ((used is None) if type(credential) in told_use else None)


def last_used(credential: ModelSshKey | ModelAccessToken | ModelGpgKey) -> int | None:
    return None if isinstance(credential, ModelGpgKey) else credential.last_authenticated


def label(credential: ModelSshKey | ModelAccessToken | ModelGpgKey) -> str:
    match credential:
        case ModelAccessToken():
            return credential.name
        case ModelGpgKey():
            return credential.email or ""
        case ModelSshKey():
            return credential.label


def milliseconds(shown: str | None) -> int | None:
    return None if shown is None else round(datetime.fromisoformat(shown).timestamp() * 1000)


def assert_guarded_the_same(instance: Instance, payload: KeysFromPayload) -> None:
    estate = instance.estate
    deleted = {user.name.lower() for user in estate.users if user.deleted}
    for repository in estate.repositories:
        told, restrictions = payload.guardrails(repository.id), restrictions_of(repository)
        truth = default_branch_protected(repository)
        untold = (None,) if instance.options.missing else ()
        assert told.get("default_branch_protected") in (truth, *untold), (repository, restrictions)
        assert told.get("restriction_kinds", []) == sorted({r.type for r in restrictions})
        users = {name.lower() for r in restrictions for name in r.users} - deleted
        assert told["exempt_users"] == len(users)
        assert told["exempt_groups"] == len({name.lower() for r in restrictions for name in r.groups})
        assert told["exempt_keys"] == len({key.id for r in restrictions for key in r.keys})
        assert told["exempt_administrators"] == len(users & direct_administrators(repository))
        checks = repository.checks
        assert told["pull_request_minimum_approvals"] == checks.required_approvers
        assert told["pull_request_minimum_builds"] == checks.required_builds
        assert told["pull_request_requires_all_approvers"] == checks.all_approvers
        assert told["pull_request_requires_all_tasks"] == checks.all_tasks


def direct_administrators(repository: ModelRepository) -> set[str]:
    grants = [*repository.user_grants, *repository.project.user_grants]
    found = {g.principal.lower() for g in grants if g.permission in ("REPO_ADMIN", "PROJECT_ADMIN")}
    return found | {(repository.project.owner or "").lower()}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_both_opinions_of_a_pattern_are_one(pattern: str, branch: str) -> None:
    """They were written apart; random instances would seldom bring each pattern together with each branch."""
    collected = branch_permissions.Restriction("read-only", "PATTERN", pattern, True, (), (), ())
    repository = ModelRepository(1, ModelProject(1, "A"), "app", default_branch=branch)
    assert protected([collected], branch) == covers(ModelMatcher("PATTERN", pattern), branch, repository)


@pytest.mark.timeout(600)
@given(instance=keyed_instances(), data=st.data())
@examples(12, **PATIENT)
def test_the_same_bytes_in_any_order(upload: Upload, instance: Instance, data: st.DataObject) -> None:
    """However keys are listed and paged, and whichever three of ten requests fail."""
    plain = upload(instance, include=EVERYTHING)
    for place in (*instance.estate.projects, *instance.estate.repositories):
        place.access_keys = place.access_keys[::-1]
        place.tokens, place.restrictions = place.tokens[::-1], place.restrictions[::-1]
    for user in instance.estate.users:
        user.ssh_keys, user.gpg_keys, user.tokens = user.ssh_keys[::-1], user.gpg_keys[::-1], user.tokens[::-1]
    instance.estate.repositories.reverse()
    instance.estate.changed()
    other = instance.served(page_cap=data.draw(st.integers(3, 9)), gaps=1, empty_pages=True, dates_as_text=True)
    names = data.draw(st.lists(st.sampled_from(PASSING), min_size=1, max_size=3, unique=True))
    seed = data.draw(st.integers(0, 99))
    faults = [Fault(name, share=0.3 / len(names), seed=seed + n, retry_after=None) for n, name in enumerate(names)]
    pace = replace(STUBBORN, concurrency=data.draw(st.sampled_from([1, 16, None])), page_size=2)
    assert upload(other, pace=pace, faults=faults, include=EVERYTHING) == plain


@pytest.mark.timeout(600)
@given(instance=keyed_instances())
@examples(12, **PATIENT)
def test_who_asks_for_none_of_it_sees_none_of_it(upload: Upload, instance: Instance) -> None:
    """The payload is the one of an instance that has no keys at all."""
    raw = upload(instance)
    take_credentials(instance.estate)
    assert upload(instance) == raw


@pytest.mark.parametrize("basic", [True, False], ids=["password", "token"])
def test_a_key_of_a_project_and_of_a_repository_in_it(upload: Upload, basic: bool) -> None:
    """Each of both ways may be the wider one; inherited is inherited, and no further."""
    key, other = ModelSshKey(1, "both"), ModelSshKey(2, "other")
    first, second = ModelProject(1, "A"), ModelProject(2, "B")
    app, docs, elsewhere = (
        ModelRepository(1, first, "app"),
        ModelRepository(2, first, "docs"),
        ModelRepository(3, second, "app"),
    )
    first.access_keys = [ModelAccessKey(key, "PROJECT_READ"), ModelAccessKey(other, "PROJECT_WRITE")]
    app.access_keys = [ModelAccessKey(key, "REPO_WRITE"), ModelAccessKey(other, "REPO_READ")]
    elsewhere.access_keys = [ModelAccessKey(key, "REPO_READ")]
    instance = Instance(Estate(projects=[first, second], repositories=[app, docs, elsewhere]), basic=basic)
    payload = assert_opens_the_same(instance, upload(instance, include=frozenset({Include.ACCESS_KEYS})))
    assert {
        (one, place.id): payload.opens_repository(one, place.id)
        for one in payload.credentials
        for place in (app, docs, elsewhere)
    } == {
        ("access-key:1", app.id): "write",
        ("access-key:1", docs.id): "read",
        ("access-key:1", elsewhere.id): "read",
        ("access-key:2", app.id): "write",
        ("access-key:2", docs.id): "write",
        ("access-key:2", elsewhere.id): "none",
    }
    assert payload.opens_project("access-key:1", second.id) == "none", "a repository's key opens nothing beside it"
