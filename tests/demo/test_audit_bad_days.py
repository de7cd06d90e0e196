"""What a rigged audit log does: rows that are lost, late or by other clocks, kinds that are not written, old rows."""

import random
from typing import Any

import pytest

from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.changes.activity import PLUGINS
from oaa_bitbucket_async.demo.model import Estate
from tests.demo.asking import Asker, ask, small_estate
from tests.servers import Fault, RiggedAuditLog, RiggedOptions

EVENTS = "/rest/auditing/1.0/events"
DAY = 86_400


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def kinds(log: AuditLog) -> list[str]:
    """Newest first, without prefix."""
    return [row.action.key.rpartition("action.")[2] for row in log.search()]


def grant(estate: Estate, permission: str = "REPO_READ") -> None:
    changes.grant(estate, permission, estate.repositories[1], user="cleo")


async def get(asker: Asker, path: str = EVENTS) -> Any:
    return await asker.admin(f"{asker.server.url}{path}")


GRANTED = ["repositorypermissiongranted", "repositorypermissiongrantrequested"]


def test_a_named_row_is_lost() -> None:
    estate = small_estate()
    log = RiggedAuditLog(estate, losing=lambda one: one.what == "repository permission granted")
    grant(estate)
    assert kinds(log) == GRANTED[1:]
    assert [one.what for one in log.losses] == ["repository permission granted"]


def test_a_share_of_changes_is_lost_with_their_requests_the_same_for_a_seed() -> None:
    def told(seed: int) -> list[str]:
        estate = small_estate()
        log = RiggedAuditLog(estate, lost=0.3, seed=seed)
        for number in range(200):
            changes.set_public(estate, estate.projects[0], number % 2 == 0)
            changes.set_public(estate, estate.repositories[1], number % 2 == 0)
        rows = kinds(log)
        assert len(rows) + len(log.losses) == 800
        assert [row.id for row in log.search()] == list(range(len(rows), 0, -1)), "a lost row never had an id"
        assert all(done.replace("modified", "modificationrequested") == asked for done, asked in pairs(rows))
        return rows

    assert told(1) == told(1) != told(2)
    assert 480 < len(told(1)) < 640


def pairs(rows: list[str]) -> list[tuple[str, str]]:
    return list(zip(rows[::2], rows[1::2], strict=True))


def test_rows_come_late_and_those_of_searches_later() -> None:
    estate, clock = small_estate(), Clock()
    log = RiggedAuditLog(estate, clock, late=2.0, search_late=5.0)

    async def check(asker: Asker) -> None:
        grant(estate)
        assert (await get(asker)).json["entities"] == []
        clock.time += 2
        entities = (await get(asker)).json["entities"]
        assert len(entities) == 2
        assert entities[0]["timestamp"] == "2023-11-14T22:13:20Z"
        clock.time += 3
        assert kinds(log) == ["audit.search", *GRANTED]

    ask(check, estate, audit=log)


def test_a_row_that_arrives_late_above_the_cursor_is_missed_while_paging_and_there_later() -> None:
    estate, clock = small_estate(), Clock()
    log = RiggedAuditLog(estate, clock)
    grant(estate)
    log.late = 10.0
    clock.time += 1
    grant(estate, "REPO_WRITE")
    clock.time += 1
    log.late = 0.0
    grant(estate, "REPO_ADMIN")
    first = list(log.search())[:2]
    clock.time += 10
    following = list(log.search(before=(first[-1].time, first[-1].id)))
    assert [row.id for row in following] == [4, 3, 2, 1]
    clock.time -= 10
    assert [row.id for row in log.search()] == [6, 5, 2, 1]


def test_nodes_take_turns_by_clocks_that_differ() -> None:
    estate, clock = small_estate(), Clock()
    log = RiggedAuditLog(estate, clock, nodes={"one": 0.0, "two": -90.0})
    changes.delete_group(estate, "inner")
    clock.time += 60
    changes.delete_user(estate, "cleo")
    rows = list(log.search())
    assert [(row.node, row.id) for row in rows] == [("one", 1), ("two", 2)]
    assert rows[0].time - rows[1].time == 30_000


def test_kinds_that_are_not_covered_or_denied_are_not_written_and_the_settings_are_rows() -> None:
    estate = small_estate()
    log = AuditLog(estate)
    log.set_coverage("permissions", "off")
    grant(estate)
    log.set_coverage("permissions", "base")
    log.set_denied(["Repository permission changed"])
    log.set_retention(30)
    grant(estate, "REPO_WRITE")
    changed = [(one.key, one.name, one.old, one.value) for row in log.search() for one in row.changed]
    coverage = "atlassian.audit.event.change.coverage.level", "Coverage Level"
    assert kinds(log)[1:] == ["audit.config.updated"] * 4
    assert changed[1:] == [
        ("atlassian.audit.event.change.retention", "Retention", None, "30 Days"),
        ("atlassian.audit.event.change.deny.list", "Deny List", "", "Repository permission changed"),
        (*coverage, "permissions : off", "permissions : base"),
        (*coverage, "permissions : base", "permissions : off"),
    ]

    async def check(asker: Asker) -> None:
        settings = "/rest/auditing/1.0/configuration"
        assert (await get(asker, f"{settings}/coverage")).json["levelByArea"]["permissions"] == "base"
        assert len((await get(asker, f"{settings}/coverage")).json["levelByArea"]) == 8
        assert (await get(asker, f"{settings}/denylist")).json == {"actions": ["Repository permission changed"]}
        assert (await get(asker, f"{settings}/retention")).json == {"period": "P30D"}
        usage = await asker.get(f"{asker.server.url}/rest/auditing/1.0/statistics/database/usage", token=None)
        assert usage.json == {"usage": 0.0}

    ask(check, estate, audit=log)


