"""Addresses of proxies, as HTTPS_PROXY and the like hold them."""

import base64
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from oaa_bitbucket_async.errors import ConfigurationError


class ProxyAddress(NamedTuple):
    """One address. `url` has no login; `user` and `password` are decoded, `raw_password` stands as it was written."""

    url: str
    user: str = ""
    password: str = ""
    raw_password: str = ""
    usable: bool = True
    """Whether a request can pass it: http:// or https://, with a host, and a user that basic authentication allows."""

    @property
    def authorization(self) -> str | None:
        """The value of `Proxy-Authorization`, in UTF-8. None: without a login."""
        return basic(self.user, self.password) if self.user or self.password else None

    @classmethod
    def read(cls, address: str) -> "ProxyAddress":
        """What an address says. Without a scheme it is http://."""
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
        except ValueError:
            return cls("", usable=False)
        try:
            port = parts.port
        except ValueError:
            port = 0  # the password is a secret all the same
        user = unquote(parts.username or "")
        return cls(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            user,
            unquote(parts.password or ""),
            parts.password or "",
            parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and ":" not in user,
        )


def basic(user: str, password: str) -> str:
    """The header of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def all_proxies() -> Iterable[ProxyAddress]:
    """The proxies that the environment names, for all schemes."""
    from urllib.request import getproxies  # takes its time, which `--help` does not need

    return map(ProxyAddress.read, getproxies().values())


def unusable(variable: str, server: str) -> ConfigurationError:
    """The error for a proxy that can't be used. It does not show the address, which may hold a password."""
    return ConfigurationError(
        f"The proxy that {variable} names can't be used: only http:// and https:// proxies can.",
        f"Set it to an address such as http://proxy.example.com:3128, or add {server}'s host to NO_PROXY.",
    )
