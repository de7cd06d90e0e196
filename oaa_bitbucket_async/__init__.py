"""Collects who may do what in a Bitbucket Server or Data Center and uploads it to Veza."""

__version__: str
"""Look up the version only when it is asked for. Importing `importlib.metadata` would delay the signal handlers."""


def __getattr__(name: str) -> object:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("oaa-bitbucket-async")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
