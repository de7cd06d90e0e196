"""A run that is killed with no warning leaves whole units, all that were on the disk, and nothing else."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import rounds
from tests.journal.estate import found_in, told

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


def test_kills_at_random_moments(tmp_path: Path) -> None:
    path = tmp_path / "j"
    rng = random.Random(20)
    before = 0
    for _ in range(rounds(5)):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.journal.writer", str(path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(rng.randint(1, 12))]
        child.kill()
        lines += child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        certain = int(next(line for line in reversed(lines) if line.strip()))
        found = asyncio.run(found_in(path))
        assert len(found) >= certain > before
        assert found == [told(n) for n in range(len(found))]
        before = len(found)
