"""The small estate with keys, tokens, restrictions and merge checks: what `--include` is there for."""

import re
from typing import Any

from oaa_bitbucket_async.demo.branch_permissions import (
    ModelMatcher,
    ModelMergeChecks,
    ModelRestriction,
    ModelReviewCondition,
)
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.settings import Include
from tests.integration.conftest import SMALL
from tests.integration.harness import Bench, Ran

EVERYTHING = frozenset(Include)
SHARED = ModelSshKey(9001, "deploy@everywhere", "RSA", 3072, last_authenticated=1_710_000_000_000)
OWN_PATHS = re.compile(
    r"/rest/(keys|ssh|gpg|access-tokens|branch-permissions|branch-utils|default-reviewers)/|/settings/|/default-branch"
)
MAIN = ModelMatcher("BRANCH", "refs/heads/main")


def keyed() -> Estate:
    """The same each time. `SHARED` opens the first two projects and the first repository of the third."""
    estate = generate(SMALL)
    for place in (*estate.projects, *estate.repositories):
        place.access_keys = place.tokens = place.restrictions = place.review_conditions = ()
    for repository in estate.repositories:
        repository.default_branch = "refs/heads/main"
        repository.development = repository.production = None
    for user in estate.users:
        user.ssh_keys = user.gpg_keys = user.tokens = ()
    normal = [project for project in estate.projects if project.owner is None]
    first, second = normal[:2]
    for project in (first, second):
        project.access_keys = (
            ModelAccessKey(SHARED, "PROJECT_READ"),
            ModelAccessKey(ModelSshKey(9100 + project.id), "PROJECT_WRITE"),
        )
        project.tokens = (
            ModelAccessToken(f"7{project.id}", "ci", ("PROJECT_READ", "REPO_ADMIN"), expires=1_800_000_000_000),
            ModelAccessToken(
                f"8{project.id}", "reader", ("PROJECT_WRITE", "REPO_WRITE"), last_authenticated=1_720_000_000_000
            ),
        )
        project.restrictions = (
            ModelRestriction(100 + project.id, "no-deletes", ModelMatcher("ANY_REF"), groups=("release-managers",)),
        )
    somebody = tuple(user.name for user in estate.users if not user.deleted)[:3]
    anything = ModelMatcher("ANY_REF")
    first.review_conditions = (ModelReviewCondition(1, anything, MAIN, 2, somebody),)
    for number, repository in enumerate(estate.repositories):
        if number % 3 == 0:
            release = ModelMatcher("MODEL_CATEGORY", "RELEASE")
            repository.review_conditions = (ModelReviewCondition(2 + number, release, anything, 0, somebody[1:2]),)
        key = ModelSshKey(1000 + repository.id, f"repo {repository.id}", expiry_days=90 if number % 2 else None)
        repository.access_keys = (ModelAccessKey(key, "REPO_WRITE" if number % 3 else "REPO_READ"),)
        repository.tokens = (ModelAccessToken(f"9{repository.id}", f"bot {number}", ("REPO_WRITE",)),)
        if number % 4 == 0:
            repository.restrictions = (
                ModelRestriction(
                    1000 + repository.id,
                    "pull-request-only",
                    MAIN if number % 8 else ModelMatcher("PATTERN", "release/*"),
                    users=tuple(user.name for user in estate.users[number % 7 : number % 7 + 2]),
                    groups=("Release-Managers",),
                    keys=(key,),
                ),
                ModelRestriction(2000 + repository.id, "no-deletes", ModelMatcher("MODEL_BRANCH", "production")),
            )
        if number % 4 == 1:
            matcher = (
                ModelMatcher("MODEL_BRANCH", "development")
                if number % 8 == 1
                else ModelMatcher("MODEL_CATEGORY", "RELEASE")
            )
            repository.restrictions = (ModelRestriction(3000 + repository.id, "pull-request-only", matcher),)
        repository.checks = ModelMergeChecks(required_approvers=number % 3, all_tasks=number % 2 == 0)
    third = next(repository for repository in estate.repositories if repository.project not in (first, second))
    third.access_keys = (ModelAccessKey(SHARED, "REPO_WRITE"), *third.access_keys)
    for number, user in enumerate(estate.users):
        if number % 2:
            user.ssh_keys = (ModelSshKey(5000 + user.id, f"{user.name}@laptop", "ECDSA", 256),)
            user.tokens = (ModelAccessToken(f"6{user.id}", "script", ("PROJECT_ADMIN", "REPO_ADMIN")),)
        if number % 5 == 0:
            user.gpg_keys = (ModelGpgKey(user.id, user.email),)
    estate.changed()
    return estate


def application(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.error
    (found,) = ran.payload["applications"]
    return dict(found)


def credentials(ran: Ran, kind: str) -> dict[str, dict[str, Any]]:
    found = application(ran).get("local_access_creds", ())
    return {one["id"]: one for one in found if one["custom_properties"]["kind"] == kind}


def held(ran: Ran) -> set[tuple[str, str, str]]:
    """(credential, permission, resource)."""
    return {
        (holder["identity"], grant["permission"], resource)
        for holder in ran.payload["identity_to_permissions"]
        if holder["identity_type"] == "local_access_creds"
        for grant in holder["application_permissions"]
        for resource in grant["resources"]
    }


def repositories(ran: Ran) -> dict[str, dict[str, Any]]:
    return {
        repository["id"]: repository["custom_properties"]
        for project in application(ran)["resources"]
        for repository in project.get("sub_resources", ())
    }


def asked(made: Bench, ran: Ran) -> list[str]:
    return [f"{r.path}?{r.query}" for r in made.bitbucket.requests[-ran.requests :]]


def places(estate: Estate) -> list[Any]:
    return [*estate.projects, *estate.repositories]


def states(ran: Ran) -> dict[str, str]:
    told = application(ran)["custom_properties"]
    return {include: told[include.replace("-", "_")] for include in Include}


def states_of(ran: Ran, *names: str) -> list[str]:
    told = application(ran)["custom_properties"]
    return [told[name] for name in names]
