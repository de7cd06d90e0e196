"""Payloads that were not uploaded: the last three of a data source stay."""

import asyncio
from pathlib import Path

from oaa_bitbucket_async.run.keeping import keep


def test_the_last_three_of_a_data_source_stay(tmp_path: Path) -> None:
    names = [f"bitbucket-server-git-2026010{day}T000000Z.json.gz" for day in range(1, 6)]
    names[2] += ".incomplete"
    others = ["bitbucket-server-git-2-20260101T000000Z.json.gz", "bitbucket-server-git.last-payload.gz", "x.json.gz"]
    for name in names + others:
        (tmp_path / name).touch()
    kept = asyncio.run(keep(tmp_path, "bitbucket-server - git", b"content"))
    assert kept.path is not None
    assert kept.path.read_bytes() == b"content"
    assert {path.name for path in tmp_path.iterdir()} == {*names[-2:], *others, kept.path.name}


def test_elsewhere_nothing_is_removed(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "no-folder").touch()
    monkeypatch.chdir(tmp_path)
    names = {f"git-2026010{day}T000000Z.json.gz" for day in range(1, 6)}
    for name in names:
        (tmp_path / name).touch()
    kept = asyncio.run(keep(tmp_path / "no-folder", "git", b"content"))
    assert kept.path is not None
    assert names <= {path.name for path in tmp_path.iterdir()}
