"""Grants turned round by holder, against a plain dictionary."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.grant_codec import GrantCodec
from oaa_bitbucket_async.oaa.holdings import Holdings
from tests.examples import examples

HOLDERS = st.integers(0, 300) | st.integers(0, 2**45) | st.sampled_from(["a", "b", "c"])
PERMISSIONS = st.sampled_from(["PROJECT_ADMIN", "REPO_READ", "REPO_WRITE", "AN_UNKNOWN_ONE"])
RESOURCES = st.lists(st.sets(st.tuples(HOLDERS, PERMISSIONS), max_size=8), max_size=12)


@given(RESOURCES, st.randoms())
@examples(200)
def test_everyone_holds_what_the_resources_say_whatever_the_order_of_asking(resources, random):
    codec, plain = GrantCodec(), defaultdict(lambda: defaultdict(list))
    users = {holder for held in resources for holder, _ in held if isinstance(holder, int)}
    holdings = Holdings(codec)
    for number, held in enumerate(resources):
        assert holdings.add([_code(codec, *grant) for grant in held]) == number
        for holder, permission in held:
            plain[holder][permission].append(f"r{number}")
    every = set().union(*holdings.codes())
    assert every == {_code(codec, *grant) for held in resources for grant in held}
    assert codec.holders(every) == (users, {holder for held in resources for holder, _ in held} - users)
    keys = [f"r{number}" for number in range(len(resources))]
    asked = [*users, "a", "b", "c"]
    random.shuffle(asked)
    for holder in asked:
        of = holdings.of_user(holder, keys) if isinstance(holder, int) else holdings.of_group(holder, keys)
        assert dict(of) == plain[holder]
        assert list(of) == sorted(of)


def _code(codec: GrantCodec, holder: int | str, permission: str) -> int:
    return codec.user(holder, permission) if isinstance(holder, int) else codec.group(holder, permission)
