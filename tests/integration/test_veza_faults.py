"""The table of Veza's faults: what each does to a run, what is kept, and that `push` finishes the job."""

import asyncio
import gzip
import stat
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from oaa_bitbucket_async.errors import UploadError
from oaa_bitbucket_async.oaa import upload
from oaa_bitbucket_async.oaa.retry import RetryPolicy
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Output, Veza
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import DATA_SOURCE, Bench, Ran
from tests.servers.veza import Call, FaultName, Scripted

PASSING: tuple[FaultName, ...] = ("throttled", "unavailable", "error", "dropped", "hanging", "not-json")
LASTING: tuple[FaultName, ...] = ("refused", "rejected")
WORDS = {
    "throttled": "429", "unavailable": "503", "error": "500", "dropped": "kept failing",
    "hanging": "kept failing", "not-json": "kept failing", "refused": "the API key was revoked",
    "rejected": "rejected on purpose",
}  # fmt: skip
BEFORE_THE_CRAWL = 15
"""More requests than any preflight takes, and fewer than any crawl."""


@pytest.fixture(autouse=True)
def policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries, and no waiting between them: how long is tried where it is decided."""

    def short(*, at_most: int | None = None) -> RetryPolicy:
        return RetryPolicy(attempts=2, poll_every=0.01, poll_for=1.0, sleep=lambda _: asyncio.sleep(0))

    monkeypatch.setattr(upload, "default_policy", short)


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAA_API_TIMEOUT", "1")


def kept(bench: Bench) -> list[Path]:
    return sorted(bench.state.glob("*.json.gz"))


def push(bench: Bench, file: Path) -> list[bytes]:
    """What `push FILE` brought to Veza."""
    before = len(bench.veza.pushed)
    assert bench.push(file) == 0
    return [bench.neutral(pushed.raw) for pushed in bench.veza.pushed[before:]]


@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("throttled", "check"),
        ("unavailable", "provider"),
        ("error", "data-source"),
        ("dropped", "push"),
        ("not-json", "push"),
        ("hanging", "push"),
    ],
)
def test_a_fault_that_passes_is_survived(bench: Benches, truth: Ran, name: FaultName, call: Call) -> None:
    made = bench()
    made.veza.fail(name, 1, call)
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw
    assert not kept(made)
    assert not list(made.state.glob("*.journal*"))


@pytest.mark.thorough
@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_a_push_that_fails_is_kept_and_can_be_finished(bench: Benches, truth: Ran, name: FaultName) -> None:
    made = bench()
    made.veza.fail(name, 2 if name in PASSING else 1, "push")
    ran = made.run()
    assert ran.code == 5, ran.error
    assert ran.error is not None
    assert WORDS[name] in ran.error.message
    [file] = kept(made)
    assert f"oaa-bitbucket-async push {file}" in ran.error.advice
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [made.neutral(gzip.decompress(file.read_bytes()))] == truth.raw
    assert not ran.pushed
    assert push(made, file) == truth.raw
    assert file.exists(), "only its owner deletes it"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Scripted(302, location="https://elsewhere.example.com/"), "redirects to https://elsewhere.example.com/"),
        (Scripted(307, location="http://127.0.0.1:9/x"), "redirects to http://127.0.0.1:9/x"),
        (Scripted(200, b"[]"), "not a JSON object"),
        (Scripted(200, b'"ok"'), "not a JSON object"),
        (Scripted(200, b'{"error": "over quota"}'), "over quota"),
        (Scripted(400, b'{"message": "no such thing", "details": null}'), "no such thing"),
        (Scripted(403, b"[" * 20_000), "HTTP 403"),
    ],
)
def test_an_odd_answer_to_the_push_is_no_upload(bench: Benches, truth: Ran, answer: Scripted, word: str) -> None:
    made = bench()
    made.veza.fail(answer, 2)
    ran = made.run()
    made.veza.faults.clear()
    assert (ran.code, ran.pushed) == (5, [])
    assert ran.error is not None
    assert word in ran.error.message
    [file] = kept(made)
    assert push(made, file) == truth.raw


@pytest.mark.parametrize(
    ("name", "call"),
    first(
        ("refused", "provider"),
        ("unavailable", "data-source"),
        of=product(("refused", "unavailable"), ("provider", "data-source")),
    ),
)
def test_provider_and_data_source_that_fail_are_no_different(
    bench: Benches, truth: Ran, name: FaultName, call: Call
) -> None:
    made = bench()
    made.veza.fail(name, 2 if name in PASSING else 1, call)
    ran = made.run()
    assert ran.code == 5
    assert push(made, kept(made)[0]) == truth.raw


def test_a_payload_that_was_saved_is_not_kept_twice(bench: Benches, truth: Ran, tmp_path: Path) -> None:
    made = bench()
    made.veza.fail("rejected")
    ran = made.run(output=Output(progress=False, save_json=tmp_path / "saved.json"))
    assert ran.code == 5
    assert ran.error is not None
    assert f"push {tmp_path / 'saved.json'}" in ran.error.advice
    assert not kept(made)
    assert push(made, tmp_path / "saved.json") == truth.raw


@pytest.mark.parametrize("name", ["refused", "rejected"])
def test_a_key_that_is_refused_costs_no_crawl(bench: Benches, name: FaultName) -> None:
    made = bench()
    made.veza.fail(name, 1, "check")
    ran = made.run()
    assert ran.code == 5
    assert ran.error is not None
    assert WORDS[name] in ran.error.message
    assert ran.requests < BEFORE_THE_CRAWL
    assert not kept(made)


def test_a_wrong_key_costs_no_crawl(bench: Benches) -> None:
    made = bench()
    wrong = replace(made.settings().veza, api_key=Secret("wrong"))
    ran = made.run(veza=wrong)
    assert ran.code == 5
    assert ran.error is not None
    assert "VEZA_API_KEY" in ran.error.advice
    assert ran.requests < BEFORE_THE_CRAWL


def test_veza_out_of_reach_costs_no_crawl_and_is_temporary(bench: Benches) -> None:
    made = bench()
    ran = made.run(veza=Veza(url="https://127.0.0.1:9", api_key=Secret("key"), data_source_name=DATA_SOURCE))
    assert ran.code == 75
    assert ran.error is not None
    assert "--veza-url" in ran.error.advice
    assert ran.requests < BEFORE_THE_CRAWL


def test_veza_that_goes_on_failing_at_the_check_is_temporary(bench: Benches) -> None:
    made = bench()
    made.veza.fail("unavailable", 2, "check")
    ran = made.run()
    assert ran.code == 75
    assert ran.requests < BEFORE_THE_CRAWL


def test_waiting_until_it_is_parsed(bench: Benches, truth: Ran) -> None:
    made = bench()
    ran = made.run(veza=replace(made.settings().veza, wait=True))
    assert (ran.code, ran.raw) == (0, truth.raw)


def test_a_payload_that_veza_can_not_parse(bench: Benches, truth: Ran) -> None:
    made = bench()
    wait = replace(made.settings().veza, wait=True)
    made.veza.fail("parse-failed")
    ran = made.run(veza=wait)
    assert ran.code == 5
    assert ran.error is not None
    assert "could not process it" in ran.error.message
    [file] = kept(made)
    assert push(made, file) == truth.raw


def test_a_kept_payload_that_veza_still_refuses(bench: Benches) -> None:
    made = bench()
    made.veza.fail("rejected", 2)
    assert made.run().code == 5
    [file] = kept(made)
    with pytest.raises(UploadError, match="rejected on purpose"):
        made.push(file)
    assert file.exists()


def test_every_fault_is_in_this_table() -> None:
    assert {*PASSING, *LASTING, "parse-failed"} == set(get_args(FaultName))


@pytest.mark.parametrize(
    "address",
    first("http://[oops", "", of=["http://[oops", "http://h:port", "\\u001b[2J", "", "https://bücher..example"]),
)
def test_a_payload_with_an_odd_address_is_pushed_all_the_same(bench: Benches, tmp_path: Path, address: str) -> None:
    """Somebody else may have made it; where it belongs is said apart from that."""
    made = bench()
    file = tmp_path / "saved.json"
    assert made.run(output=Output(progress=False, save_json=file), dry_run=True).code == 0
    url = f'"base_url":"{made.bitbucket.url}"'
    text = file.read_text(encoding="utf-8")
    assert url in text
    file.write_text(text.replace(url, f'"base_url":"{address}"'), encoding="utf-8")
    assert len(push(made, file)) == 1
