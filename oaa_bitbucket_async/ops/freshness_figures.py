"""The figures about how fresh a run's answers are and how useful the audit log was."""

from math import ceil

from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.collect.incremental.plan import Reason
from oaa_bitbucket_async.ops.figure import Figure, Measure, Metric
from oaa_bitbucket_async.ops.formats import duration_text

_MOST_PATHS = 3
"""Of unexplained changes, in the summary. The report has all of them."""
_MOST_PATHS_IN_JSON = 100
_WORDS = {
    Reason.NAMED: "named by the audit log",
    Reason.CHANGED: "new or changed in the listings",
    Reason.HOLDER: "held by somebody who changed",
    Reason.UNANSWERED: "not answered last time",
    Reason.AGE: "by age",
}


def freshness_text(freshness: Freshness) -> str | None:
    """`the audit log named 41 of 42 changes; 10,029 answers were renewed by age; no answer is older than 24 h`.

    None for a full crawl that has nothing to do with incremental runs. Of a crawl that did not end, why it was full.
    """
    parts = []
    if freshness.full_because is not None:
        parts.append(f"a full crawl, not an incremental run: {freshness.full_because.rstrip('.')}")
    if freshness.oldest is not None and (freshness.log_asked or freshness.incremental or parts):
        if freshness.compared:
            parts.append(_named(freshness))
        if freshness.incremental:
            parts.append(f"{_many(freshness.renewed[Reason.AGE])} renewed by age")
        parts.append(f"no answer is older than {_at_most(freshness.oldest)}")
    return "; ".join(parts) or None


def kept_text(freshness: Freshness) -> str | None:
    """`31,000 answers of the last upload; asked again: 41 named by the audit log, …`; None: nothing was kept."""
    if not _has_taken_over(freshness):
        return None
    again = (f"{count:,} {word}" for reason, word in _WORDS.items() if (count := freshness.renewed[reason]))
    return f"{freshness.kept:,} answers of the last upload; asked again: {', '.join(again) or 'nothing'}"


def audit_log_text(freshness: Freshness) -> str | None:
    """Why the audit log was not relied on; None if it was, or was not asked."""
    if freshness.log_unusable is not None:
        return f"can't be read, so incremental runs renew answers by age alone. {freshness.log_unusable}"
    if freshness.doubts:
        return f"in doubt, so answers were renewed sooner. {' '.join(freshness.doubts)}"
    return "gave no usable answer this time" if freshness.log_usable is False else None


def unexplained_text(freshness: Freshness) -> str | None:
    """`2 changes that the audit log did not name: CORE, CORE/billing`; None if there are none."""
    count = len(freshness.unexplained)
    if not count:
        return None
    some = ", ".join(freshness.unexplained[:_MOST_PATHS])
    more = f" and {count - _MOST_PATHS:,} more" if count > _MOST_PATHS else ""
    return f"{count:,} change{'' if count == 1 else 's'} that the audit log did not name: {some}{more}"


def _named(freshness: Freshness) -> str:
    if not freshness.changes:
        return "no change of grants was found"
    return (
        f"the audit log named {freshness.named_changes:,} of {freshness.changes:,} "
        f"change{'' if freshness.changes == 1 else 's'}"
    )


def _many(count: int) -> str:
    return "1 answer was" if count == 1 else f"{count:,} answers were"


def _at_most(seconds: float) -> str:
    """Rounded up, so that the sentence is true."""
    return duration_text(ceil(seconds / 60) * 60 if seconds >= 3600 else ceil(seconds))


def _renewed(freshness: Freshness) -> dict[str, int] | None:
    """By reason; None for a full crawl."""
    return {str(reason): freshness.renewed[reason] for reason in Reason} if _has_taken_over(freshness) else None


def _has_taken_over(freshness: Freshness) -> bool:
    """Whether it was an incremental run whose crawl has ended."""
    return freshness.incremental and freshness.oldest is not None


FRESHNESS = (
    Figure(key="mode", value=lambda r: "incremental" if r.freshness.incremental else "full"),
    Figure(key="full_because", value=lambda r: r.freshness.full_because),
    Figure(
        key="oldest_answer_seconds",
        heading="Freshness",
        measure=Measure.SECONDS,
        value=lambda r: r.freshness.oldest,
        text=lambda r: freshness_text(r.freshness),
        metric=Metric(
            "oldest_answer_seconds",
            "Age of the oldest answer in the last upload, when its crawl had ended.",
            samples=lambda r: (
                None if r.freshness.oldest is None or not r.uploaded else {(): round(r.freshness.oldest, 3)}
            ),
        ),
    ),
    Figure(
        key="audit_log_usable",
        value=lambda r: r.freshness.log_usable,
        metric=Metric("audit_log_usable", "Whether the audit log was read and is trusted: 1 yes, 0 no."),
    ),
    Figure(
        key="audit_log_problems",
        heading="Audit log",
        value=lambda r: [*filter(None, [r.freshness.log_unusable]), *r.freshness.doubts],
        text=lambda r: audit_log_text(r.freshness),
    ),
    Figure(key="audit_named_changes", value=lambda r: r.freshness.named_changes if r.freshness.compared else None),
    Figure(
        key="audit_unexplained_changes",
        heading="Unexplained",
        value=lambda r: len(r.freshness.unexplained) if r.freshness.compared else None,
        text=lambda r: unexplained_text(r.freshness),
        metric=Metric("audit_unexplained_changes", "Changes of grants that the audit log did not name."),
    ),
    Figure(key="unexplained", value=lambda r: list(r.freshness.unexplained[:_MOST_PATHS_IN_JSON])),
    Figure(
        key="kept",
        heading="Kept",
        value=lambda r: r.freshness.kept if _has_taken_over(r.freshness) else None,
        text=lambda r: kept_text(r.freshness),
        metric=Metric("kept_units", "Answers of the last upload that were not asked for again."),
    ),
    Figure(
        key="renewed",
        value=lambda r: _renewed(r.freshness),
        metric=Metric(
            "renewed_units",
            "Answers of the last upload that were asked for again.",
            ("reason",),
            lambda r: None if (found := _renewed(r.freshness)) is None else {(key,): n for key, n in found.items()},
        ),
    ),
)
