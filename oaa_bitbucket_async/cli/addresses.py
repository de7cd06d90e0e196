"""Turns the addresses that people paste into the base URLs that requests are built from."""

from urllib.parse import SplitResult, urlsplit

_PAGES = {"rest", "projects", "repos", "users", "dashboard", "login", "admin", "profile", "plugins", "account"}
"""First path segments of Bitbucket's pages and API: where one begins, the base URL has ended."""
_VEZA_PAGES = {"api", "app", "login"}
_DEFAULT_PORTS = {"https": 443, "http": 80}


class AddressError(ValueError):
    """What is wrong with an address, without the address: it may hold a password."""


def bitbucket_base(text: str) -> tuple[str, list[str]]:
    """The base URL without a trailing slash, and warnings. Raises AddressError."""
    parts = _split(text, "https://bitbucket.example.com")
    base, cut = _base(parts, _PAGES)
    warnings = [f"only {base} of it is the base URL; the rest was left off."] if cut else []
    if parts.scheme == "http":
        warnings.append("http:// sends the credential and all that is read in clear; use https:// if you can.")
    return base, warnings


def veza_base(text: str) -> tuple[str, list[str]]:
    """The base URL without a trailing slash, and warnings. A bare host means https. Raises AddressError."""
    parts = _split(text if "://" in text else f"https://{text}", "https://example.vezacloud.com")
    if parts.scheme == "http":
        raise AddressError("must be https://; Veza is not reached over http.")
    base, cut = _base(parts, _VEZA_PAGES)
    return base, [f"only {base} of it is the base URL; the rest was left off."] if cut else []


def _split(text: str, example: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise AddressError("must not hold spaces or control characters.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressError(f"is not a URL such as {example}.") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise AddressError("must not hold a user name or password: they come from the environment or a file.")
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressError(f"must begin with https:// (or http://), such as {example}.")
    if not parts.hostname:
        raise AddressError(f"has no host name; it should look like {example}.")
    if port == 0:
        raise AddressError("has port 0, which no server listens on.")
    return parts


def _base(parts: SplitResult, pages: set[str]) -> tuple[str, bool]:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    segments = [segment for segment in parts.path.split("/") if segment]
    kept = []
    for segment in segments:
        if segment in pages:
            break
        kept.append(segment)
    cut = len(kept) < len(segments) or bool(parts.query or parts.fragment)
    return "/".join([f"{parts.scheme}://{host}{port}", *kept]), cut
