"""The embedded Bitbucket's audit log, held against what was recorded of real ones."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import msgspec
import pytest

from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.changes import create_project, grant, move_repository, revoke, set_public
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelProject, ModelRepository, ModelUser
from tests.demo.asking import Asker, asking
from tests.servers import RiggedBitbucket, RiggedOptions

P = ParamSpec("P")

BEGAN = 1_638_034_466.108
"""27 November 2021, 17:34:26.108 UTC."""
EVENTS = "/rest/auditing/1.0/events"
_USER = "bitbucket.service.user.audit."


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an `async` test."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


class Clock:
    """A clock that a test sets: one second passes whenever it says so."""

    def __init__(self) -> None:
        self.time = BEGAN

    def __call__(self) -> float:
        return self.time


def estate() -> Estate:
    local = ModelProject(1, "LOC")
    return Estate(
        [ModelUser(2, "mchavez"), ModelUser(3, "mmartinez")],
        [ModelGroup("local-group", ["mchavez"])],
        [local],
        [ModelRepository(1, local, "local-repo")],
        [],
        [ModelGrant("local-group", "LICENSED_USER")],
    )


def short(event: dict[str, Any]) -> tuple[str, ...]:
    """Key without its prefix, objects, attributes, changes."""
    return (
        event["type"]["actionI18nKey"].rpartition("action.")[2],
        *(f"{one['type']} {one.get('id')}={one['name']}" for one in event["affectedObjects"]),
        *(f"{one['name']}={one['value']}" for one in event["extraAttributes"]),
        *(f"{one['key']} {one.get('from')}→{one.get('to')}" for one in event["changedValues"]),
    )


async def events(asker: Asker, query: str = "") -> list[dict[str, Any]]:
    reply = await asker.admin(f"{asker.server.url}{EVENTS}?{query}")
    assert reply.status == 200, reply.body
    return [one for one in reply.json["entities"] if not one["type"]["actionI18nKey"].endswith("audit.search")]


@on_a_loop
async def test_grants_are_told_as_recorded() -> None:
    async with asking(estate()) as asker:
        kept = asker.server.estate
        local = kept.projects[0]
        repository = kept.repositories[0]
        create_project(kept, "NIC", creator="mchavez")
        grant(kept, "REPO_CREATE", local, group="local-group")
        grant(kept, "PROJECT_READ", local, group="local-group")
        grant(kept, "REPO_ADMIN", repository, user="mchavez")
        revoke(kept, "mchavez", repository)
        set_public(kept, local, True)
        told = [short(event) for event in reversed(await events(asker))]
        number = f"PROJECT {kept.projects[1].id}=NIC"
        place = ("PROJECT 1=LOC", "REPOSITORY 1=local-repo", "USER 2=mchavez")
        lowered = ("PROJECT 1=LOC", "Group=local-group", "Permission REPO_CREATE→PROJECT_READ")
        assert told == [
            ("projectcreationrequested", "PROJECT 0=NIC"),
            ("projectpermissiongranted", number, "USER 2=mchavez", "Permission=PROJECT_ADMIN"),
            ("projectcreated", number),
            ("projectpermissiongrantrequested", "PROJECT 1=LOC", "Permission=REPO_CREATE", "Group=local-group"),
            ("projectpermissiongranted", "PROJECT 1=LOC", "Permission=REPO_CREATE", "Group=local-group"),
            ("projectpermissionmodificationrequested", *lowered),
            ("projectpermissionmodified", *lowered),
            ("repositorypermissiongrantrequested", *place, "Permission=REPO_ADMIN"),
            ("repositorypermissiongranted", *place, "Permission=REPO_ADMIN"),
            ("repositorypermissionrevocationrequested", *place, "Permission=REPO_ADMIN"),
            ("repositorypermissionrevoked", *place, "Permission=REPO_ADMIN"),
            ("projectmodificationrequested", "PROJECT 1=LOC", "Public false→true"),
            ("projectmodified", "PROJECT 1=LOC", "Public false→true"),
        ]


RECORDED = msgspec.json.decode(
    rb"""{"timestamp":"2021-11-27T17:34:26.108Z",
    "author":{"name":"admin","type":"NORMAL","id":"2","avatarUri":""},
    "type":{"categoryI18nKey":"bitbucket.service.audit.category.permissions","category":"Permissions",
     "actionI18nKey":"bitbucket.service.user.audit.action.globalpermissiongranted",
     "action":"Global permission granted"},
    "affectedObjects":[{"name":"mchavez","type":"USER","uri":"http://bitbucket.internal:7990/users/mchavez","id":"2"}],
    "changedValues":[],"source":"10.50.73.5","system":"http://bitbucket.internal:7990",
    "node":"8767044c-0000-4000-8000-000000000001","method":"Browser",
    "extraAttributes":[
     {"nameI18nKey":"bitbucket.service.user.audit.attribute.permission.permission","name":"Permission","value":"ADMIN"},
     {"nameI18nKey":"bitbucket.audit.attribute.legacy.details","name":"details",
      "value":"{\"permission\":\"ADMIN\",\"user\":\"mchavez\"}"},
     {"nameI18nKey":"bitbucket.audit.attribute.legacy.target","name":"target","value":"Global"}]}"""
)
"""The row of 7.18 with the names of this estate."""


@pytest.mark.parametrize("version", ["7.18.0", "9.4.0"])
@on_a_loop
async def test_a_row_has_the_recorded_form(version: str) -> None:
    kept = estate()
    log = AuditLog(kept, Clock())
    async with asking(kept, RiggedOptions(version=version), audit=log) as asker:
        grant(kept, "ADMIN", user="mchavez")
        [event] = [e for e in await events(asker) if e["type"]["actionI18nKey"].endswith("granted")]
        wanted = {**RECORDED, "system": asker.server.url}
        wanted["affectedObjects"][0]["uri"] = f"{asker.server.url}/users/mchavez"
        if version == "9.4.0":
            wanted["extraAttributes"] = wanted["extraAttributes"][:1]
        assert event == wanted


@on_a_loop
async def test_pages_lead_on_by_cursor_and_neither_shift_nor_repeat() -> None:
    kept, clock = estate(), Clock()
    async with asking(kept, audit=AuditLog(kept, clock)) as asker:
        for permission in ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"):
            clock.time += 1
            grant(kept, permission, kept.projects[0], user="mchavez")
        url, seen, link = f"{asker.server.url}{EVENTS}", [], "?limit=4&from=2021-11-27T17:34:27.108Z"
        paging: dict[str, Any] = {}
        while link:
            reply = (await asker.admin(link if link.startswith("http") else url + link)).json
            seen += [short(event)[0] for event in reply["entities"]]
            paging = reply["pagingInfo"]
            link = paging.get("nextPageLink", "")
            if link:
                assert (paging["nextPageOffset"], paging["size"]) == (0, 4)
                assert "from=2021-11-27T17:34:27.108Z" in link
                assert f"pageCursor={paging['nextPageCursor']}" in link
                assert paging["nextPageCursor"].partition(",")[0] == "1638034468108"
        assert paging == {"lastPage": True, "size": 2}
        changed = ["projectpermissionmodified", "projectpermissionmodificationrequested"]
        assert seen == [*changed, *changed, "projectpermissiongranted", "projectpermissiongrantrequested"]
        empty = (await asker.admin(f"{url}?to=2021-11-27T17:34:27.107Z")).json
        assert empty == {"entities": [], "pagingInfo": {"lastPage": True, "size": 0}}


@on_a_loop
async def test_each_search_is_a_row_of_its_own() -> None:
    kept, clock = estate(), Clock()
    async with asking(kept, audit=AuditLog(kept, clock)) as asker:
        grant(kept, "PROJECT_READ", kept.projects[0], user="mchavez")
        await events(asker)
        [row, *_] = (await asker.admin(f"{asker.server.url}{EVENTS}")).json["entities"]
        assert row["type"] == {
            "categoryI18nKey": "atlassian.audit.event.category.audit",
            "category": "Auditing",
            "actionI18nKey": "atlassian.audit.event.action.audit.search",
            "action": "Audit Log search performed",
        }
        assert row["author"]["name"] == asker.server.user
        span = "2021-11-27T17:34:26.108Z - 2021-11-27T17:34:26.108Z"
        assert [one["value"] for one in row["extraAttributes"]] == ["1 - 2", "", "2", span]


@on_a_loop
async def test_a_moved_repository_keeps_its_id_and_nothing_is_told_of_its_grants() -> None:
    async with asking(estate()) as asker:
        kept = asker.server.estate
        number = create_project(kept, "NEW").id
        move_repository(kept, "LOC", "local-repo", to_key="NEW")
        done, requested, *_ = map(short, await events(asker))
        assert done == ("repositorymodified", f"PROJECT {number}=NEW", "REPOSITORY 1=local-repo", "Project LOC→NEW")
        assert requested[1:3] == ("PROJECT 1=LOC", "REPOSITORY 1=local-repo")


@on_a_loop
async def test_who_may_read_the_log() -> None:
    kept = estate()
    grant(kept, "ADMIN", user="mchavez")
    grant(kept, "PROJECT_CREATE", user="mmartinez")
    paths = ["events", "configuration/coverage", "configuration/retention", "configuration/denylist"]

    async def statuses(options: RiggedOptions, **how: Any) -> set[int]:
        async with asking(kept, options) as asker:
            asker.server.add_account("mchavez", password="a", token="b")
            asker.server.add_account("mmartinez", password="c")
            return {(await asker.get(f"{asker.server.url}/rest/auditing/1.0/{path}", **how)).status for path in paths}

    admin, other = ("mchavez", "a"), ("mmartinez", "c")
    assert await statuses(RiggedOptions(), basic=admin) == {200}
    assert await statuses(RiggedOptions(), token="b") == {200}
    assert await statuses(RiggedOptions(audit_by_token=False), token="b") == {401}
    assert await statuses(RiggedOptions(), basic=other) == {401}
    assert await statuses(RiggedOptions(), token=None) == {401}
    assert await statuses(RiggedOptions(audit_right="SYS_ADMIN"), basic=admin) == {401}
    assert await statuses(RiggedOptions(version="6.10.0"), basic=admin) == {404}
    assert await statuses(RiggedOptions(data_center=False), basic=admin) == {200, 400}


@on_a_loop
async def test_a_server_started_anew_goes_on_with_its_log() -> None:
    kept = estate()
    first = RiggedBitbucket(kept)
    grant(kept, "ADMIN", user="mchavez")
    async with asking(kept, audit=first.audit) as asker:
        grant(kept, "PROJECT_CREATE", user="mmartinez")
        assert len(await events(asker)) == 4
