"""`--include` from the command line's settings to Veza: what it adds, and what it may not see."""

import re
from dataclasses import replace

import pytest

from oaa_bitbucket_async.settings import Include
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Ran
from tests.integration.keyed import (
    EVERYTHING,
    OWN_PATHS,
    SHARED,
    application,
    asked,
    credentials,
    held,
    keyed,
    places,
    repositories,
    states,
    states_of,
)
from tests.servers import Fault, RiggedOptions
from tests.servers.credential_rights import default_branch_protected

pytestmark = pytest.mark.usefixtures("short_probe_delays")


# --- what it adds -----------------------------------------------------------------------------------------------------


def test_without_it_nothing_is_asked_and_nothing_is_told(bench: Benches, truth: Ran) -> None:
    """Also on a server that has all of it."""
    made = bench(estate=keyed())
    ran = made.run()
    assert (ran.code, ran.raw, ran.requests) == (0, truth.raw, truth.requests)
    assert not any(OWN_PATHS.search(path) for path in asked(made, ran))


def test_access_keys(bench: Benches) -> None:
    estate = keyed()
    ran = bench(estate=estate).run(include={Include.ACCESS_KEYS})
    keys = {access.key.id: access.key for place in places(estate) for access in place.access_keys}
    found = credentials(ran, "access-key")
    assert found.keys() == {f"access-key:{key}" for key in keys}
    for key in keys.values():
        shown = found[f"access-key:{key.id}"]
        told = shown["custom_properties"]
        assert told["fingerprint"] == f"SHA256:{key.fingerprint}"
        assert (told["algorithm"], told["bits"]) == (key.algorithm, key.bits)
        assert told["never_expires"] is (key.expiry_days is None) is not shown["can_expire"]
        assert ("expires_at" in shown) is shown["can_expire"]
        assert told["never_used"] is (key.last_authenticated is None) is ("last_used_at" not in shown)
    assert held(ran) == {
        *((f"access-key:{a.key.id}", a.permission, f"{p.id}") for p in estate.projects for a in p.access_keys),
        *(
            (f"access-key:{a.key.id}", a.permission, f"{r.project.id}.{r.id}")
            for r in estate.repositories
            for a in r.access_keys
        ),
    }
    assert len({resource for key, _, resource in held(ran) if key == f"access-key:{SHARED.id}"}) == 3
    assert application(ran)["custom_properties"]["access_keys"] == "collected"
    assert "tokens" not in application(ran)["custom_properties"]


def test_tokens(bench: Benches) -> None:
    estate = keyed()
    ran = bench(estate=estate).run(include={Include.TOKENS})
    of_projects = {f"project-token:{token.id}" for place in estate.projects for token in place.tokens}
    of_repositories = {f"repository-token:{token.id}" for place in estate.repositories for token in place.tokens}
    assert credentials(ran, "project-token").keys() == of_projects
    assert credentials(ran, "repository-token").keys() == of_repositories
    attached = {u["name"]: u["access_creds"] for u in application(ran)["local_users"] if "access_creds" in u}
    assert attached == {u.name: [f"user-token:{token.id}" for token in u.tokens] for u in estate.users if u.tokens}
    inactive = {f"user-token:{t.id}" for u in estate.users if not u.active for t in u.tokens}
    found = credentials(ran, "user-token")
    assert inactive
    assert {key for key, one in found.items() if not one["is_active"]} == inactive
    expected = {(f"repository-token:9{r.id}", "REPO_WRITE", f"{r.project.id}.{r.id}") for r in estate.repositories}
    for project in estate.projects:
        for token in project.tokens:
            on = next(p for p in token.permissions if p.startswith("PROJECT_"))
            expected.add((f"project-token:{token.id}", on, f"{project.id}"))
            if "REPO_ADMIN" in token.permissions:  # above the PROJECT_READ beside it, so on each of the repositories
                expected |= {
                    (f"project-token:{token.id}", "REPO_ADMIN", f"{project.id}.{r.id}")
                    for r in estate.repositories_of(project)
                }
    assert held(ran) == expected
    assert found[next(iter(found))]["custom_properties"]["permission_levels"] == ["PROJECT_ADMIN", "REPO_ADMIN"]


def test_keys_of_users(bench: Benches) -> None:
    estate = keyed()
    ran = bench(estate=estate).run(include={Include.SSH_KEYS, Include.GPG_KEYS})
    attached = {u["name"]: set(u["access_creds"]) for u in application(ran)["local_users"] if "access_creds" in u}
    assert attached == {
        user.name: {*(f"ssh-key:{key.id}" for key in user.ssh_keys), *(f"gpg-key:{key.id}" for key in user.gpg_keys)}
        for user in estate.users
        if user.ssh_keys or user.gpg_keys
    }
    assert not held(ran)
    assert "never_used" not in next(iter(credentials(ran, "gpg-key").values()))["custom_properties"]


