"""`--check`: its estimate in one table, and all of it for programs."""

import json

from oaa_bitbucket_async.demo.changes import grant
from oaa_bitbucket_async.settings import Include
from tests.integration.conftest import Benches, Typed
from tests.servers import Fault


def test_one_table_has_the_run_and_each_include(bench: Benches, typed: Typed) -> None:
    end = typed(bench(), "--check", "--include", "tokens", "--rate-limit", "5")
    assert end.code == 0, end.err
    assert "at 5/s" in end.out
    table = end.out.partition("Requests:")[2].splitlines()[2 : 3 + len(Include)]
    names = [row.split("  ")[1 if row.startswith("  a run") else 2].strip() for row in table]
    assert names == ["a run", *(f"in it {i}" if i is Include.TOKENS else f"+ {i}" for i in Include)]
    assert max(map(len, table)) < 60


def test_for_programs(bench: Benches, typed: Typed) -> None:
    made = bench()
    end = typed(made, "--check", "--json", "--include", "tokens", "--rate-limit", "5")
    assert end.code == 0, end.err
    found = json.loads(end.out)
    assert (found["exit_code"], found["error"]) == (0, None)
    assert (found["version"], found["login"], found["administrator"]) == ("9.4.0", "basic", True)
    assert found["veza"] == {"url": made.veza.url, "data_source": "bitbucket-server - test"}
    assert found["repositories"] == 40
    beforehand = 10  # what preflight asks is not counted
    assert 0 <= made.run(include=frozenset({Include.TOKENS})).requests - found["requests"] < beforehand
    assert found["seconds"] == round(found["requests"] / 5, 1)
    assert found["include"].keys() == set(Include)
    assert found["include"]["tokens"]["in_run"]
    assert not found["include"]["settings"]["in_run"]
    assert found["include"]["settings"]["at_most"] == 40


def test_for_programs_an_error_too(bench: Benches, typed: Typed) -> None:
    made = bench()
    end = typed(made, "--check", "--json", BITBUCKET_TOKEN="wrong-one")
    assert end.code == 4
    found = json.loads(end.out)
    assert found["exit_code"] == 4
    assert "refused the user name or password" in found["error"]
    assert end.err.splitlines()[-1].startswith("Error: ")
    assert "wrong-one" not in end.out + end.err


def test_without_a_check_there_is_nothing_to_give(bench: Benches, typed: Typed) -> None:
    end = typed(bench(), "--json")
    assert end.code == 2
    assert "--json (OAA_CHECK_JSON)" in end.err


def test_what_the_audit_log_is_good_for(bench: Benches, typed: Typed) -> None:
    made = bench()
    estate = made.bitbucket.estate
    grant(estate, "REPO_READ", estate.repositories[0], user=estate.users[5].name)
    told = typed(made, "--check").out
    assert "Audit log:   can be read; " in told
    assert "covers all that is needed" in told
    assert "2 that the audit log names" in told
    assert "requests a day, beside " in told
    made.bitbucket.audit.set_coverage("permissions", "off")
    found = json.loads(typed(made, "--check", "--json").out)
    log = found["audit_log"]
    assert (log["readable"], log["reaches_back_days"]) == (True, 0)
    assert log["rows_an_hour"] > 0
    assert log["bytes_an_hour"] > 0
    assert log["doubts"] == ["The audit log's coverage is off for permissions. Set it to Base."]
    assert found["incremental"]["full_run_requests"] == found["requests"]
    assert 0 < found["incremental"]["requests"] < found["requests"]


def test_without_the_right_it_says_so_and_what_is_left(bench: Benches, typed: Typed) -> None:
    made = bench()
    made.bitbucket.faults.append(Fault("other-answer", status=401, match="/auditing/"))
    end = typed(made, "--check", "--json")
    assert end.code == 0, "incremental runs are possible without it, and so is a full one"
    found = json.loads(end.out)
    assert found["audit_log"]["readable"] is False
    assert found["audit_log"]["why"].startswith("This login may not read the audit log: the account needs the global")
    assert found["incremental"]["named"] == 0
    assert found["incremental"]["by_age"] > 0
    assert "Incremental runs renew answers by age alone." in typed(made, "--check").out
