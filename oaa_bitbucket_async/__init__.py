"""Collects who may do what in a Bitbucket Server or Data Center and uploads it to Veza."""

__version__: str
"""Looked up when it is asked for: to load what looks it up takes longer than to begin listening for signals."""


def __getattr__(name: str) -> object:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("oaa-bitbucket-async")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
