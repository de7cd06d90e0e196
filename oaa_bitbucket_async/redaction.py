"""Replaces secrets in text before it is shown: log records, tracebacks, error messages.

The second line of defence. The first is that `Secret` never gives its text to anything that prints.
"""

import base64
import re
from collections.abc import Callable, Iterable
from html.entities import codepoint2name

from oaa_bitbucket_async.proxies import all_proxies
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Veza

_SHORTEST = 4
"""Shorter texts occur in ordinary words. Replacing them would only make the log unreadable."""
_SHORTEST_PART = 8
"""If a text was cut, a secret's beginning of at least this length is masked."""
MASK = "***"
CUT = "…"
"""Stands where a text was cut."""
Redact = Callable[[str], str]
"""Text without secrets from text that may hold some: a Redactor, or a test's own."""

_CUTS = re.compile(r"…|\.\.\.|\Z")
_BEGUN = re.compile(r"[%&\\][#%\\\w]{0,9}")
"""What is left of an escaped character where the cut went through it."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
"""Characters that no escaping of URLs, JSON or HTML changes."""

_Form = list[str]
"""One way to write a secret: a pattern for each of its characters, however that is escaped."""


class Redactor:
    """Replaces every secret, in each form in which it can stand in a header, a URL, JSON, HTML or a `repr`, by `***`.

    Where a text was cut (at a `…`) the beginning of a secret is replaced as well.
    """

    def __init__(self, secrets: Iterable[Secret] = (), *, user: str | None = None) -> None:
        texts = {text for secret in secrets for text in _texts(secret.reveal(), user) if len(text) >= _SHORTEST}
        self._forms: list[_Form] = [
            [_unit(part) for part in re.findall(r"\s+|\S", text)]
            for text in sorted(texts, key=lambda text: (-len(text), text))
        ]
        self._pattern = re.compile("|".join(map("".join, self._forms))) if self._forms else None
        self._heads = [
            (re.compile("".join(form[:_SHORTEST_PART])), form) for form in self._forms if len(form) > _SHORTEST_PART
        ]

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        if self._pattern is None:
            return text
        text = self._pattern.sub(MASK, text)
        return self._without_parts(text) if CUT in text or "..." in text else text

    def __repr__(self) -> str:
        return "Redactor(***)"

    def _without_parts(self, text: str) -> str:
        """Without the beginnings of secrets that end where the text was cut."""
        done, begin = "", 0
        for cut in _CUTS.finditer(text):
            if not cut[0]:  # the end, which only a mark makes a cut
                break
            part = text[begin : cut.start()]
            starts = [found for head, form in self._heads if (found := _begins(part, head, form)) is not None]
            done += (part[: min(starts)] + MASK if starts else part) + cut[0]
            begin = cut.end()
        return done + text[begin:]


def redactor_of(login: Login | None, veza: Veza) -> Redactor:
    """Knows every secret of a run: Bitbucket's and Veza's, and the passwords of proxies."""
    secrets = [*([login.secret] if login else []), *([veza.api_key] if veza.api_key else []), *proxy_secrets()]
    return Redactor(secrets, user=login.user if login else None)


def proxy_secrets() -> list[Secret]:
    """The passwords in HTTPS_PROXY and the like, and what a `Proxy-Authorization` is made of."""
    found = []
    for proxy in all_proxies():
        if proxy.password:
            found += [Secret(proxy.raw_password), Secret(proxy.password), Secret(f"{proxy.user}:{proxy.password}")]
    return found


def _begins(text: str, head: re.Pattern[str], form: _Form) -> int | None:
    """The position in `text` from which the rest of `text` is the beginning of a secret."""
    for found in head.finditer(text):
        last, at = found.start(), found.end()
        for unit in form[_SHORTEST_PART:]:
            following = re.compile(unit).match(text, at)
            if following is None:
                break
            last, at = at, following.end()
        if at == len(text) or _BEGUN.fullmatch(text, at) or _BEGUN.fullmatch(text, last):
            return found.start()
    return None


def _texts(secret: str, user: str | None) -> set[str]:
    """The secret as it is, and as headers and hexadecimal dumps have it; the space around it may be gone by then."""
    stripped = secret.strip()
    found = {stripped if len(stripped) >= _SHORTEST else secret}
    for own in {secret, stripped} - {""}:
        for text in {own, f"{user}:{own}" if user is not None else own}:
            for encoding in ("utf-8", "latin-1"):
                try:
                    raw = text.encode(encoding)
                except UnicodeEncodeError:  # no such form of this secret
                    continue
                found |= {raw.hex(), raw.hex().upper()}
                for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
                    found |= {encoded.decode(), encoded.rstrip(b"=").decode()}
    return found


def _unit(part: str) -> str:
    """A pattern for one character, however it is escaped, or for a run of white space, whatever became of it."""
    if not part.isspace():
        return _spellings(part)
    spaces = "|".join(map(_spellings, sorted({" ", "\xa0", *part})))
    return rf"(?:\s|\+|&(?:amp;){{0,3}}nbsp;|\\{{1,8}}[nrt]|{spaces})+"


def _spellings(character: str) -> str:
    """A pattern for a character as it is, and escaped once or more often for a URL, JSON, HTML or `repr`."""
    if character in _PLAIN:
        return re.escape(character)
    code = ord(character)
    ways = [rf"\\{{1,8}}(?:u(?i:{code:04x})|x(?i:{code:02x})|U(?i:{code:08x}))"]
    for encoding in ("utf-8", "latin-1"):
        try:
            ways.append("".join(f"%(?:25){{0,3}}(?i:{byte:02x})" for byte in character.encode(encoding)))
        except UnicodeEncodeError:
            continue
    if code > 0xFFFF:
        pair = character.encode("utf-16-be").hex()
        ways.append(rf"\\{{1,8}}u(?i:{pair[:4]})\\{{1,8}}u(?i:{pair[4:]})")
    names = {codepoint2name.get(code, ""), "apos" if character == "'" else ""} - {""}
    entities = [*sorted(names), f"#0{{0,6}}{code}", f"#[xX]0{{0,6}}(?i:{code:x})"]
    ways.append(f"&(?:amp;){{0,3}}(?:{'|'.join(entities)});")
    ways.append(rf"\\{{0,8}}{re.escape(character)}")  # last: a % is the beginning of its own escaped form
    return f"(?:{'|'.join(ways)})"
