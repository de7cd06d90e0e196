"""What incremental runs say of themselves, against the embedded servers."""

import json
from pathlib import Path

from oaa_bitbucket_async.demo.changes import grant
from oaa_bitbucket_async.demo.model import ModelGrant
from oaa_bitbucket_async.settings import Output
from tests.integration.conftest import Benches, Typed
from tests.ops.test_metrics import read_metrics
from tests.servers import Fault


def test_an_hour_is_told_in_every_way(bench: Benches, typed: Typed, tmp_path: Path) -> None:
    made = bench()
    metrics = tmp_path / "m.prom"
    ways = ("--incremental", "--no-progress", "--metrics-file", str(metrics))
    first = typed(made, *ways)
    assert "freshness: a full crawl, not an incremental run: no upload with these settings" in first.err
    assert "change of grants" not in first.err, "there was nothing to compare with"
    estate = made.bitbucket.estate
    grant(estate, "REPO_READ", estate.repositories[0], user=estate.users[5].name)
    end = typed(made, *ways, "--log-format", "json")
    assert end.code == 0, end.err
    last = json.loads(end.err.splitlines()[-1])
    assert (last["mode"], last["full_because"], last["audit_log_usable"]) == ("incremental", None, True)
    assert (last["audit_named_changes"], last["audit_unexplained_changes"], last["unexplained"]) == (1, 0, [])
    assert last["renewed"]["named"] > 0
    assert last["kept"] > 0
    assert last["resumed"] == 0
    assert 0 < last["oldest_answer_seconds"] < 600
    found = read_metrics(metrics)
    assert found["oldest_answer_seconds", ""] == last["oldest_answer_seconds"]
    assert found["renewed_units", "named"] == last["renewed"]["named"]


def test_a_log_that_may_not_be_read_is_told_each_time(bench: Benches, typed: Typed) -> None:
    made = bench()
    made.bitbucket.faults.append(Fault("other-answer", status=401, match="/auditing/"))
    typed(made, "--incremental")
    for _ in range(2):
        end = typed(made, "--incremental")
        assert end.code == 0, end.err
        assert "audit log: can't be read, so incremental runs renew answers by age alone. This login may not" in end.err
        assert "renewed by age; no answer is older than" in end.err


def test_answers_of_the_base_do_not_pass_for_those_of_an_unfinished_run(bench: Benches) -> None:
    made = bench()
    made.run()
    made.bitbucket.faults.append(Fault("other-answer", status=401, match="/more-members", times=1))
    assert made.run(incremental=True).code == 3
    path = made.state / "m.prom"
    assert made.run(incremental=True, output=Output(progress=False, metrics_file=path)).code == 0
    found = read_metrics(path)
    assert 0 < found["resumed_units", ""] < 30, "members of groups, and the little that was asked by age"
    assert found["kept_units", ""] > 100


def test_what_changed_past_the_log_is_named_by_its_place(bench: Benches, typed: Typed, tmp_path: Path) -> None:
    made = bench()
    ways = ("--incremental", "--max-age", "0.0001", "--report-dir", str(tmp_path / "report"))
    typed(made, *ways)
    repository = made.bitbucket.estate.repositories[0]
    repository.user_grants.append(ModelGrant(made.bitbucket.estate.users[5].name, "REPO_READ"))  # in the database
    end = typed(made, *ways)
    assert end.code == 0, end.err
    path = f"{repository.project.key}/{repository.slug}"
    assert f"unexplained: 1 change that the audit log did not name: {path}" in end.err
    assert "freshness: the audit log named 0 of 1 change; " in end.err
    table = (tmp_path / "report" / "unexplained-changes.csv").read_text("utf-8")
    assert table.splitlines() == ["project or repository", path]
