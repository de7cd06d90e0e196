"""`--report` in whole runs: what the page says must be what happened."""

import csv
import io
import json
import os
import re
import signal
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate
from tests.access.from_payload import FromPayload
from tests.integration.conftest import SMALL, Benches, Typed
from tests.integration.process import Process, ended
from tests.ops.report.page_reader import Page, safe
from tests.servers import Capacity, Fault, RiggedOptions

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
NO_CHECK_OF_VEZA = """
import oaa_bitbucket_async.run.main_job as job
async def _nothing(_): pass
job.check_veza = _nothing
"""
"""The key is found wrong in the upload only, as if it had been taken back during the crawl."""


def read(path: Path) -> Page:
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    return Page(path.read_bytes())


def figure(page: Page, label: str) -> int:
    found = re.search(rf"([\d,]+) {label}", page.text)
    assert found, f"no figure for {label}"
    return int(found[1].replace(",", ""))


def hostile() -> Estate:
    estate = generate(SMALL)
    for project in estate.projects:
        project.name = f"{SCRIPT}{project.name}"
    for user in estate.users:
        user.display_name = f"{IMAGE}{user.display_name}"
    for repository in estate.repositories:
        repository.name = f"{SCRIPT}{repository.name}"
    estate.changed()
    return estate


def test_a_run_writes_what_it_uploaded(bench: Benches, tmp_path: Path, typed: Typed) -> None:
    made, path = bench(), tmp_path / "report.html"
    end = typed(made, OAA_REPORT=str(path))
    assert end.code == 0, end.err
    end.said(f"the report is in {path}")
    page = read(path)
    safe(page, made.bitbucket.url)
    assert "Complete, and uploaded to Veza." in page.text
    assert "No earlier payload is known" in page.text
    payload = FromPayload(made.veza.pushed[-1].decoded())
    assert page.source.count("<svg") == 6

    first = 1 + next(n for n, row in enumerate(page.rows) if row[:2] == [["user"], ["may read"]])
    (name, *_), (reads,), (writes,), (administers,) = page.rows[first]
    user = next(int(key) for key, one in payload.users.items() if one["name"] == name)
    levels = [payload.on_repository(user, int(key)) for key in payload.repositories]
    assert (reads, writes, administers) == (
        f"{len(levels) - levels.count('none'):,}",
        f"{levels.count('write') + levels.count('admin'):,}",
        f"{levels.count('admin'):,}",
    )


def test_the_second_run_compares_with_the_first(bench: Benches, tmp_path: Path, typed: Typed) -> None:
    made, path = bench(), tmp_path / "report.html"
    assert typed(made).code == 0
    gone = made.bitbucket.estate.repositories.pop()
    made.bitbucket.estate.changed()
    end = typed(made, "--report", str(path))
    assert end.code == 0, end.err
    page = read(path)
    assert "Compared with what was uploaded on" in page.text
    assert f"{gone.project.key}/{gone.slug} repository − gone" in page.text


def test_names_from_bitbucket_stay_text(bench: Benches, tmp_path: Path, typed: Typed) -> None:
    made, path = bench(estate=hostile()), tmp_path / "report.html"
    end = typed(made, "--report", str(path), "--dry-run")
    assert end.code == 0, end.err
    page = read(path)
    safe(page, made.bitbucket.url)
    assert SCRIPT in page.text
    assert IMAGE in page.text
    assert "A dry run: nothing was uploaded." in page.text


@pytest.mark.parametrize("partial", [False, True])
def test_an_incomplete_run_says_so_at_the_top(bench: Benches, tmp_path: Path, partial: bool, typed: Typed) -> None:
    made = bench(faults=[Fault("lost-right", match=r"/repos/[^/]+/permissions/users", times=2)])
    path = tmp_path / "report.html"
    end = typed(made, "--report", str(path), *(["--allow-partial"] if partial else []))
    assert end.code == 3, end.err
    page = read(path if partial else path.with_name("report.failed.html"))
    assert path.exists() == partial
    safe(page, made.bitbucket.url)
    top = page.text.split("What deserves action")[0]
    how = "but uploaded" if partial else "nothing was uploaded"
    assert f"Incomplete, {how}: 2 parts could not be collected." in top
    assert page.text.split("What is missing, and why")[-1].count("user permissions of repository") == 2


def test_a_run_that_veza_refuses_keeps_its_report(bench: Benches, tmp_path: Path) -> None:
    made, path = bench(), tmp_path / "report.html"
    end = Process(made, "--report", str(path), first=NO_CHECK_OF_VEZA, VEZA_API_KEY="wrong-key").end()
    assert end.code == 5, end.err
    page = read(tmp_path / "report.failed.html")
    assert "Everything was collected, but Veza refused it." in page.text
    assert "The payload is kept in" in page.text
    assert figure(page, "repositories") == len(made.bitbucket.estate.repositories)


