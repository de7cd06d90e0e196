"""Base URLs of Bitbucket and Veza: made from the addresses that people paste, and taken apart again."""

import re
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

_PAGES = {"rest", "projects", "repos", "users", "dashboard", "login", "admin", "profile", "plugins", "account"}
"""First path segments of Bitbucket's pages and API: where one begins, the base URL has ended."""
_VEZA_PAGES = {"api", "app", "login"}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_PLACE = re.compile(r"(\[[^][]*:[^][]*\]|[^][:]*)(:\d*)?")
"""Host and port: brackets are there for the sake of an IPv6 address's colons."""
_SCOPE = re.compile(r"[A-Za-z0-9._~-]+")


class BaseUrl(NamedTuple):
    """The parts of a base URL that tell one server from another, and where its API begins."""

    host: str
    """In small letters, without brackets."""
    port: int | None
    """None where it is the scheme's own."""
    path: str
    """The context path, without a slash at its end."""


class AddressError(ValueError):
    """What is wrong with an address. The text does not repeat the address, since it may contain a password."""


def bitbucket_base(text: str) -> tuple[str, list[str]]:
    """The base URL without a trailing slash, and warnings. Raises AddressError."""
    parts = _split(text, "https://bitbucket.example.com")
    base, cut = _base(parts, _PAGES)
    warnings = [f"only {base} of it is the base URL; the rest was ignored."] if cut else []
    if parts.scheme == "http":
        warnings.append("http:// sends the credential and all data unencrypted; use https:// if you can.")
    return base, warnings


def veza_base(text: str) -> tuple[str, list[str]]:
    """The base URL without a trailing slash, and warnings. A bare host means https. Raises AddressError."""
    parts = _split(text if "://" in text else f"https://{text}", "https://example.vezacloud.com")
    if parts.scheme == "http":
        raise AddressError("must be https://; Veza is not reached over http.")
    base, cut = _base(parts, _VEZA_PAGES)
    return base, [f"only {base} of it is the base URL; the rest was ignored."] if cut else []


def _split(text: str, example: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise AddressError("must not contain spaces or control characters.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressError(f"is not a URL such as {example}.") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise AddressError("must not contain a user name or password: they come from the environment or a file.")
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressError(f"must begin with https:// (or http://), such as {example}.")
    if not _PLACE.fullmatch(parts.netloc):
        raise AddressError(f"is not a URL such as {example}.")
    if not parts.hostname:
        raise AddressError(f"has no host name; it should look like {example}.")
    if port == 0:
        raise AddressError("has port 0, which no server listens on.")
    return parts


def _host(host: str) -> str:
    """As it stands in a URL: an IPv6 address in brackets, an internationalized name in ASCII. Raises AddressError."""
    if ":" in host:
        return f"[{_ipv6(host)}]"
    if not host.isascii():
        host = _ascii(host)
    if len(host) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, host.removesuffix(".").split("."))):
        raise AddressError(
            "has a host name that can't exist: parts of 1 to 63 letters, digits, '-' and '_' with dots between them, "
            f"{_LONGEST_NAME} characters in all."
        )
    return host


def _ipv6(host: str) -> str:
    """With a scope id (`fe80::1%eth0`) as `%25eth0`, which is how URLs have it (RFC 6874)."""
    address, percent, scope = host.partition("%")
    if scope != "25":
        scope = scope.removeprefix("25")
    try:
        IPv6Address(address)
    except ValueError:
        raise AddressError("has no IPv6 address between its brackets.") from None
    if percent and not _SCOPE.fullmatch(scope):
        raise AddressError("has an invalid scope id after its IPv6 address; a scope id looks like %25eth0.")
    return f"{address}%25{scope}" if percent else address


def _ascii(name: str) -> str:
    import idna  # comes with aiohttp, which turns names into ASCII by it as well

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise AddressError("has an invalid internationalized host name.") from None


def _base(parts: SplitResult, pages: set[str]) -> tuple[str, bool]:
    host = _host(parts.hostname or "")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    segments = [segment for segment in parts.path.split("/") if segment]
    kept = []
    for segment in segments:
        if segment in pages:
            break
        kept.append(segment)
    cut = len(kept) < len(segments) or bool(parts.query or parts.fragment)
    return "/".join([f"{parts.scheme}://{host}{port}", *kept]), cut


def base_url_parts(base_url: str) -> BaseUrl:
    """Splits a base URL into its parts. ValueError if it is not one: other programs' payloads may hold anything."""
    parts = urlsplit(base_url)
    port = parts.port if parts.port != _DEFAULT_PORTS.get(parts.scheme) else None
    return BaseUrl((parts.hostname or "").lower(), port, parts.path.rstrip("/"))


def host_of(base_url: str) -> str:
    """Host name, with the port where it is not the scheme's own, and the context path: `git.example.com/scm`."""
    host, port, path = base_url_parts(base_url)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}{'' if port is None else f':{port}'}{path}"
