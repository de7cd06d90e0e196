"""One run at a time on one instance, whoever else is told to start one."""

import os
import socket

import pytest

from oaa_bitbucket_async.run.state_files import paths_of
from tests.integration.conftest import Benches
from tests.integration.process import Process, ended
from tests.servers import Fault


@pytest.mark.thorough
def test_a_second_run_is_told_who_holds_the_lock_until_that_is_killed(bench: Benches) -> None:
    hanging = Fault("hanging", match="application-properties")
    made = bench(faults=[hanging])
    first = Process(made)
    first.until(lambda: hanging.struck)
    asked, pushed = len(made.bitbucket.requests), len(made.veza.pushed)
    for basic in (True, False):  # another login is another journal, but the same Bitbucket to be careful with
        second = ended(made, basic=basic)
        assert second.code == 75, second.err
        second.said("Another run is working on this instance")
        second.said(f"process {first.popen.pid} on {socket.gethostname()}")
    assert len(made.bitbucket.requests) == asked, "Bitbucket has not noticed"
    assert first.killed().code == -9
    lock = paths_of(made.settings()).lock
    assert lock.with_name(f"{lock.name}.holder").exists(), "what a kill leaves behind means nothing"
    made.bitbucket.faults.clear()
    third = ended(made)
    assert third.code == 0, third.err
    assert len(made.veza.pushed) == pushed + 1
    assert not lock.with_name(f"{lock.name}.holder").exists()


def test_in_one_process_too(bench: Benches) -> None:
    from oaa_bitbucket_async.ops.lock import hold

    made = bench()
    with hold(paths_of(made.settings()).lock):
        ran = made.run()
    assert ran.code == 75
    assert ran.error is not None
    assert f"process {os.getpid()}" in ran.error.message
    assert ran.requests == 0
    assert made.run().code == 0
