"""Replaces secrets in text that is about to leave: log records, tracebacks, error messages.

The second line of defence. The first is that `Secret` never gives its text to anything that prints.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from oaa_bitbucket_async.secret import Secret

_SHORTEST = 4
"""Shorter texts are part of ordinary words; replacing them would only make the log unreadable."""
MASK = "***"
Redact = Callable[[str], str]
"""Text without secrets from text that may hold some: a Redactor, or a test's own."""


class Redactor:
    """Replaces every secret, in each form in which it can stand in a header, a URL, JSON or a `repr`, by `***`."""

    def __init__(self, secrets: Iterable[Secret] = (), *, user: str | None = None) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms |= _forms(secret.reveal(), user)
        patterns = [re.escape(form) for form in sorted(forms, key=len, reverse=True) if len(form) >= _SHORTEST]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def __repr__(self) -> str:
        return "Redactor(***)"


def _forms(secret: str, user: str | None) -> set[str]:
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    for text in (secret, f"{user}:{secret}" if user is not None else secret):
        for encoding in ("utf-8", "latin-1"):
            try:
                raw = text.encode(encoding)
            except UnicodeEncodeError:  # no such form of this secret
                continue
            forms |= {raw.hex(), raw.hex().upper()}
            for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
                forms |= {encoded.decode(), encoded.rstrip(b"=").decode()}
    return forms
