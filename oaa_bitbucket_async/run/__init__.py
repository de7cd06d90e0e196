"""Runs the commands: connects all other packages, takes settings, and gives an exit code.

Each function blocks until the run is over and may raise a CollectorError, which the command line turns into one
line and an exit code. `figures` receives the results of the run, for the last record of the log. Commands that ask no
server (`diff`, `answering`) and the demo (`demonstration`) are called in their own modules.
"""

import time
from pathlib import Path

from oaa_bitbucket_async.events import Figures
from oaa_bitbucket_async.redaction import Redactor, redactor_of
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.reporting import reporting
from oaa_bitbucket_async.settings import Output, PushSettings, Settings
from oaa_bitbucket_async.urls import host_of


def collect_and_upload(settings: Settings, figures: Figures | None = None) -> int:
    """Collects and uploads; with `settings.dry_run` everything except the upload."""
    from oaa_bitbucket_async.run.main_job import main_job

    host, redact = host_of(settings.bitbucket_url), redactor_of(settings.login, settings.veza)
    with reporting(host, settings.output, redact, figures) as reporter:
        return run_to_end(main_job(settings, reporter))


def never_began(bitbucket_url: str, output: Output, exit_code: int) -> None:
    """Writes metrics for a run with wrong settings, so that monitoring sees a failed run."""
    from oaa_bitbucket_async.ops.metrics import write_metrics

    with reporting(host_of(bitbucket_url), output, Redactor()) as reporter:
        reporter.result.exit_code, reporter.result.finished_at = exit_code, time.time()
        if output.metrics_file is not None:
            write_metrics(output.metrics_file, reporter.result)


def check(settings: Settings, *, as_json: bool = False) -> int:
    """Preflight only, in words or as JSON on standard output."""
    from oaa_bitbucket_async.run.checking import check_all

    redact = redactor_of(settings.login, settings.veza)
    with reporting(host_of(settings.bitbucket_url), settings.output, redact):
        return run_to_end(check_all(settings, redact, as_json=as_json))


def push(settings: PushSettings, file: Path, figures: Figures | None = None) -> int:
    """Uploads a saved payload. Compares it with the last upload first, and keeps it as the new one."""
    from oaa_bitbucket_async.run.pushing import push_file

    with reporting(str(file), settings.output, redactor_of(None, settings.veza), figures) as reporter:
        return run_to_end(push_file(settings, file, reporter))
