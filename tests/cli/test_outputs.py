"""Files that a run writes at its end are looked at before it begins."""

import os
from pathlib import Path

import pytest

from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.errors import ConfigurationError
from tests.cli.conftest import Build

FILES = [
    ("--save-json", "OAA_SAVE_JSON"),
    ("--metrics-file", "OAA_METRICS_FILE"),
    ("--report", "OAA_REPORT"),
]


@pytest.mark.parametrize(("flag", "variable"), FILES)
def test_a_folder_that_is_not_there_is_said_before_the_first_request(
    build: Build, tmp_path: Path, flag: str, variable: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(flag, str(tmp_path / "none" / "file"))
    assert f"{flag} ({variable}): " in str(caught.value)
    assert str(tmp_path / "none") in str(caught.value)
    assert build(flag, str(tmp_path / "file")).warnings == []
    assert list(tmp_path.iterdir()) == [], "nothing is left of the look"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize(("flag", "variable"), FILES)
def test_a_folder_that_may_not_be_written(build: Build, tmp_path: Path, flag: str, variable: str) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match=variable):
        build(flag, str(tmp_path / "file"))


def test_a_name_of_our_choosing_goes_to_the_working_folder(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build("--save-json")
    (tmp_path / ".payload").mkdir()
    with pytest.raises(ConfigurationError, match="--save-json"):
        build("--save-json")
    build("--save-json", "-")


def test_the_demo_too_by_its_own_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", "--metrics-file", str(tmp_path / "none" / "m.prom")]) == 2
    assert "--metrics-file (OAA_DEMO_METRICS_FILE): " in capsys.readouterr().err


def test_where_metrics_can_t_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--bitbucket-url", "http://h", "--metrics-file", str(tmp_path / "none" / "m.prom")]) == 2
    assert capsys.readouterr().err.count("none/m.prom could not be written") == 1
