import math
import subprocess
import sys
from pathlib import Path

import pytest

from oaa_bitbucket_async.cli.open_files import fit, raised
from oaa_bitbucket_async.settings import Pace


def test_enough_is_left_alone() -> None:
    for soft in (256 + 64, 1024, math.inf):
        assert raised(Pace(), soft, math.inf) is None
        assert fit(Pace(), soft) == (Pace(), None)


def test_the_soft_limit_is_raised_as_far_as_the_hard_one_allows() -> None:
    assert raised(Pace(), 128, math.inf) == 256 + 64
    assert raised(Pace(), 128, 200) == 200
    assert raised(Pace(), 200, 200) is None
    assert raised(Pace(concurrency=10), 128, 200) is None


@pytest.mark.parametrize(
    ("pace", "fitted", "flag"),
    [
        (Pace(), Pace(max_concurrency=136), "--max-concurrency (OAA_MAX_CONCURRENCY)"),
        (Pace(concurrency=300), Pace(concurrency=136), "--concurrency (OAA_CONCURRENCY)"),
    ],
)
def test_else_fewer_requests_and_a_warning(pace: Pace, fitted: Pace, flag: str) -> None:
    found, warning = fit(pace, 200)
    assert found == fitted
    assert warning is not None
    assert flag in warning


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on Windows")
@pytest.mark.parametrize(("hard", "soft_then", "most"), [(1024, 320, 256), (200, 200, 136)])
def test_in_a_process_with_few_files(hard: int, soft_then: int, most: int) -> None:
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (128, {hard}))
from oaa_bitbucket_async.cli.open_files import fit_to_open_files
from oaa_bitbucket_async.settings import Pace
print(fit_to_open_files(Pace())[0].max_concurrency, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [str(most), str(soft_then)]
