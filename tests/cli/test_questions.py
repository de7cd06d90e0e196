"""`who-can` and `what-can` as their user meets them."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.oaa.payload import build_payload
from tests.oaa.estates import INSTANCE

USERS = [rows.User(id=n, name=name, slug=name) for n, name in enumerate(["=ann", "bob", "cat\x1b[2J"], 1)]
CORE = rows.Project(id=10, key="CORE", name="Core")
BILLING = rows.Repository(id=100, slug="billing", name="Billing", project=CORE)


def snapshot() -> Snapshot:
    made = Snapshot(INSTANCE)
    for user in USERS:
        made.add_user(user, listed=True)
    made.add_group("makers", listed=True)
    made.add_members("makers", [user.id for user in USERS])
    made.add_global_grants([rows.UserGrant(user=user, permission="LICENSED_USER") for user in USERS], 1.0)
    made.add_project(CORE)
    made.add_repository(BILLING)
    grants = [
        rows.GroupGrant(group=rows.Group(name="makers"), permission="REPO_READ"),
        rows.UserGrant(user=USERS[0], permission="REPO_WRITE"),
    ]
    made.add_repository_grants(BILLING.id, grants, 1.0)
    return made


def written(path: Path, made: Snapshot) -> str:
    path.write_bytes(build_payload(made).compressed)
    return str(path)


@pytest.fixture
def payload(tmp_path: Path) -> str:
    return written(tmp_path / "payload.json.gz", snapshot())


def test_who_can_for_a_person(
    payload: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert execute(["who-can", "read", "CORE/billing", "--payload", payload]) == 0
    out = capsys.readouterr().out
    assert out.startswith("From the payload of 20")
    assert "all of the instance" in out
    assert "3 people can read CORE/billing" in out
    assert "group makers → REPO_READ" in out
    assert "\x1b" not in out, "a name must not steer a terminal"
    assert execute(["who-can", "read", "CORE/billing", "--payload", payload, "--limit", "1"]) == 0
    assert "… and 2 more" in capsys.readouterr().out


def test_nobody_is_exit_code_1(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["who-can", "admin", "CORE/billing", "--payload", payload]) == 1
    assert "Nobody can administer CORE/billing" in capsys.readouterr().out


def test_json_is_one_object_a_line_and_place(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["who-can", "write", "*", "--payload", payload, "--json"]) == 0
    captured = capsys.readouterr()
    project, repository = map(json.loads, captured.out.splitlines())
    assert (project["place"], project["people"], project["reach_repositories"]) == ("CORE", [], 1)
    assert repository["place"] == "CORE/billing"
    assert repository["level"] == "write"
    assert repository["people"] == [
        {
            "name": "=ann",
            "id": 1,
            "highest": "write",
            "active": True,
            "licensed": True,
            "ways": [
                {"kind": "own", "through": None, "permission": "REPO_WRITE", "on": "CORE/billing"},
                {"kind": "group", "through": "makers", "permission": "REPO_READ", "on": "CORE/billing"},
            ],
            "credentials": [],
        }
    ]
    assert "From the payload" in captured.err, "where the answer comes from does not disturb the program that reads it"


def test_csv_has_a_row_for_each_way_and_no_formula(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["who-can", "write", "CORE/billing", "--payload", payload, "--csv"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["kind"], row["permission"]) for row in found] == [
        ("'=ann", "own", "REPO_WRITE"),
        ("'=ann", "group", "REPO_READ"),
    ]
    assert found[0]["active"] == "true"


def test_what_can(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["what-can", "BOB", "--payload", payload, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["user"] == "bob"
    assert [(place["place"], place["highest"]) for place in told["places"]] == [("CORE/billing", "read")]
    assert told["global_permissions"] == ["LICENSED_USER"]
    assert execute(["what-can", "group:MAKERS", "--payload", payload]) == 0
    assert "group makers reaches 1 place" in capsys.readouterr().out
    assert execute(["what-can", "built-in:licensed-users", "--payload", payload, "--csv"]) == 1
    assert capsys.readouterr().out == "name,place,highest,kind,through,permission,on\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["who-can", "read", "COER"], ["no project COER", "CORE"]),
        (["who-can", "read", "CORE/biling"], ["no repository CORE/biling", "CORE/billing"]),
        (["who-can", "read", "X*"], ["no project X*"]),
        (["what-can", "bop"], ["no user bop", "bob"]),
        (["what-can", "group:maker"], ["no group maker", "group:makers"]),
    ],
)
def test_what_is_not_there_is_exit_code_2_with_the_nearest_names(
    payload: str, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*arguments, "--payload", payload]) == 2
    err = capsys.readouterr().err
    assert all(word in err for word in words), err


def test_a_payload_of_another_collector(
    tmp_path: Path, payload: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.json"
    application = {"name": "Acme", "application_type": "Wiki", "local_users": [], "local_groups": [], "resources": []}
    other.write_text(json.dumps({"applications": [application], "permissions": [], "identity_to_permissions": []}))
    assert execute(["what-can", "bob", "--payload", str(other)]) == 2
    assert "'Acme', an application of the type 'Wiki'" in capsys.readouterr().err
    other.write_text("[]")
    assert execute(["what-can", "bob", "--payload", str(other)]) == 2
    assert "is not an OAA application payload" in capsys.readouterr().err
    with Path(payload).open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert execute(["what-can", "bob", "--payload", "-"]) == 0


def test_a_payload_that_lacks_something_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = snapshot()
    made.missing |= {Missing("global", ""), Missing("repository", BILLING.id)}
    payload = written(tmp_path / "part.json.gz", made)
    assert execute(["who-can", "read", "CORE/billing", "--payload", payload]) == 0
    out = capsys.readouterr().out
    assert "global permissions could not be read" in out
    assert "there may be more" in out


def test_a_form_is_one_of_two(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["what-can", "bob", "--payload", payload, "--csv", "--json"]) == 2
    assert "can't be used together" in capsys.readouterr().err


def test_a_bug_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise ZeroDivisionError

    assert Invocation().guard(broken, is_run=False) == 70, "1 means that nobody can, or that something changed"
    assert Invocation().guard(broken) == 1
    assert "This is a bug" in capsys.readouterr().err
