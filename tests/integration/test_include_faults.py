"""`--include` when things go wrong: faults, kills, what is deleted meanwhile; and no key is kept."""

import base64
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.demo.credentials import ModelSshKey
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.settings import Include
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Bench, Ran, serving
from tests.integration.keyed import (
    EVERYTHING,
    OWN_PATHS,
    SHARED,
    application,
    credentials,
    held,
    keyed,
    places,
    repositories,
    states_of,
)
from tests.integration.process import QUICK_JOURNAL, Process, ended
from tests.integration.test_same_bytes import MIXED, PATIENT, three_in_ten
from tests.servers import Fault, RiggedBitbucket, RiggedOptions
from tests.servers.capacity import Capacity
from tests.servers.changes import delete_user
from tests.servers.veza import RiggedVeza

pytestmark = pytest.mark.usefixtures("short_probe_delays")

Whole = Callable[[bool], Ran]
ONCE = replace(QUICK, max_attempts=1)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """`whole(basic)`: a run in which nothing went wrong."""

    @cache
    def run(basic: bool) -> Ran:
        with RiggedVeza() as veza, serving(RiggedBitbucket(keyed())) as server:
            ran = Bench(server, veza, tmp_path_factory.mktemp("whole")).run(basic=basic, include=EVERYTHING)
        assert ran.code == 0, ran.error
        return ran

    return run


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    first(
        *("project-access-keys", "user-tokens", "repository-restrictions", "repository-branch-model"),
        of=[
            *("project-access-keys", "repository-access-keys", "project-tokens", "repository-tokens", "user-tokens"),
            *("user-ssh-keys", "user-gpg-keys", "repository-restrictions", "repository-default-branch"),
            *("repository-branch-model", "repository-settings"),
        ],
    ),
)
def test_a_fault_that_stays_is_something_missing_and_the_next_run_asks_for_that_alone(
    bench: Benches, whole: Whole, kind: str
) -> None:
    """Unlike a right that is lacking."""
    fault = Fault("error", match=kind, first=3)
    made = bench(None, [fault], keyed())
    ran = made.run(include=EVERYTHING, pace=ONCE)
    assert ran.code == 3, ran.error
    assert fault.struck
    assert not ran.pushed
    made.bitbucket.faults.remove(fault)
    before = len(made.bitbucket.requests)
    again = made.run(include=EVERYTHING)
    assert (again.code, again.raw) == (0, whole(True).raw)
    own = [(r.path, r.query) for r in made.bitbucket.requests[before:] if OWN_PATHS.search(r.path)]
    answered = {(r.path, r.query) for r in made.bitbucket.requests[:before] if r.status in (200, 401, 404)}
    assert own
    assert not answered.intersection(own)


def test_what_an_answer_leaves_open_is_asked_also_if_it_took_a_second_round(bench: Benches, whole: Whole) -> None:
    """Which branch is the default one is asked only where the restrictions leave it open."""
    fault = Fault("error", match="repository-restrictions", times=7)
    ran = bench(None, [fault], keyed()).run(include=EVERYTHING, pace=ONCE)
    assert fault.struck == 7
    assert (ran.code, ran.raw) == (0, whole(True).raw)


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
    fault = Fault("slow", match="user-tokens", seconds=0.0)
    made.bitbucket.faults.append(fault)
    strikes = fault.strikes

    def first_deletes(route: Any, path: str) -> bool:
        struck = strikes(route, path)
        if struck and not gone.deleted:
            delete_user(made.bitbucket.estate, gone.name)
        return struck

    fault.strikes = first_deletes  # type: ignore[method-assign]
    ran = made.run(include={Include.TOKENS, Include.SSH_KEYS})
    assert states_of(ran, "tokens", "ssh_keys") == ["collected", "collected"]


# --- the same bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("concurrency", "basic"),
    [(1, True), (7, False), (None, True), (None, False)],
    ids=["1, basic", "7, token", "auto, basic", "auto, token"],
)
def test_any_concurrency_any_faults(bench: Benches, whole: Whole, concurrency: int | None, basic: bool) -> None:
    """Pages of two rows, answers in an order of their own, and three requests in ten failing."""
    faults = three_in_ten(concurrency or 99)
    capacity = Capacity(slots=16, seconds=0.0005, seed=concurrency or 99)
    made = bench(RiggedOptions(capacity=capacity, page_cap=2, dates_as_text=True), faults, keyed())
    ran = made.run(basic=basic, include=EVERYTHING, pace=replace(PATIENT, concurrency=concurrency))
    assert ran.code == 0, ran.error
    assert ran.raw == whole(basic).raw
    assert len({fault.name for fault in faults if fault.struck}) == len(MIXED)


# --- resumed ----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_run_that_was_killed_asks_nothing_twice_that_was_kept(bench: Benches, whole: Whole) -> None:
    capacity = Capacity(slots=4, service="fixed", seconds=0.01)
    made = bench(RiggedOptions(capacity=capacity), estate=keyed())
    process = Process(made, first=QUICK_JOURNAL, OAA_CONCURRENCY="4", OAA_INCLUDE=" ".join(EVERYTHING))
    process.until_requests(300)
    assert process.killed().code == -9
    process.until_served()
    capacity.seconds = 0.0
    first = len(made.bitbucket.requests)
    ran = made.run(include=EVERYTHING)
    assert (ran.code, ran.raw) == (0, whole(True).raw)
    assert first + ran.requests < whole(True).requests + 100, "what was kept was not asked for again"


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
    assert all(isinstance(key, ModelSshKey) for key in keys)
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
    made = bench(RiggedOptions(version=version), estate=estate)
    made.veza.fail("refused")
    end = ended(made, "--save-json", str(tmp_path / "saved.json"), OAA_DEBUG="1", OAA_INCLUDE=",".join(EVERYTHING))
    assert end.code == 5
    journal = paths_of(replace(made.settings(), include=EVERYTHING)).journal
    assert journal.exists()
    left = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    left |= {"out": end.out.encode(), "err": end.err.encode(), "journal, unpacked": unpacked(journal)}
    fingerprint = SHARED.fingerprint.encode()
    assert fingerprint in left["journal, unpacked"]
    assert fingerprint in left["saved.json"]
    for name, content in left.items():
        for text in texts(estate):
            assert text not in content, name
