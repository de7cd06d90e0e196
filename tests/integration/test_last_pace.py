"""The pace that a run found is kept for the next one: through the command line and over real sockets."""

import json
import os
import stat
from pathlib import Path

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket.pacing.limit import Found
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from tests.examples import first
from tests.integration.conftest import Benches, Typed
from tests.integration.harness import Bench
from tests.integration.process import Ended
from tests.servers import RiggedOptions
from tests.servers.capacity import Capacity


def of_slots(bench: Benches) -> Bench:
    """A server that works on six requests at a time: a crawl of it finds that out."""
    estate = generate(EstateShape(users=40, groups=10, projects=6, repositories=200, personal_projects=3, seed=3))
    return bench(RiggedOptions(capacity=Capacity(6, "fixed", 0.01)), estate=estate)


def kept(bench: Bench) -> list[Path]:
    return list(bench.state.glob("*.pace"))


def events(end: Ended) -> list[str]:
    return [json.loads(line)["event"] for line in end.err.splitlines()]


def test_what_a_run_found_is_tried_by_the_next_one_and_changes_no_byte(bench: Benches, typed: Typed) -> None:
    made = of_slots(bench)
    assert typed(made).code == 0
    [path] = kept(made)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = msgspec.json.decode(path.read_bytes(), type=Found)
    assert found.plausible
    assert {"repository-users", "repository-groups"} <= found.latencies.keys()
    # latencies that this machine, however busy, stays below: what is tried first shall not hang on its load
    slow = {kind: latency.times(100.0) for kind, latency in found.latencies.items()}
    path.write_bytes(msgspec.json.encode(Found(13, slow)))
    second = typed(made, "--debug")
    assert second.code == 0
    second.said("limit 8 -> 13: as last time")
    assert msgspec.json.decode(path.read_bytes(), type=Found).latencies != slow
    assert made.veza.pushed[0].raw == made.veza.pushed[1].raw


@pytest.mark.parametrize(
    "content",
    first(b"damaged", of=[b"", b"damaged", b'{"limit":13,"latencies":{}}', b'{"limit":-3,"latencies":{}}']),
)
def test_a_damaged_one_is_ignored_with_a_line_that_says_so(bench: Benches, typed: Typed, content: bytes) -> None:
    made = of_slots(bench)
    assert typed(made, "--dry-run").code == 0
    [path] = kept(made)
    path.write_bytes(content)
    end = typed(made, "--dry-run", "--log-format", "json")
    assert end.code == 0, end.err
    assert "last-pace-unreadable" in events(end)
    assert msgspec.json.decode(path.read_bytes(), type=Found).plausible, "this run's own is there again"


def test_none_is_kept_where_the_user_wants_none_or_gives_the_number(bench: Benches, typed: Typed) -> None:
    made = of_slots(bench)
    assert typed(made, "--dry-run", "--no-keep-last").code == 0
    assert typed(made, "--dry-run", "--concurrency", "6").code == 0
    assert kept(made) == []
