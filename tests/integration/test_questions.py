"""Questions to the last upload, as the state folder holds it."""

import json
from dataclasses import replace

import pytest

from oaa_bitbucket_async.cli.main import execute
from tests.integration.conftest import Benches


def test_the_last_upload_answers(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    assert execute(["who-can", "read", "*", "--state-dir", str(made.state)]) == 2
    assert "No upload is kept" in capsys.readouterr().err
    assert made.run().code == 0
    capsys.readouterr()
    assert execute(["who-can", "admin", "*", "--json", "--state-dir", str(made.state)]) == 0
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    administrators = {person["name"] for person in answers[0]["people"] if person["highest"] == "admin"}
    assert all(administrators <= {person["name"] for person in answer["people"]} for answer in answers[1:2])
    assert made.bitbucket.user in administrators
    assert "From the upload of 20" in captured.err


def test_where_there_are_several_one_is_named(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    key = made.bitbucket.estate.projects[0].key
    assert made.run().code == 0
    part = replace(made.settings().scope, projects=(key,))
    assert made.run(veza=replace(made.settings().veza, data_source_name="a part"), scope=part).code == 0
    capsys.readouterr()
    asked = ["who-can", "admin", key, "--state-dir", str(made.state)]
    assert execute(asked) == 2
    err = capsys.readouterr().err
    assert "a part" in err
    assert "--data-source-name" in err
    assert execute([*asked, "--data-source-name", "a part"]) == 0
    assert f"only --project {key.upper()}" in capsys.readouterr().out
    assert execute([*asked, "--data-source-name", "nowhere"]) == 2
    assert "'nowhere'" in capsys.readouterr().err
