"""A path with a date in its name."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from oaa_bitbucket_async.cli.setting import DatedPath

TYPE = DatedPath(path_type=Path)


def test_the_date_is_that_of_today_in_utc() -> None:
    before, path, after = datetime.now(UTC), TYPE.convert("r-%Y-%m-%dT%H%M%S.html", None, None), datetime.now(UTC)
    written = datetime.strptime(f"{path.name}+0000", "r-%Y-%m-%dT%H%M%S.html%z")
    assert before.replace(microsecond=0) <= written <= after


@pytest.mark.parametrize("text", ["report.html", "a b.html", "r\u00e9port.html", "100%%.html"])
def test_what_holds_no_date_stays_as_it_is(text: str) -> None:
    assert TYPE.convert(text, None, None) == Path(text.replace("%%", "%"))


@pytest.mark.parametrize("text", ["%Q", "r-%", "%%%", "%-d", "%D", "%c", "%s", "100% sure"])
def test_what_is_no_part_of_a_date_is_said(text: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape(repr(text))):
        TYPE.convert(text, None, None)
