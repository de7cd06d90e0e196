"""What is kept of the audit log's rows: recorded forms, odd forms, and that nothing else is kept."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.audit.rows import PLUGIN_ENABLED, SEARCHED, AuditEvent, LogPage, LogPages
from oaa_bitbucket_async.bitbucket.bodies import LARGEST
from oaa_bitbucket_async.bitbucket.protocol import MOST_VALUES
from tests.examples import examples

WHEN = 1_638_034_466_108
GRANTED = "bitbucket.service.user.audit.action.globalpermissiongranted"


def event(**changed: Any) -> dict[str, Any]:
    """The form that REST has in 7.18; None leaves a member out."""
    whole = {
        "timestamp": "2021-11-27T17:34:26.108Z",
        "author": {"name": "Anonymous", "type": "user", "id": "-2", "avatarUri": ""},
        "type": {
            "categoryI18nKey": "bitbucket.service.audit.category.permissions",
            "category": "Permissions",
            "actionI18nKey": GRANTED,
            "action": "Global permission granted",
        },
        "affectedObjects": [{"name": "admin", "type": "USER", "uri": "http://h/users/admin", "id": "2"}],
        "changedValues": [],
        "source": "10.1.2.3",
        "system": "http://h",
        "node": "8767044c",
        "method": "Browser",
        "extraAttributes": [{"nameI18nKey": "…permission.group", "name": "Group", "value": "secret-group"}],
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def decoded(*events: dict[str, Any], **paging: Any) -> LogPage:
    paging = paging or {"lastPage": True, "size": len(events)}
    return LogPages().decode(json.dumps({"entities": events, "pagingInfo": paging}).encode())


def only(**changed: Any) -> AuditEvent:
    (found,) = decoded(event(**changed)).events
    return found


def things(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"type": kind, "name": f"{kind} {number}", "id": number} for kind, number in pairs]


def test_a_recorded_row() -> None:
    assert only() == AuditEvent(WHEN, GRANTED, users=(2,))


@pytest.mark.parametrize(
    "timestamp",
    [
        "2021-11-27T17:34:26.108Z",
        "2021-11-27T18:34:26.108+01:00",
        "2021-11-27T18:34:26.108+0100",
        "2021-11-27T18:34:26.108+01:00[Europe/Berlin]",
        "2021-11-27T17:34:26.108999Z",
        "2021-11-27T17:34:26.108999999Z",
        WHEN,
        {"epochSecond": 1638034466, "nano": 108_000_000},
    ],
)
def test_a_time_in_any_form(timestamp: object) -> None:
    assert only(timestamp=timestamp).time == WHEN


@pytest.mark.parametrize("timestamp", ["2021-11-27T17:34:26.108", "yesterday", "", "2021-11-27", {}, 1.5, True])
def test_a_row_without_a_point_in_time_is_no_row(timestamp: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        only(timestamp=timestamp)


@pytest.mark.parametrize(
    ("objects", "projects", "repositories", "users"),
    [
        (things(("PROJECT", "1"), ("REPOSITORY", "22"), ("USER", "3")), (1,), (22,), (3,)),
        (things(("PROJECT", 1), ("project", "1"), ("PROJECT", "2")), (1, 2), (), ()),
        (things(("PROJECT", "0")), (), (), ()),
        (things(("PROJECT", "1"), ("REPOSITORY", "0")), (1,), (), ()),
        (things(("USER", None)), (), (), ()),
        (things(("USER", "-2"), ("USER", "1.5"), ("USER", "²"), ("USER", "9" * 15)), (), (), ()),
        (things(("GROUP", "123"), ("MISC", "5")), (), (), (9,)),
        ([{"name": "gone.user", "type": "USER"}], (), (), ()),
        ([{}], (), (), (9,)),
        ([], (), (), (9,)),
        (None, (), (), (9,)),
    ],
)
def test_ids_by_type_and_else_the_author(
    objects: object, projects: tuple[int, ...], repositories: tuple[int, ...], users: tuple[int, ...]
) -> None:
    found = only(affectedObjects=objects, author={"id": "9", "name": "ann", "type": "NORMAL"})
    assert (found.projects, found.repositories, found.users) == (projects, repositories, users)


@pytest.mark.parametrize("author", [None, {}, {"id": "-1", "type": "system"}, {"id": None}])
def test_nobody_is_no_user(author: object) -> None:
    assert only(affectedObjects=[], author=author).users == ()


@pytest.mark.parametrize("kind", [None, {}, {"action": "Erlaubt"}, {"actionI18nKey": ""}])
def test_a_row_without_a_key_stays(kind: object) -> None:
    assert only(type=kind) == AuditEvent(WHEN, "", users=(2,))


def test_a_start_of_the_log_itself() -> None:
    for name, identity in (("com.atlassian.audit.atlassian-audit-plugin", None), ("Audit", "com.atlassian.audit.x")):
        objects = [{"type": "MISC", "name": name, "id": identity}]
        assert only(type={"actionI18nKey": PLUGIN_ENABLED}, affectedObjects=objects).node_start
        assert not only(affectedObjects=objects).node_start
    other = [{"type": "MISC", "name": "com.example.plugin"}]
    assert not only(type={"actionI18nKey": PLUGIN_ENABLED}, affectedObjects=other).node_start


CURSOR = "1637539714166,47"


@pytest.mark.parametrize("cursor", [CURSOR, {"cursor": CURSOR}])
def test_both_forms_of_the_cursor(cursor: object) -> None:
    page = decoded(event(), nextPageCursor=cursor, nextPageLink="http://elsewhere/", nextPageOffset=0, lastPage=False)
    assert page.cursor == CURSOR
    assert decoded(event(), nextPageCursor=cursor, lastPage=True).cursor is None


@pytest.mark.parametrize(
    "paging",
    [{"lastPage": False}, {"lastPage": False, "nextPageCursor": ""}, {"size": 1},
     {"lastPage": False, "nextPageCursor": "x" * 500}],
)  # fmt: skip
def test_a_page_that_leads_nowhere_is_none(paging: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(event(), **paging)


def test_an_empty_page() -> None:
    assert decoded().events == []


def test_a_full_page_of_long_rows_fits_into_the_bounds_of_any_answer() -> None:
    """A thousand rows with an SSH key, twenty attributes and as many objects each."""
    long = event(
        affectedObjects=things(*[("REPOSITORY", str(number)) for number in range(20)]),
        extraAttributes=[{"nameI18nKey": "x" * 60, "name": "y" * 20, "value": "z" * 800}] * 20,
    )
    body = json.dumps({"entities": [long] * 1000, "pagingInfo": {"lastPage": True, "size": 1000}}).encode()
    assert len(body) < LARGEST
    assert body.count(b",") < MOST_VALUES
    assert len(LogPages().decode(body).events) == 1000


MARK = "LEAK"
TEXTS = st.text(max_size=8).map(lambda text: MARK + text)


@examples(200)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": TEXTS, "uri": TEXTS, "type": st.sampled_from(["USER", "PROJECT", "REPOSITORY", "GROUP", "MISC"])},
            optional={"id": st.one_of(TEXTS, st.integers(1, 99).map(str))},
        ),
        max_size=4,
    ),
    TEXTS,
    st.sampled_from([GRANTED, SEARCHED, PLUGIN_ENABLED]),
)
def test_no_text_of_a_row_is_kept(objects: list[dict[str, str]], text: str, key: str) -> None:
    """Names, addresses, attributes: whatever stands in a row, only its key is left."""
    attribute = {"nameI18nKey": text, "name": text, "value": text, "key": text, "from": text, "to": text}
    found = decoded(
        event(
            author={"name": text, "type": text, "id": text, "uri": text},
            type={"actionI18nKey": key, "action": text, "category": text, "categoryI18nKey": text},
            affectedObjects=objects, changedValues=[attribute], extraAttributes=[attribute],
            source=text, system=text, node=text, method=text,
        )
    )  # fmt: skip
    assert MARK not in repr(found)
    assert MARK.encode() not in msgspec.json.encode(found.events)


def test_an_error_does_not_quote_the_row() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        only(timestamp=MARK, source=MARK)
    assert MARK not in str(caught.value)
