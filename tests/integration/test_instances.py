"""Several instances behind one collector: runs at the same time, with one state folder, have nothing in common."""

import json
import signal
from typing import Any

import pytest

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.errors import TemporaryError
from oaa_bitbucket_async.ops.lock import hold
from oaa_bitbucket_async.run.state_files import paths_of
from tests.integration.conftest import Benches
from tests.integration.harness import Bench
from tests.integration.process import Ended, Process, ended
from tests.servers import Fault

pytestmark = pytest.mark.thorough

EAST = EstateShape(users=40, groups=10, projects=6, repositories=40, personal_projects=3, seed=3)
WEST = EstateShape(users=30, groups=8, projects=5, repositories=30, personal_projects=2, seed=4)


def _hanging() -> Fault:
    """Holds a run up in the middle of its crawl, for as long as `--request-timeout` says."""
    return Fault("hanging", match=r"/repos/[^/]+/permissions/users", first=5, times=1)


def _start(bench: Bench, timeout: float = 6, **more: str) -> Process:
    """A run as its schedule starts it: the data source's name is made from the instance."""
    return Process(bench, "--log-format", "json", OAA_DATA_SOURCE_NAME="", OAA_REQUEST_TIMEOUT=str(timeout), **more)


def _last(end: Ended) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(end.err.splitlines()[-1])
    assert record["event"] == "run-ended"
    return record


def _files(bench: Bench, pattern: str) -> set[str]:
    return {path.name for path in bench.state.glob(pattern)}


def test_two_instances_at_one_time(bench: Benches) -> None:
    faults = [_hanging(), _hanging()]
    both = [bench(faults=[fault], estate=generate(shape)) for fault, shape in zip(faults, (EAST, WEST), strict=True)]
    east, west = both
    assert east.state == west.state
    pushed = len(east.veza.pushed)
    processes = [_start(made) for made in both]
    for process, fault in zip(processes, faults, strict=True):
        process.until(lambda fault=fault: fault.struck)
    for made in both:  # both are in the middle of it
        with (
            pytest.raises(TemporaryError),
            hold(paths_of(made.settings()).lock),
        ):
            pytest.fail("the lock is free")
    assert len(_files(east, "*.lock")) == 2
    assert len(_files(east, "*.journal")) == 2
    ends = [process.end() for process in processes]
    for end, made, shape in zip(ends, both, (EAST, WEST), strict=True):
        assert end.code == 0, end.err
        record = _last(end)
        assert record["repositories"] == shape.repositories
        assert record["instance"] == made.bitbucket.url.removeprefix("http://")
    assert _last(ends[0])["run"] != _last(ends[1])["run"]
    uploads = east.veza.pushed[pushed:]
    assert len(uploads) == len({upload.data_source for upload in uploads}) == 2
    for made, shape in ((east, EAST), (west, WEST)):
        (payload,) = [u.decoded() for u in uploads if made.bitbucket.url in u.raw.decode()]
        application = payload["applications"][0]
        assert application["name"].endswith(made.bitbucket.url.removeprefix("http://"))
        repositories = [sub for project in application["resources"] for sub in project["sub_resources"]]
        assert len(repositories) == shape.repositories
    assert not _files(east, "*.journal*")


def test_what_is_kept_of_two_instances_is_apart(bench: Benches) -> None:
    """Two interrupted uploads: two files, each of which `push` brings to the data source of its own instance."""
    both = [bench(estate=generate(shape)) for shape in (EAST, WEST)]
    veza = both[0].veza
    for made in both:
        veza.fail("refused", 1, "push")
        end = _start(made, OAA_SAVE_JSON="").end()
        assert end.code == 5, end.err
    kept = sorted(both[0].state.glob("*.json.gz"))
    assert len(kept) == 2
    before = len(veza.pushed)
    for file in kept:
        assert ended(both[0], "push", str(file), OAA_DATA_SOURCE_NAME="").code == 0
    assert {upload.data_source for upload in veza.pushed[before:]} == {
        f"bitbucket-server - {made.bitbucket.url.removeprefix('http://')}" for made in both
    }


def test_two_runs_on_one_instance_take_turns(bench: Benches) -> None:
    fault = _hanging()
    made = bench(faults=[fault])
    first = _start(made, timeout=60)  # so that it is still there when the second has ended, on a busy machine too
    first.until(lambda: fault.struck)
    second = _start(made).end()
    assert second.code == 75
    assert "Another run is working on this instance" in _last(second)["error"]
    assert first.killed().code == -signal.SIGKILL
    assert [r.kind for r in made.bitbucket.requests].count("application-properties") == 1, "the second asked nothing"
