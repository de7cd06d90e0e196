"""The report in Veza, whatever Veza answers: the upload stands, so nothing raises."""

import asyncio
from dataclasses import replace

import pytest

from oaa_bitbucket_async.oaa import upload
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.run.veza_report import report_in_veza
from tests.oaa.conftest import veza
from tests.servers.veza import Scripted

UPLOADED = UploadResult(provider="P", data_source="D", created_provider=True)


@pytest.mark.parametrize("call", ["query", "report"])
@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"values": 5}',
        b'{"values": null}',
        b'{"values": [null, 5, [], {}, {"name": null, "id": {}}]}',
        b'{"value": [1]}',
        b'{"value": {"id": "r", "name": "Bitbucket Server", "queries": 5}}',
        b'{"error": "no"}',
        b'{"values": [], "has_more": true}',
        b'{"values": [], "has_more": true, "next_page_token": {"a": 1}}',
        b"[" * 20_000,
    ],
)
def test_an_odd_answer_is_at_most_a_warning(server, payload, policy, monkeypatch, call, body):
    monkeypatch.setattr(upload, "default_policy", lambda **_: replace(policy, attempts=2))
    server.fail(Scripted(200, body), 10_000, call)
    result = RunResult(instance="h")
    asyncio.run(report_in_veza(veza(server), payload, UPLOADED, result))
    assert result.veza_report is not None
    assert all("The upload counts" in warning.message or "left out" in warning.message for warning in result.warnings)
    assert (result.veza_report.outcome == "failed") <= bool(result.warnings)
