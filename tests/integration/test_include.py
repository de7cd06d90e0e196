"""`--include` from the command line's settings to Veza: what it adds, what it may not see, and what it never keeps."""

import base64
import re
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async import run
from oaa_bitbucket_async.bitbucket.pacing import outage
from oaa_bitbucket_async.demo.bitbucket import Fault, ServerOptions
from oaa_bitbucket_async.demo.bitbucket.capacity import Capacity
from oaa_bitbucket_async.demo.credential_rights import default_branch_protected
from oaa_bitbucket_async.demo.credentials import SshKey
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.settings import Include
from oaa_bitbucket_async.state import state_paths
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Ran
from tests.integration.keyed import EVERYTHING, SHARED, keyed
from tests.integration.process import QUICK_JOURNAL, Process, ended
from tests.integration.test_same_bytes import MIXED, PATIENT, three_in_ten

OWN_PATHS = re.compile(
    r"/rest/(keys|ssh|gpg|access-tokens|branch-permissions|branch-utils)/|/settings/|/default-branch"
)
ONCE = replace(QUICK, max_attempts=1)


@pytest.fixture(autouse=True)
def short_knocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "KNOCKS", (0.005, 0.01))


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


def asked(made: Any, ran: Ran) -> list[str]:
    return [f"{r.path}?{r.query}" for r in made.bitbucket.requests[-ran.requests :]]


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


def places(estate: Estate) -> list[Any]:
    return [*estate.projects, *estate.repositories]


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


def test_one_request_for_each_place_and_kind(bench: Benches) -> None:
    estate = keyed()
    made = bench(estate=estate)
    without = made.run()
    ran = made.run(include={Include.ACCESS_KEYS, Include.TOKENS, Include.SSH_KEYS, Include.SETTINGS})
    p = len(application(ran)["resources"])  # less the personal ones that show nowhere
    r, u = len(estate.repositories), len(estate.users)
    assert ran.requests - without.requests == (p + r) + (p + r + u) + u + r


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
def test_check_tells_the_price_that_a_run_pays(bench: Benches, capsys: pytest.CaptureFixture[str], basic: bool) -> None:
    made = bench(estate=keyed())
    without = made.run(basic=basic).requests
    capsys.readouterr()
    assert run.check(made.settings(basic=basic, include=frozenset({Include.TOKENS}))) == 0
    said = capsys.readouterr().out
    told = dict(re.findall(r"(?:Include:|^) +([\w-]+): ([\d,]+(?: to [\d,]+)?) requests", said, re.MULTILINE))
    assert told.keys() == set(Include), said
    for include in Include:
        paid = made.run(basic=basic, include=frozenset({include})).requests - without
        least, _, most = told[include].partition(" to ")
        assert int(least) <= paid <= int(most or least), include
    whole = int(re.search(r"about ([\d,]+) requests", said)[1].replace(",", ""))  # type: ignore[index]
    assert run.check(made.settings(basic=basic)) == 0
    bare = int(re.search(r"about ([\d,]+) requests", capsys.readouterr().out)[1].replace(",", ""))  # type: ignore[index]
    assert whole - bare == int(told[Include.TOKENS])
    assert ("are not visible to this login" in said) is not basic


# --- what it may not see ----------------------------------------------------------------------------------------------


def states(ran: Ran) -> dict[str, str]:
    told = application(ran)["custom_properties"]
    return {include: told[include.replace("-", "_")] for include in Include}


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
    kinds = frozenset({"project-access-keys", "repository-access-keys", "repository-restrictions"})
    if fault == "missing":
        made = bench(ServerOptions(missing=kinds), estate=keyed())
    else:
        made = bench(None, [Fault("lost-right", match=kind) for kind in sorted(kinds)], keyed())
    ran = made.run(include=EVERYTHING, pace=replace(QUICK, project_concurrency=1, repo_concurrency=1))
    assert states(ran) == dict.fromkeys(Include, "collected") | {
        Include.ACCESS_KEYS: "not visible",
        Include.BRANCH_RESTRICTIONS: "not visible",
    }
    own = [path for path in asked(made, ran) if re.search(r"/rest/(keys|branch-permissions)/", path)]
    places = len(application(ran)["resources"]) + 2 * len(repositories(ran))
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
    made = bench(ServerOptions(missing=frozenset({"repository-branch-model"})), estate=estate)
    ran = made.run(include={Include.BRANCH_RESTRICTIONS})
    undecided = {str(r.id) for r in estate.repositories[1::4]}
    told = repositories(ran)
    assert {key for key, one in told.items() if "default_branch_protected" not in one} == undecided
    assert application(ran)["custom_properties"]["branch_restrictions"] == "collected"


