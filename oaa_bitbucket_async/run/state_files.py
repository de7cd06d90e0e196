"""The files in the state folder that belong to the runs of one schedule."""

from oaa_bitbucket_async.oaa.names import data_source_of
from oaa_bitbucket_async.oaa.target import scope_words
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.state import StatePaths, state_paths


def paths_of(settings: Settings) -> StatePaths:
    """Those of a run with these settings. Raises ConfigurationError as `data_source_name_for`."""
    data_source = data_source_of(settings.veza, settings.bitbucket_url)
    collects = (data_source, *scope_words(settings.scope), *sorted(settings.include))
    return state_paths(settings.state.directory, settings.bitbucket_url, settings.login, collects)