def test_old_rows_vanish_and_so_do_rows_beyond_the_limit() -> None:
    estate, clock = small_estate(), Clock()
    log = AuditLog(estate, clock)
    grant(estate)
    clock.time += 31 * DAY
    changes.delete_group(estate, "inner")
    log.retention_days = 30
    assert kinds(log) == ["groupdeleted"]
    log.row_limit = 1500
    for _ in range(1501):
        log.set_denied([])
    assert len(list(log.search())) == 500, "1,000 below the limit"
    assert log.usage() == 0.33


def test_texts_in_another_language_have_the_same_keys() -> None:
    estates = small_estate(), small_estate()
    english, german = AuditLog(estates[0]), RiggedAuditLog(estates[1], german=True)
    for estate in estates:
        grant(estate)
    both = list(zip(english.search(), german.search(), strict=True))
    for one, other in both:
        assert one.action.key == other.action.key
        assert one.action.text != other.action.text
        assert [a.key for a in one.attributes] == [a.key for a in other.attributes]
    assert both[0][1].action.text == "Repository-Berechtigung erteilt"
    assert both[0][1].attributes[0].name == "Berechtigung"
    german.denied = ["Repository permission granted", "Repository-Berechtigung entfernt"]
    changes.revoke(estates[1], "cleo", estates[1].repositories[1])
    assert kinds(german)[0] == "repositorypermissionrevocationrequested", "the deny list goes by the displayed text"


def test_the_cursor_can_be_an_object() -> None:
    estate = small_estate()
    log = AuditLog(estate, Clock())
    grant(estate)

    async def check(asker: Asker) -> None:
        paging = (await get(asker, f"{EVENTS}?limit=1")).json["pagingInfo"]
        assert paging["nextPageCursor"] == {"cursor": "1700000000000,2"}
        last = (await get(asker, f"{EVENTS}?limit=1&to=2023-11-14T22:13:20Z&pageCursor=1700000000000,2")).json
        assert last["pagingInfo"] == {"lastPage": True, "size": 1}

    ask(check, estate, RiggedOptions(cursor_as_object=True), audit=log)


def test_people_who_look_around_and_a_node_that_starts_write_rows_of_their_own() -> None:
    estate = small_estate()
    log = AuditLog(estate)
    changes.look_around(estate, random.Random(1), 50)
    assert set(kinds(log)) == {"repositoryaccessed", "pullrequestopened", "pullrequestmerged"}
    changes.start_node(estate)

    async def check(asker: Asker) -> None:
        entities = (await get(asker, f"{EVENTS}?limit=149")).json["entities"]
        assert len(entities) == PLUGINS == 149
        [audit] = [one for one in entities if "atlassian-audit-plugin" in one["affectedObjects"][0]["name"]]
        assert audit["author"] == {"name": "System", "type": "system", "id": "-1", "avatarUri": ""}
        assert audit["affectedObjects"] == [{"name": "com.atlassian.audit.atlassian-audit-plugin", "type": "MISC"}]
        assert (audit["method"], "source" in audit, "system" in audit) == ("System", False, False)

    ask(check, estate, audit=log)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("lost-right", match="audit-events"), 401),
        (Fault("other-answer", match="audit-events", status=403), 403),
        (Fault("error", match="audit-events"), 500),
        (Fault("too-many-searches", match="audit-events", times=1), 500),
    ],
    ids=["refused", "forbidden", "broken", "busy"],
)
def test_a_log_that_can_not_be_read(fault: Fault, status: int) -> None:
    async def check(asker: Asker) -> None:
        reply = await get(asker)
        assert reply.status == status
        if fault.name == "too-many-searches":
            assert "many other search requests in progress" in reply.json["errors"][0]["message"]
            assert (await get(asker)).status == 200

    ask(check, faults=[fault])


def test_a_log_that_is_not_there() -> None:
    async def check(asker: Asker) -> None:
        assert (await get(asker)).status == 404
        assert (await get(asker, "/rest/auditing/1.0/configuration/coverage")).status == 200

    ask(check, options=RiggedOptions(missing=frozenset({"audit-events"})))


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=0",
        "offset=-1",
        "from=yesterday",
        "to=2023-11-14T22:13:20",
        "pageCursor=1",
        "actions=User%20deleted",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: str) -> None:
    async def check(asker: Asker) -> None:
        assert (await get(asker, f"{EVENTS}?{query}")).status == 400

    ask(check)


def test_what_is_gone_has_no_link() -> None:
    estate = small_estate()

    async def check(asker: Asker) -> None:
        grant(estate)
        [event, *_] = (await get(asker)).json["entities"]
        url = asker.server.url
        assert [one.get("uri") for one in event["affectedObjects"]] == [
            f"{url}/projects/PUB",
            f"{url}/projects/PUB/repos/tool",
            f"{url}/users/cleo",
        ]
        changes.delete_repository(estate, "PUB", "tool")
        changes.delete_user(estate, "cleo")
        entities = (await get(asker)).json["entities"]
        [event] = [one for one in entities if one["type"]["actionI18nKey"].endswith("permissiongranted")]
        assert [one.get("uri") for one in event["affectedObjects"]] == [f"{url}/projects/PUB", None, None]

    ask(check, estate)


def test_a_server_in_another_process_is_told_to_let_things_happen() -> None:
    estate = small_estate()
    log = AuditLog(estate)

    async def check(asker: Asker) -> None:
        reply = await get(asker, "/-/changes?count=5&seed=3")
        assert len(reply.json) == 5
        assert len(kinds(log)) >= 5
        more = await get(asker, "/-/changes?count=2&seed=4")
        assert len(more.json) == 2

    ask(check, estate, audit=log)
