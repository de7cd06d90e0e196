"""Nothing is lost: a run that was cut off is taken up, and what comes of it is what an unbroken run makes."""

import asyncio
import contextlib
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal.store import Header, open_store
from oaa_bitbucket_async.collect.kinds import subject_of
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelRepository, ModelUser
from oaa_bitbucket_async.run.collection import how_to_go_on
from oaa_bitbucket_async.run.collection import journal_of as opened_journal
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Scope, State
from tests.collect.instance import CAPABILITIES
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Bench, Ran
from tests.integration.process import QUICK_JOURNAL, Process, ended
from tests.servers import Fault, LoggedRequest, RiggedOptions
from tests.servers.capacity import Capacity
from tests.servers.changes import delete_group, delete_project, delete_repository, move_repository

ONCE = replace(QUICK, max_attempts=1)
"""A fault is not asked again in the same round, so that it takes few requests to make a run incomplete."""


def preflight(bench: Bench) -> list[str]:
    """Paths that every run asks, whatever it has in its journal: preflight, listings and global permissions."""
    state = State(directory=bench.state / "preflight")
    bench.veza.fail("refused")
    assert bench.run(state=state).code == 5
    ran = bench.run(state=state, dry_run=True)
    assert ran.code == 0, ran.error
    return asked(bench.bitbucket.requests[-ran.requests :])


def asked(requests: Sequence[LoggedRequest]) -> list[str]:
    """But for what is asked as nobody, about public access, at the end of a crawl."""
    return [f"{r.path}?{r.query}" for r in requests if r.user]


def journal_of(bench: Bench, login: Login | None = None) -> Path:
    settings = bench.settings()
    return paths_of(settings if login is None else replace(settings, login=login)).journal


def journals(bench: Bench) -> list[Path]:
    """All files of a journal, set aside or not, that are left in the state folder."""
    return sorted(path for path in bench.state.glob("*journal*"))


def cut_off(bench: Bench, match: str = "repository-groups", first: int = 20) -> Ran:
    """A run that ends with exit code 3: what `match` says is missing but for the `first` of it."""
    fault = Fault("lost-right", match=match, first=first)
    bench.bitbucket.faults.append(fault)
    ran = bench.run(pace=ONCE)
    bench.bitbucket.faults.remove(fault)
    assert ran.code == 3, ran.error
    assert fault.struck
    assert journal_of(bench).exists()
    return ran


def truth(bench: Bench) -> Ran:
    """What an unbroken run makes of the same server, leaving the bench's own state alone."""
    settings = bench.settings(state=State(directory=bench.state / "elsewhere", resume=False, keep_last=False))
    ran = bench.run(settings)
    assert ran.code == 0, ran.error
    return ran


# --- killed -----------------------------------------------------------------------------------------------------------


def kept_units(path: Path, copy: Path) -> int:
    """How many answers a journal holds that the next run does not ask for again. Reads a copy, log included."""
    if not path.exists():
        return 0
    copy.mkdir()
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(f"{path}{suffix}", copy / f"copy{suffix}")
    with contextlib.closing(sqlite3.connect(copy / "copy")) as connection:
        [(header,)] = connection.execute("SELECT body FROM header").fetchall()
    fingerprint = msgspec.json.decode(header, type=Header).fingerprint
    opened = open_store(copy / "copy", fingerprint=fingerprint, resume=True, now=time.time())
    assert opened.set_aside is None
    found = [item.unit for n in range(opened.store.verified) for item in opened.store.replay(n) if item.last]
    count = sum(unit.kind is kinds.MEMBERS or subject_of(unit) is not None for unit in found)
    opened.store.close()
    return count


