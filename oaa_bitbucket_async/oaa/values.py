"""Bitbucket's values as Veza takes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from oaaclient.utils import truncate_string

DESCRIPTION_BYTES = 256
PROPERTY_CHARACTERS = 4096
"""Longest value of a string property (Veza's documentation of OAA custom properties)."""

LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999, the last that RFC 3339 can write."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PropertyValue = str | bool | int | list[str]


def timestamp(milliseconds: int) -> str | None:
    """Milliseconds since 1970 as RFC 3339 in UTC; None for a time that is no time (zero, negative, after 9999)."""
    if not 0 < milliseconds <= LAST_MILLISECOND:
        return None
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")[:-6] + "Z"


def description(text: str | None) -> str | None:
    """Cut to what Veza takes: 256 bytes of UTF-8, never within a character."""
    if not text or (len(text) <= DESCRIPTION_BYTES and text.isascii()):
        return text or None
    cut: str = truncate_string(text, DESCRIPTION_BYTES)
    return cut or None


def properties(values: Mapping[str, PropertyValue | None]) -> dict[str, PropertyValue]:
    """Property values without the absent and the empty ones, strings cut to what Veza takes."""
    return {
        name: value[:PROPERTY_CHARACTERS] if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


def named(text: str, fallback: str) -> str:
    """`text`, or `fallback` where it is blank: Veza shows a thing by its name."""
    return text if text.strip() else fallback