def test_branch_restrictions(bench: Benches) -> None:
    estate = keyed()
    made = bench(estate=estate)
    ran = made.run(include={Include.BRANCH_RESTRICTIONS})
    told = repositories(ran)
    for repository in estate.repositories:
        own, inherited = repository.restrictions, repository.project.restrictions
        shown = told[str(repository.id)]
        assert shown["default_branch_protected"] is default_branch_protected(repository)
        assert shown.get("restriction_kinds", []) == sorted({one.type for one in (*own, *inherited)})
        assert shown["exempt_users"] == len({user for one in own for user in one.users})
        assert shown["exempt_keys"] == len({key.id for one in own for key in one.keys})
        # the group is written in two ways, as people do, and is one
        assert shown["exempt_groups"] == len({g.lower() for one in (*own, *inherited) for g in one.groups}) <= 1
    numbers = range(len(estate.repositories))
    paths = asked(made, ran)
    assert {told[str(r.id)]["default_branch_protected"] for r in estate.repositories[1::4]} == {True, False}
    assert sum("/default-branch" in path for path in paths) == sum(n % 4 == 0 or n % 8 == 5 for n in numbers)
    assert sum("/branchmodel/" in path for path in paths) == sum(n % 4 == 1 for n in numbers)


def test_settings(bench: Benches) -> None:
    estate = keyed()
    told = repositories(bench(estate=estate).run(include={Include.SETTINGS}))
    for repository in estate.repositories:
        shown = told[str(repository.id)]
        assert shown["pull_request_minimum_approvals"] == repository.checks.required_approvers
        assert shown["pull_request_requires_all_tasks"] is repository.checks.all_tasks


def test_default_reviewers(bench: Benches) -> None:
    estate = keyed()
    ran = bench(estate=estate).run(include={Include.DEFAULT_REVIEWERS})
    first = next(project for project in estate.projects if project.review_conditions)
    ann, bob, eve = sorted(first.review_conditions[0].reviewers)
    own = next(r for r in estate.repositories if r.review_conditions).review_conditions[0].reviewers
    inherited = f"any branch -> main: 2 of {ann}, {bob}, {eve}"
    projects = {project["id"]: project["custom_properties"] for project in application(ran)["resources"]}
    assert all(("default_reviewers" in told) == (told["key"] == first.key) for told in projects.values())
    assert projects[str(first.id)]["default_reviewer_conditions"] == [inherited]
    for repository in estate.repositories:
        told = repositories(ran)[str(repository.id)]
        expected, names = ([inherited], {ann, bob, eve}) if repository.project is first else ([], set())
        if repository.review_conditions:
            expected.insert(0, f"Release -> any branch: 0 of {own[0]}")
            names.add(own[0])
        assert told.get("default_reviewers", []) == sorted(names)
        assert told.get("default_reviewer_conditions", []) == expected
    assert states_of(ran, "default_reviewers") == ["collected"]


def test_one_request_for_each_place_and_kind(bench: Benches) -> None:
    estate = keyed()
    made = bench(estate=estate)
    without = made.run()
    ran = made.run(include={Include.ACCESS_KEYS, Include.TOKENS, Include.SSH_KEYS, Include.SETTINGS})
    p = len(application(ran)["resources"])  # less the personal ones that show nowhere
    r, u = len(estate.repositories), len(estate.users)
    assert ran.requests - without.requests == (p + r) + (p + r + u) + u + r


@pytest.mark.parametrize("basic", first(False, of=[True, False]), ids=["basic", "token"])
def test_check_tells_the_price_that_a_run_pays(bench: Benches, capsys: pytest.CaptureFixture[str], basic: bool) -> None:
    made = bench(estate=keyed())
    without = made.run(basic=basic).requests
    capsys.readouterr()
    assert made.check(basic=basic, include=frozenset({Include.TOKENS})) == 0
    said = capsys.readouterr().out
    told = dict(re.findall(r"^ +(?:in it|\+) ([\w-]+) +([\d,]+(?: to [\d,]+)?)", said, re.MULTILINE))
    assert told.keys() == set(Include), said
    for include in Include:
        paid = made.run(basic=basic, include=frozenset({include})).requests - without
        least, _, most = told[include].partition(" to ")
        assert int(least) <= paid <= int(most or least), include
    whole = int(re.search(r"^ +a run +([\d,]+)", said, re.MULTILINE)[1].replace(",", ""))  # type: ignore[index]
    assert made.check(basic=basic) == 0
    bare = re.search(r"^ +a run +([\d,]+)", capsys.readouterr().out, re.MULTILINE)
    assert bare is not None
    assert whole - int(bare[1].replace(",", "")) == int(told[Include.TOKENS])
    assert ("are not visible to this login" in said) is not basic


# --- what it may not see ----------------------------------------------------------------------------------------------