def test_a_default_branch_that_is_not_told(bench: Benches) -> None:
    """It costs one request for each repository, and what it would have decided is absent."""
    estate = keyed()
    made = bench(ServerOptions(missing=frozenset({"repository-default-branch"})), estate=estate)
    ran = made.run(include={Include.BRANCH_RESTRICTIONS})
    told = repositories(ran)
    undecided = {str(r.id) for n, r in enumerate(estate.repositories) if n % 4 == 0 or n % 8 == 5}
    assert {key for key, one in told.items() if "default_branch_protected" not in one} == undecided
    assert sum("/default-branch" in path for path in asked(made, ran)) == len(undecided)
    assert application(ran)["custom_properties"]["branch_restrictions"] == "collected"


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "project-access-keys",
        "repository-access-keys",
        "project-tokens",
        "repository-tokens",
        "user-tokens",
        "user-ssh-keys",
        "user-gpg-keys",
        "repository-restrictions",
        "repository-default-branch",
        "repository-branch-model",
        "repository-settings",
    ],
)
def test_a_fault_that_stays_is_something_missing_and_the_next_run_asks_for_that_alone(
    bench: Benches, kind: str
) -> None:
    """Unlike a right that is lacking."""
    whole = bench(estate=keyed()).run(include=EVERYTHING)
    fault = Fault("error", match=kind, first=3)
    made = bench(None, [fault], keyed())
    ran = made.run(include=EVERYTHING, pace=ONCE)
    assert ran.code == 3, ran.error
    assert fault.struck
    assert not ran.pushed
    made.bitbucket.faults.remove(fault)
    before = len(made.bitbucket.requests)
    again = made.run(include=EVERYTHING)
    assert (again.code, again.raw) == (0, whole.raw)
    own = [r.path for r in made.bitbucket.requests[before:] if OWN_PATHS.search(r.path)]
    assert 0 < len(own) <= fault.struck


def test_under_allow_partial_the_application_says_that_a_kind_is_incomplete(bench: Benches) -> None:
    made = bench(None, [Fault("error", match="user-ssh-keys", first=5)], keyed())
    ran = made.run(include=EVERYTHING, pace=ONCE, allow_partial=True)
    assert ran.code == 3
    told = ran.payload["applications"][0]["custom_properties"]
    assert (told["ssh_keys"], told["gpg_keys"], told["collected"]) == ("incomplete", "collected", True)


@pytest.mark.parametrize("fault", ["revoked", "forgotten", "captcha"])
@pytest.mark.parametrize("kind", ["repository-tokens", "user-ssh-keys"])
def test_a_lost_login_is_no_lacking_right(bench: Benches, fault: str, kind: str) -> None:
    made = bench(None, [Fault(fault, match=kind, first=3)], keyed())
    ran = made.run(include=EVERYTHING)
    assert ran.code == 4, ran.error
    assert not ran.pushed


def test_what_is_deleted_meanwhile_takes_its_keys_along(bench: Benches) -> None:
    made = bench(None, [Fault("vanished", match="repository-tokens", first=5, times=2)], keyed())
    ran = made.run(include=EVERYTHING)
    assert len(repositories(ran)) == len(keyed().repositories) - 2
    resources = {resource for _, _, resource in held(ran)}
    known = {r["id"] for r in application(ran)["resources"]}
    known |= {f"{p['id']}.{r['id']}" for p in application(ran)["resources"] for r in p.get("sub_resources", ())}
    assert resources <= known
    assert len(credentials(ran, "access-key")) == len({a.key.id for p in places(keyed()) for a in p.access_keys}) - 2


def test_a_user_who_is_deleted_meanwhile(bench: Benches) -> None:
    made = bench(estate=keyed())
    gone = made.bitbucket.estate.users[7]
    original = made.bitbucket.estate.delete_user
    fault = Fault("slow", match="user-tokens", seconds=0.0)
    made.bitbucket.faults.append(fault)
    strikes = fault.strikes

    def first_deletes(route: Any, path: str) -> bool:
        struck = strikes(route, path)
        if struck and not gone.deleted:
            original(gone.name)
        return struck

    fault.strikes = first_deletes  # type: ignore[method-assign]
    ran = made.run(include={Include.TOKENS, Include.SSH_KEYS})
    assert states_of(ran, "tokens", "ssh_keys") == ["collected", "collected"]


