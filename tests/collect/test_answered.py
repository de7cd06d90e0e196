"""What an incremental run knows of its base: as a dictionary would, in a fraction of the memory."""

import tracemalloc
from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.answered import Answered
from oaa_bitbucket_async.collect.incremental.index import BaseIndex
from oaa_bitbucket_async.collect.journal import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from tests.examples import examples

KINDS = (kinds.REPOSITORY_USERS, kinds.REPOSITORY_GROUPS, kinds.PROJECT_USERS, kinds.MEMBERS)
UNITS = st.builds(Unit, st.sampled_from(KINDS), st.integers(1, 9).map(str))
PATHS = st.sampled_from(["A/b", "A/c", "B"])
MANY = 20_000


@given(st.dictionaries(UNITS, PATHS), st.lists(UNITS))
@examples(100)
def test_answered_is_a_dictionary(given_paths: dict[Unit, str], asked: list[Unit]) -> None:
    have = Answered()
    for unit, path in given_paths.items():
        have.add(unit, path)
    left = dict(given_paths)
    for unit in asked:
        assert have.get(unit, "none") == left.get(unit, "none")
        assert have.discard(unit) == (left.pop(unit, None) is not None)
        assert set(have) == left.keys()
        assert len(have) == len(left)


@given(st.lists(st.tuples(UNITS, st.floats(0, 100))))
@examples(100)
def test_the_oldest_answer_about_a_subject_counts(found: list[tuple[Unit, float]]) -> None:
    index = BaseIndex()
    oldest: dict[kinds.Subject, float] = {}
    for unit, at in found:
        index.add(Replayed(unit, (), at, "A/b", last=True))
        if (subject := subject_of(unit)) is not None:
            oldest[subject] = min(at, oldest.get(subject, at))
    assert dict(index.read_at) == oldest
    assert len(index.read_at) == len(oldest)
    assert all(subject in index.read_at for subject in oldest)
    assert kinds.Subject("repository", 77) not in index.read_at


def test_the_last_row_of_a_repository_tells_its_project() -> None:
    index = BaseIndex()
    for project in (2, 1):
        row = rows.Repository(id=5, slug="a", name="a", project=rows.Project(id=project, key="A", name="A"))
        index.add(Replayed(Unit(kinds.REPOSITORIES), (row,), 1.0, "", last=True))
    assert index.project_of(5) == 1
    assert index.project_of(6) is None


def test_a_repository_takes_little_memory() -> None:
    """Dictionaries with objects for each unit take two to five times as much."""

    def units() -> Iterator[Replayed]:
        for number in range(MANY):
            path = f"PROJECT/repository-{number}"
            yield Replayed(Unit(kinds.REPOSITORY_USERS, str(number)), (), 1e9 + number, path, last=True)
            yield Replayed(Unit(kinds.REPOSITORY_GROUPS, str(number)), (), 1e9 + number, path, last=True)

    def taken(add: Callable[[Replayed], object]) -> float:
        tracemalloc.start()
        for item in units():
            add(item)
        found = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return found / MANY

    have, index = Answered(), BaseIndex()
    assert taken(lambda item: have.add(item.unit, item.place)) < 200
    assert taken(index.add) < 60
