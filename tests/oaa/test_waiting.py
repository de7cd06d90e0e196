"""--wait: the status of a data source after an upload, told apart from that of an earlier one."""

import asyncio
import json
from dataclasses import replace

import pytest

from oaa_bitbucket_async.errors import UploadError
from oaa_bitbucket_async.oaa.upload import push
from tests.oaa.conftest import veza
from tests.servers.veza import Scripted


def test_waiting_ends_when_veza_has_parsed_it(server, payload, policy, sleeps):
    result = asyncio.run(push(payload, veza(server, wait=True), policy=policy))
    assert result.parsed
    assert sleeps.seconds == [5.0] * 3


def test_waiting_ends_badly_when_veza_could_not_parse_it(server, payload, policy):
    server.fail("parse-failed")
    with pytest.raises(UploadError, match="PARSE_FAILED"):
        asyncio.run(push(payload, veza(server, wait=True), policy=policy))


def test_waiting_ends_at_some_time(server, payload, policy, sleeps):
    with pytest.raises(UploadError, match=r"has not processed it after 10 s.*PARSING"):
        asyncio.run(push(payload, veza(server, wait=True), policy=replace(policy, poll_for=9.0)))


@pytest.fixture
def pushed_before(server, payload, policy):
    """A data source that an earlier upload has brought to its end, as Veza shows it ever since."""

    def push_before(fault=None):
        if fault:
            server.fail(fault)
        try:
            return asyncio.run(push(payload, veza(server, wait=True), policy=policy))
        except UploadError:
            return None

    return push_before


@pytest.mark.parametrize("on_the_way", [["QUEUED", "PARSING"], []])
def test_the_success_of_an_earlier_upload_is_not_taken_for_this_one(
    server, payload, policy, sleeps, pushed_before, on_the_way
):
    assert pushed_before().parsed
    sleeps.seconds.clear()
    server.on_the_way, server.behind = on_the_way, 20
    assert asyncio.run(push(payload, veza(server, wait=True), policy=policy)).parsed
    assert len(sleeps.seconds) == 20 + len(on_the_way) + 1


def test_the_failure_of_an_earlier_upload_is_not_taken_for_this_one(server, payload, policy, sleeps, pushed_before):
    assert pushed_before("parse-failed") is None
    sleeps.seconds.clear()
    server.behind = 5
    assert asyncio.run(push(payload, veza(server, wait=True), policy=policy)).parsed
    assert len(sleeps.seconds) == 5 + 3


def test_a_failure_after_a_success(server, payload, policy, pushed_before):
    assert pushed_before().parsed
    server.fail("parse-failed")
    server.behind = 5
    with pytest.raises(UploadError, match=r"is PARSE_FAILED\."):
        asyncio.run(push(payload, veza(server, wait=True), policy=policy))


def test_a_failure_that_nobody_saw_coming_is_told_nevertheless(server, payload, policy, sleeps, pushed_before):
    assert pushed_before("parse-failed") is None
    server.fail("parse-failed")
    server.on_the_way = []
    sleeps.seconds.clear()
    with pytest.raises(UploadError, match="PARSE_FAILED, as before the upload"):
        asyncio.run(push(payload, veza(server, wait=True), policy=policy))
    assert sum(sleeps.seconds) == policy.settle_for


def test_an_earlier_success_that_stays_is_not_waited_for_without_end(server, payload, policy, pushed_before):
    assert pushed_before().parsed
    server.behind = 10_000
    with pytest.raises(UploadError, match="is SUCCESS, of an earlier upload"):
        asyncio.run(push(payload, veza(server, wait=True), policy=replace(policy, poll_for=100.0)))


def test_a_veza_that_tells_no_times(server, payload, policy, pushed_before, caplog):
    server.tells_times = False
    assert pushed_before().parsed, "there was nothing before it"
    assert asyncio.run(push(payload, veza(server, wait=True), policy=policy)).parsed, "PARSING was seen"
    server.on_the_way = []
    assert not asyncio.run(push(payload, veza(server, wait=True), policy=policy)).parsed
    (record,) = [record for record in caplog.records if "unknown whether" in record.message]
    assert record.event == "veza-parsing-unknown"


@pytest.mark.parametrize("answer", [Scripted(500), Scripted(403), Scripted(200, b"[]"), Scripted(302, location="/x")])
def test_a_status_that_can_not_be_asked_for_is_a_warning(server, payload, policy, caplog, answer):
    """The upload stands."""
    asyncio.run(push(payload, veza(server), policy=policy))
    parse, server.on_the_way = server.parse, ["PARSING"] * 3

    def parse_and_fail(data_source):
        server.fail(answer, 99, "data-source")
        parse(data_source)

    server.parse = parse_and_fail
    result = asyncio.run(push(payload, veza(server, wait=True), policy=policy))
    assert not result.parsed
    assert len(server.pushed) == 2
    (record,) = [record for record in caplog.records if "unknown whether" in record.message]
    assert record.event == "veza-parsing-unknown"


@pytest.mark.parametrize("status", [None, 5, ["SUCCESS"], "x\x1b[2J" * 1000])
def test_a_status_of_any_shape(server, payload, policy, status):
    asyncio.run(push(payload, veza(server), policy=policy))
    (provider,) = server.providers.values()
    (data_source,) = provider.data_sources.values()
    row = {**data_source.row(), "status": status}
    server.behind = 10_000
    server.fail(Scripted(200, json.dumps({"values": [row]}).encode()), 10_000, "data-source")
    with pytest.raises(UploadError, match="has not processed it") as raised:
        asyncio.run(push(payload, veza(server, wait=True), policy=replace(policy, poll_for=20.0)))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500
