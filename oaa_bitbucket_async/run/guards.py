"""What keeps an upload from taking away by mistake what Veza knows (DESIGN.md section 4, rule 9).

Before the crawl: filters that match nothing, and a part that would replace the whole. After it: too much that is
gone. Whoever means it says `--max-removed off`.
"""

import logging
from dataclasses import dataclass

from oaa_bitbucket_async.collect.filters import Earlier, prove_filters
from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.saved import Head
from oaa_bitbucket_async.oaa.target import left_out, scope_words
from oaa_bitbucket_async.run.keeping import Kept
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.push_command import command, push_command
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import Scope, State, Veza

_log = logging.getLogger(__name__)
MUCH = 5.0
"""Per cent: an upload that removes more is worth a line."""
FEW = 20
"""Below so many, a share says nothing, and only the loss of all of them is looked for."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to warn of before the crawl."""

    event: Event
    text: str

    def log(self) -> None:
        """As a warning."""
        _log.warning("%s", self.text, extra=event(self.event))


async def before_crawl(session: Session, data_source: str) -> list[Notice]:
    """Asks all that can be asked before the crawl whether its upload may replace the last one.

    Raises ConfigurationError for a filter that matches nothing, RemovalError for a part that would replace the whole,
    and what `prove_filters` and `LastUpload.head` raise.
    """
    settings = session.settings
    last = LastUpload.of(settings.state, settings.veza, data_source)
    head = await last.head(settings.max_removed) if last is not None and settings.scope.limited else None
    earlier = None if head is None else Earlier(_scope_of(head), head.project_keys)
    warnings = await prove_filters(session.client, session.api, settings.scope, earlier)
    notices = [Notice(Event.FILTER_UNMATCHED, warning) for warning in warnings]
    if head is not None:
        notices += check_scope(settings.scope, head, settings.max_removed)
    return notices


def check_scope(scope: Scope, head: Head, max_removed: float | None) -> list[Notice]:
    """Compares the scope with that of the last upload. RemovalError if a part would replace the whole.

    A last upload that does not tell its scope counts as whole.
    """
    before = _scope_of(head)
    if not scope.limited:
        return []
    part = " ".join(scope_words(scope))
    if before.limited:
        less = " ".join(left_out(scope, before))
        if not less:
            return []
        return [
            Notice(
                Event.SCOPE_LIMITED,
                f"this part ({part}) is not all that the last upload had ({' '.join(scope_words(before))}): what "
                f"{less} leaves out disappears in Veza, and counts for --max-removed",
            )
        ]
    if max_removed is None:
        return [
            Notice(
                Event.SCOPE_LIMITED,
                f"the last upload was of the whole instance and this one is of a part ({part}): the rest disappears in "
                "Veza, as --max-removed off allows",
            )
        ]
    was = "was of the whole instance" if head.target is not None else "does not say of which part it was"
    raise RemovalError(
        f"The last upload to this data source {was}, and this one is of a part ({part}): "
        "everything else would disappear in Veza. Nothing was uploaded.",
        "Give the part a data source of its own with --data-source-name (OAA_DATA_SOURCE_NAME), or leave out the flag "
        "(or its variable). --max-removed off (OAA_MAX_REMOVED) lets the part take the place of the whole.",
    )


def unknown_upload(last: LastUpload | None, data_source: str, scope: Scope) -> Notice | None:
    """What to say if it turns out that Veza has had the data source before. None if the last upload is known here.

    Who keeps no last upload knows that nothing is compared; for a part it is said nevertheless.
    """
    if last is None and not scope.limited:
        return None
    if last is not None and last.known:
        return None
    part = f" with a part ({' '.join(scope_words(scope))})" if scope.limited else ""
    where = f" in {last.path.parent}" if last is not None else ""
    return Notice(
        Event.LAST_UPLOAD_UNKNOWN,
        f"Veza has the data source {data_source!r} already, and no earlier upload to it is known{where}: nothing tells "
        f"what is removed by an upload that replaces it{part}",
    )


def _scope_of(head: Head) -> Scope:
    return head.target.scope if head.target is not None else Scope()


def check_removed(changes: Changes | None, max_removed: float | None) -> None:
    """Warns if more than 5 per cent of the grants, or of the memberships, would go; RemovalError above `max_removed`.

    Each has its own share: groups that lose their members lose what they hold, and not one grant goes. A grant has
    gone if its holder has nothing left on that thing (`Changes.grants_lost`). Read rights that public flags no longer
    give, since public access is off, don't count.
    """
    if changes is None:
        return
    told = [
        _share(changes.grants, changes.grants_lost, "grants", closed=changes.grants_closed),
        _share(changes.members, changes.members.removed, "memberships of groups"),
    ]
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


def _share(
    kind: Difference[NamedGrant] | Difference[Membership], lost: int, name: str, *, closed: int = 0
) -> tuple[float, str]:
    """Per cent of what there was, and in words. Of a few things only the loss of all counts.

    `closed` of them are gone and don't count.
    """
    before = kind.before - closed
    everything = bool(before) and not kind.after
    share = 100.0 * everything if before < FEW else 100 * lost / before
    return share, f"{lost:,} of the {before:,} {name} ({share:.1f} %)"


def refused(
    error: RemovalError, last: LastUpload | None, kept: Kept, payload: Payload, veza: Veza, state: State
) -> RemovalError:
    """The same, with what to do about the payload, which is in `kept`."""
    advice = [error.advice, kept.told]
    if kept.path is not None:
        if last is not None:
            advice.append(f"`{command('diff', last.path, kept.path)}` shows what would change.")
        advice.append(f"If it is right, `{push_command(kept.path, payload, veza, state, None)}` uploads it.")
    return RemovalError(f"{error.message} Nothing was uploaded.", " ".join(filter(None, advice)))
