"""Rows of every kind come back equal, whatever they hold."""

import asyncio
import tempfile
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.branch_permissions import BranchModel, DefaultBranch, MergeChecks, Restriction
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, GpgKey, SshKey, Token
from oaa_bitbucket_async.bitbucket.default_reviewers import ReviewCondition
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal.records import Packer
from oaa_bitbucket_async.collect.kinds import AnyRow, Unit
from tests.examples import examples
from tests.journal.estate import NOW, Told, found_in, open_at, run, tell

ids = st.integers(0, 2**45)
numbers = st.integers(-(2**53), 2**53)
text = st.text(max_size=12)
names = st.text(min_size=1, max_size=12)
users = st.builds(
    rows.User,
    id=ids,
    name=names,
    slug=text,
    display_name=text,
    email_address=st.none() | text,
    active=st.booleans(),
    type=text,
    directory_name=st.none() | text,
    last_authentication_timestamp=st.none() | numbers,
    created_timestamp=st.none() | numbers,
)
groups = st.builds(rows.Group, name=names)
projects = st.builds(
    rows.Project,
    id=ids,
    key=names,
    name=text,
    type=text,
    public=st.booleans(),
    description=st.none() | text,
    owner=st.none() | users,
)
repositories = st.builds(
    rows.Repository,
    id=ids,
    slug=names,
    name=text,
    project=projects,
    public=st.booleans(),
    archived=st.booleans(),
    forkable=st.booleans(),
    state=text,
    description=st.none() | text,
    origin=st.none() | st.builds(rows.Origin, id=st.none() | numbers),
)
times = st.none() | numbers
ssh = {
    "id": ids,
    "label": text,
    "fingerprint": text,
    "algorithm": text,
    "bits": times,
    "created": times,
    "expires": times,
    "last_used": times,
}
OF: dict[type[AnyRow], st.SearchStrategy[AnyRow]] = {
    rows.User: users,
    rows.Group: groups,
    rows.UserGrant: st.builds(rows.UserGrant, user=users, permission=names),
    rows.GroupGrant: st.builds(rows.GroupGrant, group=groups, permission=names),
    rows.Permitted: st.builds(rows.Permitted, permitted=st.booleans()),
    rows.Project: projects,
    rows.Repository: repositories,
    SshKey: st.builds(SshKey, **ssh),
    AccessKey: st.builds(AccessKey, **ssh, permission=names),
    Token: st.builds(
        Token,
        id=names,
        name=text,
        created=times,
        expires=times,
        last_used=times,
        permissions=st.lists(text, max_size=3).map(tuple),
    ),
    GpgKey: st.builds(GpgKey, id=names, fingerprint=text, email=text, expires=times),
    Restriction: st.builds(
        Restriction,
        kind=names,
        matcher=text,
        matched=text,
        active=st.booleans(),
        users=st.lists(ids, max_size=3).map(tuple),
        groups=st.lists(text, max_size=3).map(tuple),
        keys=st.lists(ids, max_size=3).map(tuple),
    ),
    DefaultBranch: st.builds(DefaultBranch, id=names),
    BranchModel: st.builds(
        BranchModel,
        roles=st.lists(st.tuples(names, st.none() | names), max_size=2).map(tuple),
        prefixes=st.lists(st.tuples(names, names), max_size=2).map(tuple),
    ),
    ReviewCondition: st.builds(
        ReviewCondition, source=text, target=text, approvals=numbers, reviewers=st.lists(names, max_size=3).map(tuple)
    ),
    MergeChecks: st.builds(
        MergeChecks,
        approvals=times,
        builds=times,
        all_approvers=st.none() | st.booleans(),
        all_tasks=st.none() | st.booleans(),
    ),
}


@st.composite
def anything_told(draw: st.DrawFn) -> Told:
    kind = draw(st.sampled_from(kinds.ALL))
    pages = st.lists(st.lists(OF[kind.row], max_size=4).map(tuple), min_size=1, max_size=3).map(tuple)
    return Told(Unit(kind, draw(text)), draw(pages), draw(st.floats(NOW - 3600, NOW)), draw(text))


def test_every_kind_of_unit_has_its_rows() -> None:
    assert set(OF) == {kind.row for kind in kinds.ALL}


@examples(60)
@given(st.lists(anything_told(), max_size=12, unique_by=lambda t: t.unit))
def test_what_was_told_comes_back(everything_told: list[Told]) -> None:
    async def test() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "j"
            journal = await open_at(path)
            for what in everything_told:
                tell(journal, what)
                if len(what.pages) == 2:
                    await journal.flush()
            await journal.close()
            assert await found_in(path) == everything_told
            await written_again(path, everything_told)

    async def written_again(path: Path, before: list[Told]) -> None:
        """A second run that meets the same users must not number them anew."""
        journal = await open_at(path)
        more = [t._replace(unit=Unit(t.unit.kind, f"{t.unit.key} again")) for t in before]
        for what in more:
            tell(journal, what)
        await journal.close()
        found = await found_in(path)
        assert found[: len(before)] == before
        assert sorted(map(repr, found[len(before) :])) == sorted(map(repr, more))

    run(test)


def test_a_user_is_written_once() -> None:
    packer = Packer()
    who = rows.User(1, "some-user", display_name="Some User", email_address="some.user@example.com")

    def batch() -> bytes:
        packer.add(Unit(kinds.REPOSITORY_USERS, "1"), "done", [rows.UserGrant(who, "REPO_READ")] * 100, NOW, "A/b")
        return packer.take()

    assert batch().count(b"some.user@example.com") == 1
    assert batch().count(b"some.user@example.com") == 0


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_a_grant_of_a_user_that_the_journal_does_not_hold_is_damage(number: int) -> None:
    body = msgspec.msgpack.encode(
        (
            [msgspec.Raw(msgspec.msgpack.encode((1, "a", "", "", None, True, "", None, None, None)))],
            [("repository-users", "1", "done", NOW, "A/b", [(number, "REPO_READ")])],
        )
    )
    packer = Packer()
    batch = packer.unpack(body)
    (record,) = batch.records
    packer.check_people(batch.people, to_write=True)
    with pytest.raises(IndexError):
        packer.check(record)
    packer.take_people(batch.people)
    with pytest.raises(IndexError):
        packer.decode(record)


def test_replaying_takes_no_more_memory_for_more_units(tmp_path: Path) -> None:
    """Users are held once; units pass through."""

    async def peak(repositories: int) -> int:
        path = tmp_path / str(repositories)
        journal = await open_at(path)
        for number in range(repositories):
            grants = [rows.UserGrant(rows.User(i, f"user{i}"), "REPO_READ") for i in range(number % 50, 60)]
            journal.done(Unit(kinds.REPOSITORY_USERS, str(number)), grants, NOW)
            await journal.ready()
        await journal.close()
        tracemalloc.start()
        journal = await open_at(path)
        count = 0
        async for _ in journal.replay():
            count += 1
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == repositories
        await journal.discard()
        return highest

    async def test() -> None:
        assert await peak(2400) < 1.25 * await peak(600)

    asyncio.run(test())