def states_of(ran: Ran, *names: str) -> list[str]:
    told = application(ran)["custom_properties"]
    return [told[name] for name in names]


# --- the same bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 7, None], ids=lambda n: f"concurrency {n or 'auto'}")
@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
def test_any_concurrency_any_faults(bench: Benches, concurrency: int | None, basic: bool) -> None:
    """Pages of two rows, answers in an order of their own, and three requests in ten failing."""
    whole = bench(estate=keyed()).run(basic=basic, include=EVERYTHING)
    faults = three_in_ten(concurrency or 99)
    capacity = Capacity(slots=16, seconds=0.0005, seed=concurrency or 99)
    made = bench(ServerOptions(capacity=capacity, page_cap=2, dates_as_text=True), faults, keyed())
    ran = made.run(basic=basic, include=EVERYTHING, pace=replace(PATIENT, concurrency=concurrency))
    assert ran.code == 0, ran.error
    assert ran.raw == whole.raw
    assert len({fault.name for fault in faults if fault.struck}) == len(MIXED)


# --- resumed ----------------------------------------------------------------------------------------------------------


def test_a_run_that_was_killed_asks_nothing_twice_that_was_kept(bench: Benches) -> None:
    capacity = Capacity(slots=4, service="fixed", seconds=0.01)
    made = bench(ServerOptions(capacity=capacity), estate=keyed())
    whole = bench(estate=keyed()).run(include=EVERYTHING)
    process = Process(made, first=QUICK_JOURNAL, OAA_CONCURRENCY="4", OAA_INCLUDE=" ".join(EVERYTHING))
    process.until_requests(300)
    assert process.killed().code == -9
    process.until_served()
    capacity.seconds = 0.0
    first = len(made.bitbucket.requests)
    ran = made.run(include=EVERYTHING)
    assert (ran.code, ran.raw) == (0, whole.raw)
    assert first + ran.requests < whole.requests + 100, "what was kept was not asked for again"


def test_a_journal_of_a_run_with_other_kinds_is_not_taken_up(bench: Benches, truth: Ran) -> None:
    made = bench(estate=keyed())
    made.veza.fail("refused")
    assert made.run(include=EVERYTHING).code == 5
    ran = made.run()
    assert (ran.code, ran.raw) == (0, truth.raw)


# --- no key leaves ----------------------------------------------------------------------------------------------------


def texts(estate: Estate) -> list[bytes]:
    """The heart of each key: the base64 of its last bytes, as it stands in an answer, and the bytes themselves."""
    keys = [access.key for place in places(estate) for access in place.access_keys]
    keys += [key for user in estate.users for key in user.ssh_keys]
    assert all(isinstance(key, SshKey) for key in keys)
    found = [key.text.split()[1].encode()[-30:] for key in keys]
    found += [base64.b64decode(key.text.split()[1])[-20:] for key in keys]
    found += [line.encode() for user in estate.users for key in user.gpg_keys for line in key.text.splitlines()[2:4]]
    return found


def unpacked(journal: Path) -> bytes:
    with closing(sqlite3.connect(journal)) as connection:
        return b"".join(zlib.decompress(body) for (body,) in connection.execute("SELECT body FROM batch"))


@pytest.mark.parametrize("version", ["9.4.0", "7.21.0"], ids=["with fingerprints", "texts only"])
def test_no_text_of_a_key_is_kept_or_shown(bench: Benches, tmp_path: Path, version: str) -> None:
    estate = keyed()
    made = bench(ServerOptions(version=version), estate=estate)
    made.veza.fail("refused")
    end = ended(made, "--save-json", str(tmp_path / "saved.json"), OAA_DEBUG="1", OAA_INCLUDE=",".join(EVERYTHING))
    assert end.code == 5
    journal = state_paths(made.state, made.bitbucket.url, made.settings().login).journal
    assert journal.exists()
    left = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    left |= {"out": end.out.encode(), "err": end.err.encode(), "journal, unpacked": unpacked(journal)}
    fingerprint = SHARED.fingerprint.encode()
    assert fingerprint in left["journal, unpacked"]
    assert fingerprint in left["saved.json"]
    for name, content in left.items():
        for text in texts(estate):
            assert text not in content, name
