import os
from pathlib import Path

import pytest

from oaa_bitbucket_async.cli.secrets_from import SecretError, read_secret


def _read(path: Path) -> str:
    secret, _ = read_secret("T", {"T_FILE": str(path)})
    assert secret is not None
    return secret.reveal()


def test_from_the_variable() -> None:
    secret, warnings = read_secret("T", {"T": "hunter2", "T_FILE": ""})
    assert secret is not None
    assert (secret.reveal(), warnings) == ("hunter2", [])


def test_neither() -> None:
    assert read_secret("T", {"T": "", "T_FILE": ""}) == (None, [])


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
        (b" hunter2 \n", " hunter2 "),
        ("pässword".encode(), "pässword"),
    ],
)
def test_from_a_file(tmp_path: Path, content: bytes, secret: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert _read(path) == secret


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"  \n", b"hunter2\n\n", b"hunter2\nx\n", b"\xffhunter2", "hunter2€".encode(), b"h\x00", b"x" * 70000],
)
def test_a_file_that_can_hold_no_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(SecretError, match="T_FILE") as raised:
        _read(path)
    assert "hunter2" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(SecretError, match="T or T_FILE"):
            _read(path)


def test_both() -> None:
    with pytest.raises(SecretError, match="T and T_FILE") as raised:
        read_secret("T", {"T": "hunter2", "T_FILE": "x"})
    assert "hunter2" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2")
    path.chmod(0o640)
    assert read_secret("T", {"T_FILE": str(path)})[1] == []
    path.chmod(0o644)
    (warning,) = read_secret("T", {"T_FILE": str(path)})[1]
    assert "chmod 600" in warning
    assert "hunter2" not in warning
