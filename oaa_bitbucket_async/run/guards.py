"""Guards that stop an upload from removing by mistake what Veza knows (DESIGN.md section 4, rule 9).

Before the crawl: filters that match nothing, and a part that would replace the whole. After it: too many removed
grants or memberships. `--max-removed off` turns this off.
"""

import logging
from dataclasses import dataclass

from oaa_bitbucket_async.collect.filters import Earlier, prove_filters
from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.oaa.saved import Head
from oaa_bitbucket_async.oaa.target import left_out, scope_words
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import Scope

_log = logging.getLogger(__name__)
MUCH = 5.0
"""Per cent: an upload that removes more is worth a line."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to warn of before the crawl."""

    event: Event
    text: str

    def log(self) -> None:
        """As a warning."""
        _log.warning("%s", self.text, extra=event(self.event))


async def before_crawl(session: Session) -> list[Notice]:
    """Checks, as far as possible before the crawl, whether its upload may replace the last one.

    Raises ConfigurationError for a filter that matches nothing, RemovalError for a part that would replace the whole,
    and what `prove_filters` and `LastUpload.head` raise.
    """
    settings = session.settings
    head = await _head_for(settings.scope, LastUpload.of_run(settings), settings.max_removed)
    earlier = None if head is None else Earlier(_scope_of(head), head.project_keys)
    warnings = await prove_filters(session.client, session.api, settings.scope, earlier)
    notices = [Notice(Event.FILTER_UNMATCHED, warning) for warning in warnings]
    return notices + _check_scope(settings.scope, head, settings.max_removed)


async def compare_scope(scope: Scope, last: LastUpload | None, max_removed: float | None) -> list[Notice]:
    """Compares a payload's scope with that of the last upload, as a run does before its crawl. Raises as that."""
    return _check_scope(scope, await _head_for(scope, last, max_removed), max_removed)


async def _head_for(scope: Scope, last: LastUpload | None, max_removed: float | None) -> Head | None:
    """The head of the last upload. None if it is not needed (for a whole instance) or not known."""
    return await last.head(max_removed) if last is not None and scope.limited else None


def _check_scope(scope: Scope, head: Head | None, max_removed: float | None) -> list[Notice]:
    """Compares the scope with that of the last upload. RemovalError if a part would replace the whole.

    A last upload that does not tell its scope counts as whole.
    """
    if head is None:
        return []
    before = _scope_of(head)
    part = " ".join(scope_words(scope))
    if before.limited:
        less = " ".join(left_out(scope, before))
        if not less:
            return []
        return [
            Notice(
                Event.SCOPE_LIMITED,
                f"this part ({part}) is smaller than the last upload's ({' '.join(scope_words(before))}): what {less} "
                "leaves out disappears from Veza and counts for --max-removed",
            )
        ]
    if max_removed is None:
        return [
            Notice(
                Event.SCOPE_LIMITED,
                f"the last upload covered the whole instance and this one covers a part ({part}): the rest disappears "
                "from Veza, as --max-removed off allows",
            )
        ]
    was = "covered the whole instance" if head.target is not None else "does not say what it covered"
    raise RemovalError(
        f"The last upload to this data source {was}, and this one covers only a part ({part}). "
        "Everything else would disappear from Veza. Nothing was uploaded.",
        "Use a separate data source for the part, with --data-source-name (OAA_DATA_SOURCE_NAME), or remove the flag "
        "or its variable. --max-removed off (OAA_MAX_REMOVED) lets the part replace the whole.",
    )


def unknown_upload(last: LastUpload | None, data_source: str, scope: Scope) -> Notice | None:
    """The warning for a data source that Veza has had before. None if the last upload is known here.

    Users who keep no last upload know that nothing is compared, so they get the warning only for a part.
    """
    if last is None and not scope.limited:
        return None
    if last is not None and last.known:
        return None
    part = f" with a part ({' '.join(scope_words(scope))})" if scope.limited else ""
    where = f" in {last.path.parent}" if last is not None else ""
    return Notice(
        Event.LAST_UPLOAD_UNKNOWN,
        f"Veza already has the data source {data_source!r}, but no earlier upload to it is known{where}: it is unknown "
        f"what an upload that replaces it{part} removes",
    )


def _scope_of(head: Head) -> Scope:
    return head.target.scope if head.target is not None else Scope()


def check_removed(changes: Changes | None, max_removed: float | None) -> None:
    """Warns if more than 5 per cent of the grants, or of the memberships, would go; RemovalError above `max_removed`.

    Each has its own share (`Changes.removed_shares`): people who leave a group lose its access, although no grant is
    removed.
    """
    if changes is None:
        return
    shares = changes.removed_shares()
    grants = _of(changes.grants_lost, changes.grants.before - changes.grants_closed, "grants", shares["grants"])
    members = _of(changes.members.removed, changes.members.before, "memberships of groups", shares["members"])
    told = [(shares["grants"], grants), (shares["members"], members)]
    since = f" of {changes.since:%Y-%m-%d %H:%M} UTC" if changes.since else ""
    over = [words for share, words in told if max_removed is not None and share > max_removed]
    if over:
        raise RemovalError(
            f"The upload would remove {' and '.join(over)} of the last one{since}, and --max-removed "
            f"(OAA_MAX_REMOVED) allows {max_removed:g} %."
        )
    much = [words for share, words in told if share > MUCH]
    if much:
        _log.warning(
            "the upload removes %s of the last one%s",
            " and ".join(much),
            since,
            extra=event(Event.MUCH_REMOVED, grants=changes.grants_lost, members=changes.members.removed),
        )


def _of(lost: int, before: int, name: str, share: float) -> str:
    return f"{lost:,} of the {before:,} {name} ({share:.1f} %)"
