"""Of several errors that end a run together, the one that tells most."""

import asyncio
from itertools import permutations

import pytest

from oaa_bitbucket_async.errors import (
    CollectorError,
    ConfigurationError,
    CredentialError,
    IncompleteError,
    InterruptedRunError,
    TemporaryError,
)
from oaa_bitbucket_async.run.loop import exit_code_of, run_to_end, weightiest

BUG = KeyError("bug")
BY_WEIGHT = (
    BUG,
    CredentialError("forgotten"),
    InterruptedRunError(2, "interrupted"),
    TemporaryError("out"),
    IncompleteError("incomplete"),
    asyncio.CancelledError(),
)


@pytest.mark.parametrize("first", range(len(BY_WEIGHT)))
def test_the_order_of_weight(first: int) -> None:
    for leaves in permutations(BY_WEIGHT[first:], min(3, len(BY_WEIGHT) - first)):
        expected = min(leaves, key=BY_WEIGHT.index)
        assert weightiest(BaseExceptionGroup("", leaves)) is expected
        inner = BaseExceptionGroup("inner", leaves[1:]) if leaves[1:] else leaves[0]
        nested = BaseExceptionGroup("outer", [BaseExceptionGroup("middle", [inner]), leaves[0]])
        assert weightiest(nested) is expected


def test_the_first_of_equal_weight() -> None:
    one, two = TemporaryError("one"), TemporaryError("two")
    assert weightiest(BaseExceptionGroup("", [one, two])) is one


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BUG, 1),
        (CollectorError("x"), 1),
        (ConfigurationError("x"), 2),
        (IncompleteError("x"), 3),
        (CredentialError("x"), 4),
        (TemporaryError("x"), 75),
        (InterruptedRunError(2, "x"), 130),
        (InterruptedRunError(15, "x"), 143),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_run_raises_one_error_and_no_group() -> None:
    async def fails(error: Exception) -> None:
        raise error

    async def main() -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(TemporaryError("out")))
            group.create_task(fails(CredentialError("forgotten")))
        return 0

    with pytest.raises(CredentialError, match="forgotten"):
        run_to_end(main())


def test_a_run_that_ends_well_gives_its_code() -> None:
    async def main() -> int:
        await asyncio.sleep(0)
        return 3

    assert run_to_end(main()) == 3
