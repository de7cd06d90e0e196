"""Collects who may do what in a Bitbucket Server or Data Center and uploads it to Veza."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("oaa-bitbucket-async")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
