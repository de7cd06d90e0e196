"""The page on architecture names what is there."""

import re

from tests.pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "oaa_bitbucket_async"


def test_every_module_and_folder_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w*(?:\.py)?)`", PAGE))
    assert "collect/kinds.py" in named
    assert [name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())] == []


def test_every_room_has_a_row() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == rooms
