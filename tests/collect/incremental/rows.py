"""Rows, readings and marks for tests, made short."""

from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading
from oaa_bitbucket_async.bitbucket.audit.rows import SEARCHED, AuditEvent
from oaa_bitbucket_async.collect.incremental.mark import AuditMark, mark_of

USERS = "bitbucket.service.user.audit.action."
PROJECTS = "bitbucket.service.project.audit.action."
REPOSITORIES = "bitbucket.service.repository.audit.action."
HOUR = 3_600_000
NOON = 1_700_000_000_000
"""By the server's clock, in milliseconds."""
ME = 7


def row(
    key: str,
    time: int = NOON,
    *,
    projects: tuple[int, ...] = (),
    repositories: tuple[int, ...] = (),
    users: tuple[int, ...] = (),
    node_start: bool = False,
) -> AuditEvent:
    return AuditEvent(time, key, projects, repositories, users, node_start)


def searched(time: int = NOON) -> AuditEvent:
    """What our own search leaves."""
    return row(SEARCHED, time, users=(ME,))


def reading(
    *events: AuditEvent,
    own: AuditEvent | None = None,
    complete: bool = True,
    settings: LogSettings | None = None,
    read_at: float | None = None,
) -> Reading:
    """One in which both clocks agree, unless told otherwise."""
    own_time = own.time if own is not None else NOON
    found = sorted((*events, *(() if own is None else (own,))), reverse=True)
    return Reading(
        events=found,
        oldest=found[-1].time if found else None,
        newest=found[0].time if found else None,
        rows=len(found),
        complete=complete,
        own=own,
        read_at=own_time / 1000 if read_at is None else read_at,
        settings=settings or LogSettings(),
        pages=1,
    )


def mark_at(time: int = NOON, *seen: AuditEvent) -> AuditMark:
    """What a run kept that read the log then, and saw these rows."""
    return mark_of(reading(*seen, own=searched(time)))
