import os
from pathlib import Path

import pytest

from oaa_bitbucket_async.cli.secrets_from import SecretError, read_secret


def test_from_the_variable() -> None:
    secret, warnings = read_secret("T", {"T": "hunter2", "T_FILE": ""})
    assert secret is not None
    assert (secret.reveal(), warnings) == ("hunter2", [])


def test_neither() -> None:
    assert read_secret("T", {"T": "", "T_FILE": ""}) == (None, [])


@pytest.mark.parametrize(
    ("content", "token", "password"),
    [
        (b"hunter2", "hunter2", "hunter2"),
        (b"hunter2\n", "hunter2", "hunter2"),
        (b"hunter2\r\n", "hunter2", "hunter2"),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2", "hunter2"),
        (b" hunter2 \n", "hunter2", " hunter2 "),
        (b"\n\thunter2\n\n", "hunter2", None),
        ("\xa0hunter2\u2003".encode(), "hunter2", "\xa0hunter2\u2003"),
        ("pässword".encode(), "pässword", "pässword"),
        (b"hunter 2", "hunter 2", "hunter 2"),
    ],
)
@pytest.mark.parametrize("file", [True, False])
def test_white_space_around_a_token_is_left_off_and_a_password_stays(
    tmp_path: Path, content: bytes, token: str, password: str | None, file: bool
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    variables = {"T_FILE": str(path)} if file else {"T": content.decode("utf-8-sig")}
    secret, _ = read_secret("T", variables)
    assert secret is not None
    assert secret.reveal() == token
    if password is None or (not file and content.endswith(b"\n")):
        with pytest.raises(SecretError, match="line break"):
            read_secret("T", variables, password=True)
    else:
        secret, _ = read_secret("T", variables, password=True)
        assert secret is not None
        assert secret.reveal() == password


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"  \n", b"hunter2\nx\n", b"\xffhunter2", "hunter2€".encode(), b"h\x00", b"x" * 70000],
)
def test_a_file_that_can_hold_no_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(SecretError, match="T_FILE") as raised:
        read_secret("T", {"T_FILE": str(path)})
    assert "hunter2" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(SecretError, match="T or T_FILE"):
            read_secret("T", {"T_FILE": str(path)})


def test_both() -> None:
    with pytest.raises(SecretError, match="T and T_FILE") as raised:
        read_secret("T", {"T": "hunter2", "T_FILE": "x"})
    assert "hunter2" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o600, None),
        (0o400, None),
        (0o700, None),
        (0o640, "read by its group"),
        (0o620, "written by its group"),
        (0o604, "read by every user"),
        (0o602, "written by every user"),
        (0o666, "written by every user"),
    ],
)
def test_a_file_that_others_or_the_group_can_read_or_write_is_warned_of(
    tmp_path: Path, mode: int, words: str | None
) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2")
    path.chmod(mode)
    try:
        warnings = read_secret("T", {"T_FILE": str(path)})[1]
    except SecretError:
        pytest.skip("this account can't read what it may not read")
    assert len(warnings) == (words is not None)
    for warning in warnings:
        assert str(words) in warning
        assert "chmod 600" in warning
        assert "hunter2" not in warning
