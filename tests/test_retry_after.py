"""`Retry-After`: a number of seconds, or a date by the server's own clock."""

import math
import time
from email.utils import formatdate

import pytest
from multidict import CIMultiDict

from oaa_bitbucket_async.retry_after import retry_after

NOW = 1_700_000_000.0
AT = {"Retry-After": formatdate(NOW + 90, usegmt=True)}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "99999999999"}, 99999999999.0),
        ({"Retry-After": "9e999"}, math.inf),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Sun, 06 Nov 99999999999 08:49:37 GMT"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 +99999999"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        (AT, 90.0),
        ({**AT, "Date": formatdate(NOW + 60, usegmt=True)}, 30.0),
        ({**AT, "Date": "the day before yesterday"}, 90.0),
        ({**AT, "Date": "Sun, 06 Nov 99999999999 08:49:37 GMT"}, 90.0),
        ({"Retry-After": "Tue Nov 14 22:14:50 2023"}, 90.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:14:50 -0000"}, 90.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        assert retry_after(CIMultiDict(headers), NOW) == seconds
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()
