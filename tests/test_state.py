"""Which files belong to which instance and login: apart where they must be, the same from run to run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login
from oaa_bitbucket_async.state import StatePaths, last_payload_path, state_paths

FOLDER = Path("state")
BASIC = Login(secret=Secret("s3cret-one"), user="collector")
TOKEN = Login(secret=Secret("s3cret-one"))


def paths(
    url: str = "https://git.example.com", login: Login = BASIC, collects: Sequence[str] = ("bitbucket-server - x",)
) -> StatePaths:
    return state_paths(FOLDER, url, login, collects)


def test_the_names_say_whose_they_are() -> None:
    for path in paths():
        assert path.parent == FOLDER
        assert path.name.startswith("git.example.com-")


def test_the_secret_has_no_part_in_them() -> None:
    assert paths(login=Login(secret=Secret("another"), user="collector")) == paths()
    assert "s3cret" not in str(paths())


@pytest.mark.parametrize(
    "url",
    ["https://GIT.example.com", "https://git.example.com:443", "http://git.example.com", "https://git.example.com/"],
)
def test_the_same_instance(url: str) -> None:
    assert paths(url) == paths()


@pytest.mark.parametrize(
    "url", ["https://git.example.com:8443", "https://git.example.com/scm", "https://git2.example.com"]
)
def test_another_instance(url: str) -> None:
    assert paths(url).lock != paths().lock
    assert paths(url).journal != paths().journal


@pytest.mark.parametrize("login", [TOKEN, Login(secret=Secret("s3cret-one"), user="Collector2")])
def test_another_login_to_the_same_instance(login: Login) -> None:
    assert paths(login=login).lock == paths().lock
    assert paths(login=login).journal != paths().journal


@pytest.mark.parametrize("collects", [("another",), ("bitbucket-server - x", "--project CORE"), ()])
def test_what_collects_something_else_has_files_of_its_own(collects: Sequence[str]) -> None:
    assert paths(collects=collects).lock == paths().lock
    others = set(paths(collects=collects)) - {paths().lock}
    assert len(others) == 4
    assert not others & set(paths())


@pytest.mark.parametrize("url", ["https://[2001:db8::1]:7990", "https://bücher.example/..%2f..", "http://" + "x" * 300])
def test_names_that_every_file_system_takes(url: str) -> None:
    for path in paths(url):
        assert path.parent == FOLDER
        assert path.name.isascii()
        assert len(path.name) < 100
        assert not set(path.name) & set('<>:"/\\|?*%')


def last(veza: str = "https://a.vezacloud.com", provider: str = "Bitbucket", data_source: str = "source - x") -> Path:
    return last_payload_path(FOLDER, veza, provider, data_source)


def test_the_last_payload_is_that_of_one_data_source() -> None:
    assert last("https://A.vezacloud.com:443/") == last()
    others = [last("https://b.vezacloud.com"), last(provider="Other"), last(data_source="source - y")]
    others += [last(data_source="Source - X"), last(data_source="source-x")]
    assert len({last(), *others}) == 1 + len(others)


@pytest.mark.parametrize("data_source", ["bitbucket-server - git.example.com", "#$%&*:()!", "x" * 300, "con", "a/..b"])
def test_names_of_data_sources_make_names_of_files(data_source: str) -> None:
    path = last(data_source=data_source)
    assert path.parent == FOLDER
    assert len(path.name) < 110
    assert not set(path.name) & set('<>:"/\\|?*% #')
    assert path.name.endswith(".last-payload.gz")


def test_the_name_says_which_data_source_it_is() -> None:
    assert last(data_source="bitbucket-server - git.example.com").name.startswith("bitbucket-server-git.example.com-")
