"""The names of log records in JSON (`event`). Alerts are based on them.

A name stays the same when its message changes. docs/monitoring.md lists all names; add a new one there too.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from oaa_bitbucket_async.redaction import Redact

Figures = dict[str, object]
"""The figures of a run, under the stable names of `ops.figures`."""


class Event(StrEnum):
    """Names of everything that is logged at info and above."""

    SETTINGS_WARNING = "settings-warning"
    """A setting that works but deserves a look."""
    SIGNED_IN = "signed-in"
    """Preflight has ended: `version`, `url`, `user`, `login`."""
    PREFLIGHT_WARNING = "preflight-warning"
    """What this run can't see or could not verify."""
    FILTER_UNMATCHED = "filter-unmatched"
    """A key or pattern of `--project` or `--exclude-project` no longer matches anything."""
    SCOPE_LIMITED = "scope-limited"
    """A part of the instance is about to replace the whole, or a larger part."""
    LAST_UPLOAD_UNKNOWN = "last-upload-unknown"
    """Veza has the data source, but what was uploaded to it is unknown here."""
    RESUMED = "resumed"
    """An interrupted run is continued: `answers`, `age_seconds`."""
    PROGRESS = "progress"
    """Every 30 s: how far the crawl is, in figures."""
    HELD_BACK = "held-back"
    """Bitbucket's rate limit decides how long the run takes: `requests_per_second`. Logged once, with what to do."""
    KIND_SET_ASIDE = "kind-set-aside"
    """Bitbucket no longer answers one kind of question, but answers others: `unit`, `reason`."""
    KIND_ANSWERED = "kind-answered"
    """Bitbucket answers that kind again: `unit`."""
    MISSING = "missing"
    """A part that could not be collected: `what`, `unit`, `outcome`, `reason`, `advice`."""
    MISSING_NOT_LISTED = "missing-not-listed"
    """The file beside the state that lists what is missing could not be written."""
    PAYLOAD_SAVED = "payload-saved"
    """`--save-json` has written: `path`."""
    PAYLOAD_NOT_PRINTED = "payload-not-printed"
    """The payload is incomplete, so it is not written to standard output."""
    VEZA_RETRY = "veza-retry"
    """A call of Veza's API failed and is retried: `call`, `wait_seconds`."""
    VEZA_PARSING_UNKNOWN = "veza-parsing-unknown"
    """`--wait`: it is unknown whether Veza has processed this upload or an earlier one: `data_source`."""
    STOPPING = "stopping"
    """A first signal: requests in flight can finish."""
    STOPPED = "stopped"
    """A second signal: the process ends at once, without a `run-ended`."""
    LOCK_UNAVAILABLE = "lock-unavailable"
    """Nothing stops a second run on this instance."""
    JOURNAL_SET_ASIDE = "journal-set-aside"
    """The journal of an earlier run is not used; a warning if it should have been."""
    JOURNAL_FAILED = "journal-failed"
    """The journal can't be read, written or deleted; the run continues."""
    BASE_NOT_KEPT = "base-not-kept"
    """A run's answers can't be kept for an incremental run; the upload counts."""
    BASE_TAKEN = "base-taken"
    """An incremental run starts from the answers of the last upload: `answers` are not asked for again."""
    FULL_CRAWL = "full-crawl"
    """An incremental run asks for everything: `reason`."""
    AUDIT_LOG_DOUBTED = "audit-log-doubted"
    """An incremental run does not rely on the audit log alone: `reason`."""
    AUDIT_KEY_SKIPPED = "audit-key-skipped"
    """An unknown kind of row names too many things to be a reason to ask again: `key`, `things`."""
    UNEXPLAINED_CHANGES = "unexplained-changes"
    """Grants have changed and the audit log does not say so: `count`."""
    NO_LAST_UPLOAD = "no-last-upload"
    """Nothing to compare the payload with: `folder`."""
    LAST_PACE_UNREADABLE = "last-pace-unreadable"
    LAST_UPLOAD_UNREADABLE = "last-upload-unreadable"
    """The payload could not be compared with the last one, but it is uploaded."""
    LAST_UPLOAD_NOT_KEPT = "last-upload-not-kept"
    """The payload was uploaded, and the next run will compare with an older one."""
    MUCH_REMOVED = "much-removed"
    """The upload removes more than 5 per cent: `grants`, `members`."""
    PUSH_TARGET = "push-target"
    """Where `push` uploads to: `provider`, `data_source`, `scope`."""
    METRICS_FAILED = "metrics-failed"
    """The metrics could not be read or written; the result of the run is not affected."""
    REPORT_SAVED = "report-saved"
    """`--report` has written: `path`."""
    REPORT_FAILED = "report-failed"
    """The report could not be made or written; the result of the run is not affected."""
    STATE_DIR_SHARED = "state-dir-shared"
    """Other users can write to the state folder: `folder`."""
    FILE_MENDED = "file-mended"
    """A group could write one of our files; that right was removed: `path`."""
    RUN_ENDED = "run-ended"
    """The last record: `exit_code`, `error`, and all figures of the run."""
    OTHER = "log"
    """Records of libraries, and at debug."""


def event(name: Event, **fields: object) -> dict[str, object]:
    """The `extra` of a log record: its name, and fields that become keys of their own in JSON."""
    return {"event": str(name), "fields": fields}


def json_line(
    redact: Redact, *, at: float, level: str, name: str, message: str, logger: str, run: str, more: Mapping[str, object]
) -> str:
    """One record as one line of JSON: ts, level, event, message, logger, run, then `more`; without secrets.

    `at` in seconds since 1970. A field of `more` can't take the place of one of the six.
    """
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record: dict[str, object] = {
        "ts": time,
        "level": level,
        "event": name,
        "message": message,
        "logger": logger,
        "run": run,
    }
    record |= {str(key): value for key, value in more.items() if key not in record}
    return json.dumps(redacted(record, redact), default=str, ensure_ascii=True)


def redacted(value: object, redact: Redact) -> object:
    """`value` as JSON takes it, with no secret in any of its texts."""
    if isinstance(value, dict):
        return {redact(str(key)): redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, redact) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
