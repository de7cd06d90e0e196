"""Whatever comes back: it is an answer of the asked type, or one of our own outcomes; nothing else ever."""

import json
import random

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.faults import RequestProblem
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer, parse_response
from oaa_bitbucket_async.bitbucket.rows import Page
from oaa_bitbucket_async.errors import CredentialError
from tests.bitbucket.answers import ME, answer, page
from tests.examples import examples

PATH = "/rest/api/1.0/x?limit=1000"
SHAPES: tuple[tuple[object, object], ...] = (
    (Page[rows.User], page([{"id": 1, "name": "ada", "emailAddress": "a@example.com", "active": True}])),
    (Page[rows.UserGrant], page([{"user": {"id": 1, "name": "ada"}, "permission": "REPO_READ"}], following=1)),
    (Page[rows.GroupGrant], page([{"group": {"name": "a b"}, "permission": "REPO_READ"}])),
    (
        Page[rows.Repository],
        page([{"id": 3, "slug": "s", "name": "s", "project": {"id": 1, "key": "A", "name": "A"}, "archived": False}]),
    ),
    (Page[rows.Name], page(["a", "b"])),
    (rows.Permitted, {"permitted": True}),
    (rows.Project, {"id": 1, "key": "~ADA", "name": "A", "owner": {"id": 1, "name": "ada"}}),
    (rows.UserRateLimit, {"whitelisted": True, "settings": {"capacity": 60, "fillRate": 5}}),
)
TYPES = [msgspec.json.Decoder(shape) for shape, _ in SHAPES]
KINDS = (Page, Page, Page, Page, Page, rows.Permitted, rows.Project, rows.UserRateLimit)

KEYS = (
    "values", "isLastPage", "nextPageStart", "id", "name", "user", "group", "permission", "errors", "message",
    "exceptionName", "permitted", "key", "slug", "project", "owner", "whitelisted", "settings", "capacity",
)  # fmt: skip

header_text = st.text(st.characters(codec="latin-1"), max_size=40)
headers = st.fixed_dictionaries(
    {},
    optional={
        "X-AUSERNAME": st.sampled_from([ME, "someone", "%1B%5B", ""]) | header_text,
        "X-AREQUESTID": header_text,
        "X-Authentication-Denied-Reason": st.sampled_from(["CAPTCHA_CHALLENGE", "x"]),
        "Location": st.sampled_from(["/rest/x", "//[", "https://e/rest/", "/login", ""]) | header_text,
        "Retry-After": st.sampled_from(["5", "1e999", "-1", "nan", "Sun, 06 Nov 1994 08:49:37 GMT"]) | header_text,
        "Date": st.sampled_from(["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37"]) | header_text,
    },
)
content_types = (
    st.sampled_from(
        [
            "application/json",
            "application/json;charset=UTF-8",
            "text/html",
            "APPLICATION/JSON",
            "application/jsonp",
            None,
        ]
    )
    | header_text
)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Right ones, mutated ones, other JSON, noise."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return json.dumps(draw(anything)).encode()
    if kind == 2:
        return json.dumps({"errors": [{"message": draw(st.text()), "exceptionName": draw(st.text())}]}).encode()
    body = bytearray(json.dumps(draw(st.sampled_from(SHAPES))[1]).encode())
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 3))):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.randrange(256)
            case 1:
                del body[at : at + rng.randrange(1, 20)]
            case 2:
                body[at:at] = body[rng.randrange(len(body)) :][:10]
            case _:
                del body[at + 1 :]
        if not body:
            break
    return bytes(body)


logins = st.sampled_from(
    [
        Account(kind="basic", given_name=ME),
        Account(kind="token"),
        Account(kind="basic", given_name=ME, user_header=ME),
        Account(kind="token", user_header="\x1b%1B"),
        Account(kind="token", stripped=True),
    ]
)
statuses = st.sampled_from([200, 200, 200, 204, 301, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503]) | st.integers(
    100, 599
)


@examples(800)
@given(statuses, headers, content_types, bodies(), logins, st.integers(0, len(SHAPES) - 1))
@example(302, {"Location": "//["}, None, b"", Account(kind="token"), 0)
def test_an_answer_or_one_of_our_outcomes(
    status: int, found: dict[str, str], content_type: str | None, body: bytes, login: Account, shape: int
) -> None:
    given_answer: Answer = answer(status, body, found, content_type=content_type)
    outcome = understood(given_answer, login, shape)
    if isinstance(outcome, RequestProblem):
        assert max(len(outcome.detail), len(outcome.request_id or "")) <= 300
        assert f"{outcome.detail}{outcome.request_id or ''}".isprintable()
        assert len(str(outcome)) <= 1000
    elif isinstance(outcome, CredentialError):
        assert str(outcome).isprintable()
        assert len(str(outcome)) <= 2000
    else:
        assert status == 200
        assert isinstance(outcome, KINDS[shape])
        assert login.user_header in (None, found.get("X-AUSERNAME"))


def understood(given: Answer, login: Account, shape: int) -> object:
    """What it is taken for; what is raised besides our own outcomes fails the test."""
    try:
        return parse_response(PATH, given, TYPES[shape], login, 1e9)
    except (RequestProblem, CredentialError) as outcome:
        return outcome
