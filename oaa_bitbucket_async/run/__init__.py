"""The one place that knows all rooms: it takes settings, lets them work together, and gives an exit code.

Each function blocks until the run is over and may raise a CollectorError, which the command line turns into one
line and an exit code. `figures` takes in what the run came to, for the last record of the log.
"""

import time
from pathlib import Path

from oaa_bitbucket_async.events import Figures
from oaa_bitbucket_async.redaction import Redactor, redactor_of
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.reporting import reporting
from oaa_bitbucket_async.settings import Identity, Include, Output, Pace, Question, Scope, Settings, State, Veza
from oaa_bitbucket_async.urls import host_of


def collect_and_upload(settings: Settings, figures: Figures | None = None) -> int:
    """The main job; with `settings.dry_run` all of it but the upload."""
    from oaa_bitbucket_async.run.main_job import main_job

    host, redact = host_of(settings.bitbucket_url), redactor_of(settings.login, settings.veza)
    with reporting(host, settings.output, redact, figures) as reporter:
        return run_to_end(main_job(settings, reporter))


def never_began(bitbucket_url: str, output: Output, exit_code: int) -> None:
    """A run whose settings are wrong is a failed run to whoever watches its metrics."""
    from oaa_bitbucket_async.ops.metrics import write_metrics

    with reporting(host_of(bitbucket_url), output, Redactor()) as reporter:
        reporter.result.exit_code, reporter.result.finished_at = exit_code, time.time()
        if output.metrics_file is not None:
            write_metrics(output.metrics_file, reporter.result)


def check(settings: Settings) -> int:
    """Preflight only, in words on standard output."""
    from oaa_bitbucket_async.run.checking import check_all

    redact = redactor_of(settings.login, settings.veza)
    with reporting(host_of(settings.bitbucket_url), settings.output, redact):
        return run_to_end(check_all(settings, redact))


def push(
    veza: Veza,
    output: Output,
    file: Path,
    figures: Figures | None = None,
    *,
    state: State | None = None,
    max_removed: float | None = None,
    provider_name: str | None = None,
) -> int:
    """Uploads a saved payload; with `state`, compared with the last upload and kept in its place.

    `provider_name` is the provider that the user named, if any; the payload must be for it.
    """
    from oaa_bitbucket_async.run.pushing import push_file

    with reporting(str(file), output, redactor_of(None, veza), figures) as reporter:
        return run_to_end(push_file(veza, file, reporter, state, max_removed, provider_name))


def diff(old: Path, new: Path, *, as_json: bool = False, limit: int | None = None) -> int:
    """Shows what changed from one saved payload to another on standard output. Gives 0 if nothing did, else 1."""
    from oaa_bitbucket_async.run.differing import show_difference

    return show_difference(old, new, as_json=as_json, limit=limit)


def who_can(level: str, place: str, question: Question) -> int:
    """Shows who can read, write or administer a place. Gives 0 if anybody can, else 1."""
    from oaa_bitbucket_async.run.answering import answer_who_can

    return answer_who_can(level, place, question)


def what_can(holder: str, question: Question) -> int:
    """Shows what a user or group reaches. Gives 0 if that is anything, else 1."""
    from oaa_bitbucket_async.run.answering import answer_what_can

    return answer_what_can(holder, question)


def demo(
    *,
    repositories: int,
    seed: int,
    pace: Pace,
    scope: Scope,
    output: Output,
    identity: Identity = "email",
    include: frozenset[Include] = frozenset(),
    figures: Figures | None = None,
) -> int:
    """The main job against an embedded Bitbucket and an embedded Veza."""
    from oaa_bitbucket_async.run.demonstration import demonstrate

    return demonstrate(
        repositories=repositories,
        seed=seed,
        pace=pace,
        scope=scope,
        output=output,
        identity=identity,
        include=include,
        figures=figures,
    )
