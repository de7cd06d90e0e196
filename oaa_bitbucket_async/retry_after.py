"""`Retry-After`: how long a server asks to wait (RFC 9110 section 10.2.3)."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """`Retry-After` in seconds from `now` (epoch seconds): it is a number of seconds or a date. None without one.

    A date is compared with the answer's own `Date` where there is one: our clock may be wrong.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value)) if value.strip()[:1].isdigit() else _seconds_until(value, headers, now)
    except (ValueError, OverflowError):
        return None


def _seconds_until(value: str, headers: Mapping[str, str], now: float) -> float:
    until = _epoch(value)
    date = headers.get("Date")
    try:
        base = _epoch(date) if date else now
    except (ValueError, OverflowError):
        base = now
    return max(0.0, until - base)


def _epoch(date: str) -> float:
    """An HTTP date as epoch seconds: one without a zone is UTC. Raises ValueError or OverflowError."""
    parsed = parsedate_to_datetime(date)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
