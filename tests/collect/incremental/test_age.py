"""What is asked again by age: nothing is ever too old, and each run asks about as much."""

from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.incremental.age import due_by_age
from tests.examples import examples

HOUR, DAY = 3600.0, 86_400.0


def due(read_at: dict[int, float], now: float, *, bound: float = DAY, since: float = HOUR) -> set[int]:
    return due_by_age(read_at, now=now, max_age=DAY, bound=bound, since_last_run=since)


def test_the_oldest_are_asked_as_many_as_the_time_allows() -> None:
    read_at = {number: float(number) for number in range(48)}
    assert due(read_at, 100.0) == {0, 1}
    assert due(read_at, 100.0, since=12 * HOUR) == set(range(24))
    assert due(read_at, 100.0, since=9 * DAY) == set(range(48))
    assert due(read_at, 100.0, since=0.0) == set()
    assert due(read_at, 100.0, since=-HOUR) == set(), "our clock was set back"


def test_what_has_more_answers_counts_for_more() -> None:
    """Four projects of six answers and twelve repositories of two: an hour's share is two answers."""
    read_at = dict.fromkeys(range(16), 50.0)

    def share(since: float) -> set[int]:
        answers = [6.0] * 4 + [2.0] * 12
        return due_by_age(
            read_at, now=100.0, max_age=DAY, bound=DAY, since_last_run=since, answers=lambda n: answers[n]
        )

    assert share(HOUR) == {0}
    assert share(12 * HOUR) == {0, 1, 2, 3}, "half of the answers, and not half of all subjects"
    assert share(18 * HOUR) == set(range(10))


def test_of_those_of_one_age_some_are_asked() -> None:
    assert due(dict.fromkeys(range(48), 50.0), 100.0) == {0, 1}


def test_what_is_older_than_the_bound_is_asked_besides() -> None:
    read_at = {number: number * HOUR for number in range(24)}
    assert due(read_at, 24 * HOUR) == {0}
    assert due(read_at, 25 * HOUR) == {0, 1}
    assert due(read_at, 24 * HOUR, bound=DAY / 4) == set(range(19))


def test_what_claims_to_be_of_the_future_is_asked() -> None:
    assert due({1: 200.0, 2: 50.0}, 100.0, since=0.0) == {1}


def test_nothing() -> None:
    assert due({}, 100.0) == set()


@examples(100)
@given(st.integers(1, 300), st.integers(1, 40), st.sampled_from([0.5, 1.0, 5.0, 23.0]), st.data())
def test_hourly_runs_keep_everything_fresh_and_the_load_even(
    units: int, runs: int, hours: float, data: st.DataObject
) -> None:
    """After a full crawl, whatever is asked for other reasons."""
    step = hours * HOUR
    read_at = dict.fromkeys(range(units), 0.0)
    share = -(-units * step // DAY)  # rounded up
    for number in range(1, runs + 1):
        now = number * step
        found = due(read_at, now, since=step)
        named = data.draw(st.sets(st.integers(0, units - 1), max_size=3))
        assert len(found) <= max(share, 1) + sum(now - at > DAY for at in read_at.values())
        read_at |= dict.fromkeys(found | named, now)
        assert max(now - at for at in read_at.values()) <= DAY


@examples(100)
@given(st.dictionaries(st.integers(), st.floats(0, 2 * DAY)), st.floats(0, 2 * DAY), st.floats(0, DAY))
def test_in_doubt_more_is_asked_never_less(read_at: dict[int, float], now: float, since: float) -> None:
    assert due(read_at, now, since=since) <= due(read_at, now, bound=DAY / 4, since=since)