def test_a_token_does_not_see_other_users_keys(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(estate=keyed())
    ran = made.run(basic=False, include=EVERYTHING)
    assert states(ran) == dict.fromkeys(Include, "collected") | {
        Include.TOKENS: "partly visible",
        Include.SSH_KEYS: "not visible",
        Include.GPG_KEYS: "not visible",
    }
    paths = asked(made, ran)
    assert sum("/rest/ssh/" in path for path in paths) == 3, "a few are tried, not all"
    said = [line for line in capsys.readouterr().err.splitlines() if "visible to this login" in line]
    assert len(said) == 3, "one line for each kind"


@pytest.mark.parametrize("fault", ["lost-right", "missing"])
def test_a_kind_that_the_server_does_not_show_at_all(bench: Benches, fault: str) -> None:
    kinds = frozenset(
        {
            *("project-access-keys", "repository-access-keys", "repository-restrictions"),
            *("project-reviewers", "repository-reviewers"),
        }
    )
    if fault == "missing":
        made = bench(RiggedOptions(missing=kinds), estate=keyed())
    else:
        made = bench(None, [Fault("lost-right", match=kind) for kind in sorted(kinds)], keyed())
    ran = made.run(include=EVERYTHING, pace=replace(QUICK, project_concurrency=1, repo_concurrency=1))
    assert states(ran) == dict.fromkeys(Include, "collected") | {
        Include.ACCESS_KEYS: "not visible",
        Include.BRANCH_RESTRICTIONS: "not visible",
        Include.DEFAULT_REVIEWERS: "not visible",
    }
    own = [path for path in asked(made, ran) if re.search(r"/rest/(keys|branch-permissions|default-reviewers)/", path)]
    places = 2 * len(application(ran)["resources"]) + 3 * len(repositories(ran))
    again = len(kinds) if fault == "missing" else 0
    assert len(own) == places + again, "one for each place, and a second look at the first 404 of a kind"
    assert not credentials(ran, "access-key")
    assert all("default_branch_protected" not in told for told in repositories(ran).values())


def test_places_that_are_not_shown(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    estate = keyed()
    hidden = estate.repositories[::10]
    faults = [
        Fault("lost-right", match=f"/rest/{app}/.*/projects/{r.project.key}/repos/{r.slug}(/ssh|/restrictions|\\?|$)")
        for r in hidden
        for app in ("keys", "branch-permissions")
    ]
    ran = bench(None, faults, estate).run(include=EVERYTHING)
    assert states(ran) == dict.fromkeys(Include, "collected") | {
        Include.ACCESS_KEYS: "partly visible",
        Include.BRANCH_RESTRICTIONS: "partly visible",
    }
    assert all(fault.struck == 1 for fault in faults)
    told = repositories(ran)
    assert {key for key, one in told.items() if "default_branch_protected" not in one} == {str(r.id) for r in hidden}
    assert all(one["collected"] for one in told.values())
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "access keys are not all visible" in line]
    assert f"4 repositories ({hidden[0].project.key}/{hidden[0].slug}, " in line
    assert "and 1 more" in line


def test_the_oldest_accounts_are_hidden_and_others_are_not(bench: Benches) -> None:
    """As system administrators are from administrators."""
    estate = keyed()
    oldest = sorted(estate.users, key=lambda user: user.id)[:4]
    ran = bench(None, [Fault("lost-right", match=f"/users/{u.slug}\\?limit") for u in oldest], estate).run(
        include={Include.TOKENS}
    )
    assert states_of(ran, "tokens") == ["partly visible"]
    seen = {u["name"] for u in application(ran)["local_users"] if "access_creds" in u}
    assert seen == {u.name for u in estate.users if u.tokens} - {u.name for u in oldest}


def test_a_branching_model_that_is_not_told(bench: Benches) -> None:
    estate = keyed()
    made = bench(RiggedOptions(missing=frozenset({"repository-branch-model"})), estate=estate)
    ran = made.run(include={Include.BRANCH_RESTRICTIONS})
    undecided = {str(r.id) for r in estate.repositories[1::4]}
    told = repositories(ran)
    assert {key for key, one in told.items() if "default_branch_protected" not in one} == undecided
    assert application(ran)["custom_properties"]["branch_restrictions"] == "collected"


def test_a_default_branch_that_is_not_told(bench: Benches) -> None:
    """It costs one request for each repository, and what it would have decided is absent."""
    estate = keyed()
    made = bench(RiggedOptions(missing=frozenset({"repository-default-branch"})), estate=estate)
    ran = made.run(include={Include.BRANCH_RESTRICTIONS})
    told = repositories(ran)
    undecided = {str(r.id) for n, r in enumerate(estate.repositories) if n % 4 == 0 or n % 8 == 5}
    assert {key for key, one in told.items() if "default_branch_protected" not in one} == undecided
    assert sum("/default-branch" in path for path in asked(made, ran)) == len(undecided)
    assert application(ran)["custom_properties"]["branch_restrictions"] == "collected"
