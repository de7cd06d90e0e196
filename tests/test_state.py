"""Which files belong to which instance and login: apart where they must be, the same from run to run."""

from pathlib import Path

import pytest

from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login
from oaa_bitbucket_async.state import StatePaths, state_paths

FOLDER = Path("state")
BASIC = Login(secret=Secret("s3cret-one"), user="collector")
TOKEN = Login(secret=Secret("s3cret-one"))


def paths(url: str = "https://git.example.com", login: Login = BASIC) -> StatePaths:
    return state_paths(FOLDER, url, login)


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


@pytest.mark.parametrize("url", ["https://[2001:db8::1]:7990", "https://bücher.example/..%2f..", "http://" + "x" * 300])
def test_names_that_every_file_system_takes(url: str) -> None:
    for path in paths(url):
        assert path.parent == FOLDER
        assert path.name.isascii()
        assert len(path.name) < 100
        assert not set(path.name) & set('<>:"/\\|?*%')
