"""What the records of the log are called in JSON (`event`), so that alerts can rest on it.

A name stays what it is when a message is worded anew. docs/monitoring.md lists them; a new one is added there too.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from oaa_bitbucket_async.redaction import Redact

Figures = dict[str, object]
"""What a run came to; the names are those of `ops.figures`, and stay."""


class Event(StrEnum):
    """Names of everything that is logged at info and above."""

    SETTINGS_WARNING = "settings-warning"
    """A setting that works and is worth a second thought, before the run."""
    SIGNED_IN = "signed-in"
    """Preflight is over: `version`, `url`, `user`, `login`."""
    PREFLIGHT_WARNING = "preflight-warning"
    """What this run will not see, or could not prove."""
    FILTER_UNMATCHED = "filter-unmatched"
    """A key or pattern of `--project` or `--exclude-project` matches nothing any more."""
    SCOPE_LIMITED = "scope-limited"
    """A part of the instance is about to replace the whole, or a larger part."""
    LAST_UPLOAD_UNKNOWN = "last-upload-unknown"
    """Veza has the data source, and nothing here tells what was uploaded to it."""
    RESUMED = "resumed"
    """An unfinished run is taken up: `answers`, `age_seconds`."""
    PROGRESS = "progress"
    """Every 30 s: how far the crawl is, in figures."""
    HELD_BACK = "held-back"
    """Bitbucket's rate limit decides how long the run takes: `requests_per_second`. Once, with the way out."""
    KIND_SET_ASIDE = "kind-set-aside"
    """No question of a kind is answered any more, though others are: `unit`, `reason`."""
    KIND_ANSWERED = "kind-answered"
    """One of them is answered again: `unit`."""
    MISSING = "missing"
    """A part that could not be collected: `what`, `unit`, `outcome`, `reason`, `advice`."""
    MISSING_NOT_LISTED = "missing-not-listed"
    """The file beside the state that lists what is missing could not be written."""
    PAYLOAD_SAVED = "payload-saved"
    """`--save-json` has written: `path`."""
    PAYLOAD_NOT_PRINTED = "payload-not-printed"
    """It is incomplete, so that it does not go to standard output."""
    VEZA_RETRY = "veza-retry"
    """A call of Veza's API failed and is made again: `call`, `wait_seconds`."""
    VEZA_PARSING_UNKNOWN = "veza-parsing-unknown"
    """`--wait`: Veza does not tell whether it has parsed this upload or an earlier one: `data_source`."""
    STOPPING = "stopping"
    """A first signal: what is in flight may end."""
    STOPPED = "stopped"
    """A second signal: the process ends at once, without a `run-ended`."""
    LOCK_UNAVAILABLE = "lock-unavailable"
    """Nothing keeps a second run from this instance."""
    JOURNAL_SET_ASIDE = "journal-set-aside"
    """The journal of an earlier run is not taken up; at warning if it should have been."""
    JOURNAL_FAILED = "journal-failed"
    """The journal can't be read, written or deleted; the run goes on."""
    BASE_NOT_KEPT = "base-not-kept"
    """What a run was answered can't be kept for an incremental run; the upload stands."""
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
    """The payload could not be compared with the last one; it is uploaded nevertheless."""
    LAST_UPLOAD_NOT_KEPT = "last-upload-not-kept"
    """The payload was uploaded, and the next run will compare with an older one."""
    MUCH_REMOVED = "much-removed"
    """The upload removes more than 5 per cent: `grants`, `members`."""
    PUSH_TARGET = "push-target"
    """Where `push` uploads to: `provider`, `data_source`, `scope`."""
    METRICS_FAILED = "metrics-failed"
    """The metrics could not be read or written; the run's result stands."""
    REPORT_SAVED = "report-saved"
    """`--report` has written: `path`."""
    REPORT_FAILED = "report-failed"
    """The report could not be made or written; the run's result stands."""
    STATE_DIR_SHARED = "state-dir-shared"
    """Others may write to the state folder: `folder`."""
    FILE_MENDED = "file-mended"
    """A group could write a file of ours, and can't any more: `path`."""
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