@pytest.mark.thorough
@pytest.mark.parametrize(("seed", "options"), [(1, {}), (2, {"page_cap": 7, "version": "8.9.0"})])
def test_kills_and_a_run_to_the_end(bench: Benches, tmp_path: Path, seed: int, options: dict[str, int | str]) -> None:
    capacity = Capacity(slots=4, service="fixed", seconds=0.0)
    made = bench(RiggedOptions(capacity=capacity, **options))  # type: ignore[arg-type]
    unbroken = truth(made)
    before_the_crawl = len(preflight(made))
    capacity.seconds = 0.02
    rng = random.Random(seed)
    log, pushed = made.bitbucket.requests, made.veza.pushed
    uploads, began = len(pushed), len(log)
    kept, lost = [0], 0
    for number in range(kills := 5):
        before = len(log)
        process = Process(made, first=QUICK_JOURNAL, OAA_CONCURRENCY="4")
        process.until_requests(before + rng.randrange(before_the_crawl // 2, before_the_crawl + 25))
        assert process.killed().code == -9
        process.until_served()
        kept.append(kept_units(journal_of(made), tmp_path / f"copy {number}"))
        crawled = max(0, len(log) - before - before_the_crawl)
        assert kept[-1] >= kept[-2], "what was kept once stays"
        lost += crawled - (kept[-1] - kept[-2])
    assert len(pushed) == uploads, "a run that was killed has uploaded nothing"
    assert kept[-1] > 0
    before = len(log)
    last = ended(made, first=QUICK_JOURNAL, OAA_CONCURRENCY="4")
    assert last.code == 0, last.err
    last.said(f"{kept[-1]} answers are reused")
    assert len(pushed) == uploads + 1
    assert made.neutral(pushed[-1].raw) == unbroken.raw[0]
    assert not journals(made)
    if not options:  # one page, one unit, one request: what was lost is what was answered and not yet on the disk
        assert len(log) - before == unbroken.requests - kept[-1]
        assert len(log) - began <= unbroken.requests + kills * before_the_crawl + lost


# --- not trusted ------------------------------------------------------------------------------------------------------

Spoil = Callable[[Path], None]


def _garbage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\0" * 400
    path.write_bytes(bytes(content))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _no_database(path: Path) -> None:
    path.write_bytes(b"<html>not a journal</html>")


def _other_layout(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute('UPDATE header SET body = CAST(replace(body, \'"layout":"\', \'"layout":"0\') AS BLOB)')
    connection.close()


def _another_row(path: Path) -> None:
    """Somebody changed what was answered: a forged grant must not be uploaded."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE batch SET body = CAST(body || x'00' AS BLOB) WHERE number = 0")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_garbage, "damaged"),
        (_cut, "damaged"),
        (_no_database, "damaged"),
        (_other_layout, "another version of the journal"),
        (_another_row, "damaged"),
    ],
)
def test_a_journal_that_is_not_sound_is_set_aside(
    bench: Benches, capsys: pytest.CaptureFixture[str], spoil: Spoil, words: str
) -> None:
    made = bench()
    unbroken = truth(made)
    cut_off(made)
    spoil(journal_of(made))
    capsys.readouterr()
    ran = made.run()
    assert ran.code == 0, ran.error
    assert (ran.raw, ran.requests) == (unbroken.raw, unbroken.requests)
    said = capsys.readouterr().err
    assert "is not used" in said
    assert words in said
    assert not journals(made)


def test_a_run_with_other_settings_leaves_the_journal_alone(bench: Benches) -> None:
    made = bench()
    unbroken = truth(made)
    cut_off(made)
    one = made.bitbucket.estate.projects[0].key
    limited = made.run(scope=Scope(exclude_projects=(one,)), dry_run=True)
    assert limited.code == 0, limited.error
    ran = made.run()
    assert (ran.code, ran.raw) == (0, unbroken.raw)
    assert ran.requests < unbroken.requests, "it goes on from the one that was cut off"


def test_a_journal_of_another_user_is_set_aside(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tokens, one name for the journal: only the server tells that they are two people's."""
    made = bench()
    estate = made.bitbucket.estate
    other = next(u.name for u in estate.users if u.active and not u.deleted and u.name != made.bitbucket.user)
    estate.global_users.append(ModelGrant(other, "SYS_ADMIN"))
    estate.changed()
    made.bitbucket.add_account(other, token="another token")
    unbroken = made.run(basic=False)
    mine = made.settings(basic=False)
    theirs = made.settings(login=Login(secret=Secret("another token")))
    fault = Fault("lost-right", match="repository-groups")
    made.bitbucket.faults.append(fault)
    assert made.run(replace(mine, pace=ONCE)).code == 3
    made.bitbucket.faults.clear()
    capsys.readouterr()
    ran = made.run(theirs)
    assert (ran.code, ran.requests) == (0, unbroken.requests)
    assert ran.raw == unbroken.raw
    assert "other settings (user)" in capsys.readouterr().err


def test_basic_and_token_keep_their_journals_apart(bench: Benches) -> None:
    made = bench()
    cut_off(made)
    mine = journal_of(made).read_bytes()
    assert made.run(basic=False).code == 0
    assert journal_of(made).read_bytes() == mine


def test_answers_that_are_too_old_are_asked_for_again(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    unbroken = truth(made)
    cut_off(made)
    capsys.readouterr()
    ran = made.run(state=State(directory=made.state, resume_window=1e-6))
    assert (ran.code, ran.raw, ran.requests) == (0, unbroken.raw, unbroken.requests)
    assert "resume window" in capsys.readouterr().err


def test_no_resume_begins_anew(bench: Benches) -> None:
    made = bench()
    unbroken = truth(made)
    cut_off(made)
    ran = made.run(state=State(directory=made.state, resume=False))
    assert (ran.code, ran.raw, ran.requests) == (0, unbroken.raw, unbroken.requests)
    assert not journals(made)


def test_behind_a_proxy_that_strips_the_name_nothing_is_resumed(bench: Benches) -> None:
    """A page of before the login was lost can't be told there from one of after it."""
    made = bench(RiggedOptions(strip_username_header=True))
    unbroken = truth(made)
    cut_off(made)
    ran = made.run()
    assert (ran.code, ran.raw, ran.requests) == (0, unbroken.raw, unbroken.requests)


def test_a_state_folder_that_can_not_be_written_costs_only_the_resume(
    bench: Benches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bench()
    unbroken = truth(made)
    (tmp_path / "file").write_text("no folder")
    ran = made.run(state=State(directory=tmp_path / "file"))
    assert (ran.code, ran.raw) == (0, unbroken.raw)
    assert "can't be used" in capsys.readouterr().err


# --- taken up ---------------------------------------------------------------------------------------------------------


def test_after_exit_3_only_what_was_missing_is_asked(bench: Benches) -> None:
    made = bench()
    unbroken = truth(made)
    before_the_crawl = preflight(made)
    first = cut_off(made, first=25)
    assert first.error is not None
    missing = int(first.error.message.split()[0])
    assert missing > 5
    ran = made.run()
    assert (ran.code, ran.raw) == (0, unbroken.raw)
    paths = asked(made.bitbucket.requests[-ran.requests :])
    again = [path for path in paths if re.search("/repos/.*/permissions/groups", path)]
    assert len(again) == missing
    listings = sorted(path for path in paths if path not in again)  # they are asked at one time, in any order
    assert listings == sorted(before_the_crawl)
    assert not journals(made)


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("admin/users", 2),
        ("/repos", 2),
        pytest.param("admin/groups", 1, marks=pytest.mark.thorough),
        pytest.param("/projects", 0, marks=pytest.mark.thorough),
    ],
)
def test_after_exit_3_a_listing_that_was_missing_is_asked(bench: Benches, path: str, first: int) -> None:
    """`first` pages of it are in the journal, and don't count."""
    made = bench(RiggedOptions(page_cap=7))
    unbroken = truth(made)
    fault = Fault("stuck-paging", match=rf"{path}\?.*limit=1000", first=first)
    made.bitbucket.faults.append(fault)
    assert made.run(pace=ONCE).code == 3
    made.bitbucket.faults.clear()
    ran = made.run()
    assert (ran.code, ran.raw) == (0, unbroken.raw)
    assert ran.requests < unbroken.requests


def test_after_exit_5_push_finishes_the_job(bench: Benches) -> None:
    made = bench()
    unbroken = truth(made)
    made.veza.fail("rejected")
    ran = made.run()
    assert ran.code == 5
    assert ran.error is not None
    [kept] = [path for path in made.state.iterdir() if path.name.endswith(".json.gz")]
    assert str(kept) in ran.error.advice
    before, pushed = len(made.bitbucket.requests), len(made.veza.pushed)
    finished = ended(made, "push", str(kept))
    assert finished.code == 0, finished.err
    assert len(made.bitbucket.requests) == before, "Bitbucket is not asked again"
    assert [made.neutral(p.raw) for p in made.veza.pushed[pushed:]] == unbroken.raw


def test_after_exit_5_a_run_uploads_without_another_crawl(bench: Benches) -> None:
    made = bench()
    unbroken = truth(made)
    before_the_crawl = preflight(made)
    made.veza.fail("refused")
    assert made.run().code == 5
    ran = made.run()
    assert (ran.code, ran.raw) == (0, unbroken.raw)
    assert sorted(asked(made.bitbucket.requests[-ran.requests :])) == sorted(before_the_crawl)


# --- the instance changes between two runs ----------------------------------------------------------------------------


def alone(estate: Estate) -> tuple[ModelUser, ModelGroup, ModelRepository]:
    """A user and a group that only the grants on one repository show: no listing does."""
    repository = estate.repositories[-1]
    number = max(user.id for user in estate.users) + 1
    user = ModelUser(number, "leaver", deleted=True, active=False)
    estate.users.append(user)
    repository.user_grants.append(ModelGrant("leaver", "REPO_WRITE"))
    repository.group_grants.append(ModelGrant("dissolved", "REPO_READ"))
    estate.changed()
    return user, ModelGroup("dissolved"), repository


def names(ran: Ran, what: str) -> set[str]:
    application = ran.payload["applications"][0]
    if what == "repositories":
        return {r["id"] for project in application["resources"] for r in project.get("sub_resources", [])}
    return {entry["name"] for entry in application[what]}


def test_what_only_a_deleted_repository_showed_goes_with_it(bench: Benches) -> None:
    """Its users' grants are in the journal, its groups' are still to be asked: by then it is gone."""
    made = bench()
    _, _, repository = alone(made.bitbucket.estate)
    path = f"/projects/{repository.project.key}/repos/{repository.slug}/permissions/groups"
    first = cut_off(made, match=path, first=0)
    assert first.error is not None
    assert "1 parts" in first.error.message
    delete_repository(made.bitbucket.estate, repository.project.key, repository.slug)
    ran = made.run()
    assert ran.code == 0, ran.error
    assert str(repository.id) not in names(ran, "repositories")
    assert "leaver" not in names(ran, "local_users")
    assert ran.raw == truth(made).raw


def test_a_project_deleted_between_two_runs_takes_its_repositories_along(bench: Benches) -> None:
    made = bench()
    project = next(p for p in made.bitbucket.estate.projects if made.bitbucket.estate.repositories_of(p))
    cut_off(made, match=f"/projects/{project.key}/permissions/groups", first=0)
    delete_project(made.bitbucket.estate, project.key)
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth(made).raw


def test_a_group_deleted_between_two_runs_keeps_only_its_grants(bench: Benches) -> None:
    made = bench()
    group = next(g for g in made.bitbucket.estate.groups if g.members and g.name != "stash-users")
    cut_off(made, match="more-members", first=0)
    delete_group(made.bitbucket.estate, group.name)
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth(made).raw


def test_a_repository_moved_between_two_runs_is_followed(bench: Benches) -> None:
    made = bench()
    estate = made.bitbucket.estate
    repository = estate.repositories[0]
    target = next(p for p in estate.projects if p is not repository.project and p.type == "NORMAL")
    cut_off(made, match=f"/repos/{repository.slug}/permissions/groups", first=0)
    move_repository(estate, repository.project.key, repository.slug, to_key=target.key, to_slug="moved-away")
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth(made).raw


def test_what_appears_before_a_missing_listing_is_read_is_there(bench: Benches) -> None:
    """A listing that the first run could not end is read by the second, with all that has come and gone since."""
    made = bench()
    estate = made.bitbucket.estate
    gone = estate.repositories[3]
    cut_off(made, match=r"/repos\?archived", first=0)
    delete_repository(estate, gone.project.key, gone.slug)
    number = max(r.id for r in estate.repositories) + 1
    estate.repositories.append(
        ModelRepository(
            number, estate.projects[0], "brand-new", group_grants=[ModelGrant(estate.groups[0].name, "REPO_WRITE")]
        )
    )
    estate.changed()
    ran = made.run()
    assert ran.code == 0, ran.error
    assert str(number) in names(ran, "repositories")
    assert ran.raw == truth(made).raw


# --- what is promised -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing", "asks only for what is missing"),
        ("no resume", "asks for everything again, because resuming is off"),
        ("no name", "asks for everything again, because answers lack the X-AUSERNAME header"),
    ],
)
def test_a_resume_is_promised_only_where_there_will_be_one(bench: Benches, what: str, words: str) -> None:
    fault = Fault("error", match="repository-users", first=35)
    made = bench(RiggedOptions(strip_username_header=what == "no name"), [fault])
    settings = made.settings(pace=ONCE)
    if what == "no resume":
        settings = replace(settings, state=replace(settings.state, resume=False))
    ran = made.run(settings)
    assert ran.code == 3
    assert ran.error is not None
    assert words in ran.error.advice
    fault.times = 0
    again = made.run(settings)
    assert again.code == 0, again.error
    assert (again.requests < ran.requests / 2) == (what == "nothing")


def test_a_resume_is_not_promised_if_the_journal_failed(bench: Benches, tmp_path: Path) -> None:
    settings = bench().settings()
    (tmp_path / "file").write_bytes(b"")

    async def main() -> tuple[str, str]:
        async with opened_journal(settings, CAPABILITIES, tmp_path / "file" / "x.journal", 0.0) as failed:
            without = how_to_go_on(settings, CAPABILITIES, failed)
        async with opened_journal(settings, CAPABILITIES, tmp_path / "x.journal", 0.0) as journal:
            return without, how_to_go_on(settings, CAPABILITIES, journal)

    without, with_journal = asyncio.run(main())
    assert "may ask for everything again, because the answers could not be kept in --state-dir" in without
    assert "continues from here" in with_journal