def test_a_run_that_is_stopped_in_the_crawl_tells_how_far_it_went(bench: Benches, tmp_path: Path) -> None:
    made = bench(RiggedOptions(capacity=Capacity(slots=4, service="fixed", seconds=0.05)))
    path, folder = tmp_path / "report.html", tmp_path / "report"
    path.write_text("yesterday's")
    process = Process(made, "--report", str(path), "--report-dir", str(folder))
    process.until_requests(40)
    process.send(signal.SIGTERM)
    end = process.end()
    assert end.code == 143, end.err
    end.said(f"the report is in {tmp_path / 'report.failed.html'}; {path} stays as it was")
    assert path.read_text() == "yesterday's"
    assert [one.name for one in tmp_path.glob("report*/*.html")] == ["index.html"]
    assert (tmp_path / "report.failed" / "index.html").exists()
    page = read(tmp_path / "report.failed.html")
    safe(page, made.bitbucket.url)
    assert "Interrupted, nothing was uploaded." in page.text
    assert "The crawl did not finish." in page.text
    assert "What deserves action" not in page.text


def test_a_folder_has_the_page_and_every_list_whole(bench: Benches, tmp_path: Path, typed: Typed) -> None:
    made, folder = bench(estate=hostile()), tmp_path / "access-%Y"
    end = typed(made, "--include", "tokens", OAA_REPORT_DIR=str(folder))
    assert end.code == 0, end.err
    (folder,) = tmp_path.glob("access-2*")
    end.said(f"the report is in {folder}")
    tables = {one.name: list(csv.reader(io.StringIO(one.read_text("utf-8")))) for one in folder.glob("*.csv")}
    page = read(folder / "index.html")
    safe(page, made.bitbucket.url, tables)
    for what, key in (("tokens that never expire", "tokens-that-never-expire"), ("people who", "administrators")):
        assert len(tables[f"{key}.csv"]) - 1 == figure(page, what) > 0
    assert "unprotected-default-branches.csv" not in tables
    end = typed(made, OAA_REPORT_DIR=str(folder))
    assert end.code == 0, end.err
    assert not (folder / "tokens-that-never-expire.csv").exists(), "replaced as a whole"


def test_a_path_that_can_not_be_written_ends_the_run_before_it_begins(
    bench: Benches, tmp_path: Path, typed: Typed
) -> None:
    made = bench()
    for path in (tmp_path / "none" / "report.html", tmp_path):
        end = typed(made, OAA_REPORT=str(path))
        assert end.code == 2, end.err
        assert "--report" in end.err
        assert str(path) in end.err
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis").write_text("")
    for flags, words in (
        (["--report-dir", str(tmp_path / "report")], "contains files that no report wrote: thesis"),
        (["--report", "report-%Q.html"], "'%Q' in 'report-%Q.html' is no part of a date"),
        (["--report-dir", "report-%"], "'%' in 'report-%' is no part of a date"),
        (["--report-dir", str(tmp_path / "new"), "--report", str(tmp_path / "new" / "x.html")], "--report"),
    ):
        end = typed(made, *flags)
        assert end.code == 2, end.err
        assert words in " ".join(end.err.split())
    assert made.bitbucket.requests == []
    assert list(tmp_path.glob("**/*.tmp")) == []


def test_a_report_that_can_not_be_written_in_the_end_does_not_cost_the_run(bench: Benches, tmp_path: Path) -> None:
    made = bench(RiggedOptions(capacity=Capacity(slots=4, service="fixed", seconds=0.01)))
    folder = tmp_path / "folder"
    folder.mkdir()
    process = Process(made, "--report", str(folder / "report.html"), "--log-format", "json")
    process.until_requests(5)
    folder.rename(tmp_path / "moved")
    end = process.end()
    assert end.code == 0, end.err
    assert "report-failed" in [json.loads(line)["event"] for line in end.err.splitlines()]


def test_the_demo_leaves_one_beside_the_payload(bench: Benches, tmp_path: Path) -> None:
    end = ended(bench(), "demo", "--repositories", "20", OAA_REPORT=str(tmp_path / "real"), cwd=tmp_path)
    assert end.code == 0, end.err
    assert not (tmp_path / "real").exists()
    page = read(tmp_path / "demo-report.html")
    assert "Complete, and uploaded to Veza." in page.text
