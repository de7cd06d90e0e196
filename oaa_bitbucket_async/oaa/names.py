"""Names in Veza: of the application, the provider and the data source."""

import re

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import VEZA_NAME_CHARACTERS, Veza
from oaa_bitbucket_async.urls import host_of

APPLICATION_TYPE = "Bitbucket Server"
"""Makes Veza's search types (`OAA.Bitbucket Server.Repo`); Bitbucket Cloud's connector has another."""

_NAME = re.compile(f"[{VEZA_NAME_CHARACTERS}]+")
_ILLEGAL = re.compile(f"[^{VEZA_NAME_CHARACTERS}]+")


def application_name(host: str) -> str:
    """The application's name: it tells one instance from another, and must not change between runs."""
    return f"{APPLICATION_TYPE} - {host}"


def data_source_name_for(base_url: str) -> str:
    """The data source's name where the user gave none. What Veza does not allow in it (a path's `/`) becomes `-`.

    Raises ConfigurationError if `base_url` has no host, as in a payload that somebody else has made.
    """
    try:
        host, slash, path = host_of(base_url).partition("/")
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:  # a payload can say anything
        host = slash = path = ""
    if not host:
        raise ConfigurationError(
            f"The data source can't be named after Bitbucket's address, which is {base_url!r}.",
            "Give a name with --data-source-name (OAA_DATA_SOURCE_NAME).",
        )
    host = host.replace("[", "").replace("]", "")
    return _ILLEGAL.sub("-", f"bitbucket-server - {host}{slash}{path}")


def data_source_of(veza: Veza, base_url: str) -> str:
    """The data source's name as it was set, else `data_source_name_for` the address of Bitbucket."""
    return veza.data_source_name or data_source_name_for(base_url)


def check_name(name: str, flag: str) -> str:
    """Gives `name` back if Veza takes it for a provider or data source; ConfigurationError naming `flag` if not."""
    if not _NAME.fullmatch(name) or not name.strip():
        illegal = sorted(set(_ILLEGAL.findall(name)))
        what = f"contains {' '.join(map(repr, illegal))}" if illegal else "is empty"
        raise ConfigurationError(
            f"{flag} {what}: {name!r}.",
            "Veza takes ASCII letters, digits, spaces and @#$%&*:()!,_'=.- in the names of providers and data sources.",
        )
    return name
