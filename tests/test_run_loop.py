"""A run ends as the process began: what it changed in the interpreter for itself is undone."""

import gc

import pytest

from oaa_bitbucket_async.run.loop import run_to_end


def test_the_garbage_collector_comes_less_often_while_a_run_lasts() -> None:
    async def main() -> int:
        return gc.get_threshold()[0]

    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    assert run_to_end(main()) > before[0]
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() <= frozen, "some Pythons begin with a few objects frozen"


def test_also_after_one_that_failed() -> None:
    async def main() -> int:
        raise ValueError("a bug")

    before = gc.get_threshold()
    with pytest.raises(ValueError, match="a bug"):
        run_to_end(main())
    assert gc.get_threshold() == before
