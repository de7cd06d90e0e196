"""May the audit log be relied on? Yes, until too many changes are found that it did not name.

DESIGN.md section 7, "Trust".
"""

import msgspec

MOST_UNEXPLAINED = 3
"""Trust is lost by more unexplained changes than this in one round, if they are also more than `_SHARE` of the
named ones."""
_SHARE = 0.01


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the current round, which takes `--max-age`; it is stored with the base."""

    round_began: float
    """Seconds since 1970."""
    unexplained: int = 0
    """Changes of this round that no row and no known cascade explains."""
    named: int = 0
    """Changes of this round in units that the log named."""
    lost: bool = False
    """Until a whole round has shown no unexplained change."""


def updated(trust: Trust | None, *, now: float, max_age: float, unexplained: int, named: int) -> Trust:
    """The trust after a run that ended at `now`. `trust` is None for the first run. Ages are in seconds."""
    if trust is None:
        trust = Trust(round_began=now)
    elif now < trust.round_began:  # a clock was set
        trust = msgspec.structs.replace(trust, round_began=now)
    unexplained, named = trust.unexplained + unexplained, trust.named + named
    if trust.lost:
        if unexplained:
            return Trust(round_began=now, lost=True)
        return Trust(round_began=now) if now - trust.round_began >= max_age else _with(trust, 0, named)
    if unexplained > MOST_UNEXPLAINED and unexplained > _SHARE * named:
        return Trust(round_began=now, lost=True)
    if now - trust.round_began >= max_age:
        return Trust(round_began=now)
    return _with(trust, unexplained, named)


def _with(trust: Trust, unexplained: int, named: int) -> Trust:
    return msgspec.structs.replace(trust, unexplained=unexplained, named=named)
