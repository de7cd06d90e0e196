"""`diff` as its user meets it."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.oaa.payload import build_payload
from tests.oaa.estates import INSTANCE, snapshot_of, steps_of


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return _write(tmp_path / "old.json", [1, 9, 11])


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return _write(tmp_path / "new.json.gz", [9, 12])


def _write(path: Path, seeds: list[int]) -> Path:
    payload = build_payload(snapshot_of([step for seed in seeds for step in steps_of(seed)]))
    path.write_bytes(payload.compressed if path.suffix == ".gz" else b"".join(payload.json_chunks()))
    return path


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    decoded = json.loads(capsys.readouterr().out)
    assert isinstance(decoded, dict)
    return decoded


def test_nothing_changed(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["diff", str(old), str(old)]) == 0
    captured = capsys.readouterr()
    assert captured.out == "Nothing changed.\n"
    assert captured.err == ""
    assert execute(["diff", "--json", str(old), str(old)]) == 0
    assert _json(capsys)["changed"] is False


def test_what_changed_for_a_person_is_counted_and_cut(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert execute(["diff", str(old), str(new), "--json"]) == 1
    whole = _json(capsys)
    assert execute(["diff", str(old), str(new), "--limit", "3"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    grants = whole["grants"]
    row = [f"{grants[name]:,}" for name in ("before", "after", "added", "removed")]
    assert ["Grants", *row] in [line.split() for line in captured.out.splitlines()]
    changed = grants["added"] + grants["removed"]
    assert changed > 3
    section = captured.out.split("\nGrants\n")[1].split("\n\n")[0].splitlines()
    assert len(section) == 4
    assert all(line[:2] in ("+ ", "- ") for line in section[:3])
    assert section[3] == f"… and {changed - 3:,} more"


def test_without_a_limit_json_has_all_and_with_one_that_many(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["diff", str(old), str(new), "--json"]) == 1
    whole = _json(capsys)
    kinds = ["grants", "members", "users", "groups", "projects", "repositories", "credentials"]
    assert list(whole) == ["changed", *kinds]
    for kind in list(whole.values())[1:]:
        assert (len(kind["added_examples"]), len(kind["removed_examples"])) == (kind["added"], kind["removed"])
    assert execute(["diff", str(old), str(new), "--json", "--limit", "1"]) == 1
    cut = _json(capsys)
    assert cut["grants"]["added"] == whole["grants"]["added"] > 1
    assert cut["grants"]["added_examples"] == whole["grants"]["added_examples"][:1]
    assert set(cut["grants"]["added_examples"][0]) == {"holder", "holder_kind", "permission", "on", "on_kind"}


def test_there_and_back(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(["diff", str(old), str(new), "--json"])
    there = _json(capsys)
    execute(["diff", str(new), str(old), "--json"])
    back = _json(capsys)
    for kind in list(there)[1:]:
        assert there[kind]["added"] == back[kind]["removed"]
        assert there[kind]["removed"] == back[kind]["added"]


def test_a_limit_of_nothing_counts_only(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["diff", str(old), str(new), "--limit", "0"]) == 1
    out = capsys.readouterr().out
    assert "Grants" in out
    assert "\n+ " not in out
    assert "\n- " not in out


def test_another_level_stands_below_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from oaa_bitbucket_async.bitbucket import rows

    def payload(name: str, permission: str) -> str:
        snapshot = Snapshot(INSTANCE)
        project = rows.Project(id=1, key="CORE", name="Core", type="NORMAL")
        snapshot.add_project(project)
        snapshot.add_repository(rows.Repository(id=2, slug="billing", name="Billing", project=project))
        for n in range(3):
            user = rows.User(id=n, name=f"user{n}\x1b[31m")
            snapshot.add_user(user, listed=True)
            grant = rows.UserGrant(user=user, permission=permission if n == 1 else "REPO_ADMIN")
            snapshot.add_repository_grants(2, [grant], 1.0)
        path = tmp_path / name
        path.write_bytes(build_payload(snapshot).compressed)
        return str(path)

    assert execute(["diff", payload("old", "REPO_READ"), payload("new", "REPO_WRITE")]) == 1
    out = capsys.readouterr().out
    assert out.endswith(
        "- user1\\x1b[31m: REPO_READ on CORE/billing\n+ user1\\x1b[31m: REPO_WRITE on CORE/billing\n"
    ), "control characters are spelled out"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["OLD"], "NEW"),
        (["OLD", "no/such/file"], "no/such/file"),
        (["OLD", __file__], "is not an OAA application payload"),
        (["BAD", "OLD"], "is damaged"),
        (["-", "-"], "Only one"),
        (["OLD", "OLD", "--limit", "-1"], "OAA_DIFF_LIMIT"),
    ],
)
def test_what_can_not_be_compared_exits_2(
    old: Path, tmp_path: Path, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.gz"
    bad.write_bytes(gzip.compress(old.read_bytes())[:-20])
    names = {"OLD": str(old), "BAD": str(bad)}
    assert execute(["diff", *(names.get(argument, argument) for argument in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert word in captured.err
    assert "Traceback" not in captured.err


def test_the_environment_switches_too(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAA_DIFF_JSON", "1")
    monkeypatch.setenv("OAA_DIFF_LIMIT", "1")
    monkeypatch.setenv("OAA_LOG_FORMAT", "json")
    assert execute(["diff", str(old), str(new)]) == 1
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["grants"]["added_examples"]) == 1
    assert captured.err == "", "a difference is no failure"


def _process(*arguments: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "oaa_bitbucket_async", "diff", *arguments], capture_output=True, timeout=60, **more
    )


def test_one_of_them_from_standard_input(old: Path, new: Path) -> None:
    ended = _process(str(old), "-", "--json", input=new.read_bytes())
    assert ended.returncode == 1, ended.stderr
    assert json.loads(ended.stdout)["changed"]
    assert _process("-", str(new), input=new.read_bytes()).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_whoever_stops_reading_gets_no_traceback(old: Path, new: Path) -> None:
    for more in ("--json", "--limit=100000"):
        command = f"{sys.executable} -m oaa_bitbucket_async diff {old} {new} {more}; echo $? >&2"
        ended = subprocess.run(
            ["bash", "-c", f"({command}) | true"], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.stderr.strip() in ("1", "141"), ended.stderr
