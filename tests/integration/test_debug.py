"""`--debug` tells of each request, in a run and in a check alike."""

import re

import pytest

from tests.integration.conftest import Benches, Typed


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_each_request_with_its_status_and_time(bench: Benches, typed: Typed, arguments: list[str]) -> None:
    made = bench()
    asked_of_veza = len(made.veza.requests)
    end = typed(made, "--debug", *arguments)
    assert end.code == 0, end.err
    told = re.findall(r"DEBUG   GET (/rest/\S+)(?: without a login)?: (\d+), \d+ ms$", end.err, re.MULTILINE)
    assert sorted(path.partition("?")[0] for path, _ in told) == sorted(r.path for r in made.bitbucket.requests)
    assert sorted(int(status) for _, status in told) == sorted(r.status for r in made.bitbucket.requests)
    of_veza = re.findall(r"DEBUG   [A-Z]+ /api/\S+ of Veza: \d+, \d+ ms$", end.err, re.MULTILINE)
    assert len(of_veza) == len(made.veza.requests) - asked_of_veza
    assert "GET /rest/" not in typed(made, *arguments).err
