"""What can go wrong between a client and Veza, by name."""

from dataclasses import dataclass
from typing import Literal

FaultName = Literal[
    "throttled", "unavailable", "error", "dropped", "hanging", "refused", "rejected", "not-json", "parse-failed"
]
Call = Literal["check", "provider", "data-source", "push", "query", "report", "any"]
"""`provider`, `data-source`, `query` and `report`: looking up and creating; `push`: whole and in parts."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer word for word, in place of what the call would have done."""

    status: int = 200
    body: bytes = b""
    location: str | None = None
    """Where a redirect leads."""
    packed: bool = False
    """`body` is gzip, and the answer says so."""


@dataclass(slots=True)
class Fault:
    """`times` more calls of this kind end this way.

    - throttled: 429 with `Retry-After: 1`; unavailable: 503; error: 500; all three as Veza's JSON
    - dropped: the connection is closed after the body was read, before an answer
    - hanging: accepted and never answered
    - refused: 403, as for a key that was revoked; rejected: 400 with details
    - not-json: 200 with an HTML page, as from a proxy
    - parse-failed: taken with 200, and the data source's status ends as PARSE_FAILED
    """

    name: FaultName | Scripted
    times: int = 1
    call: Call = "push"

    def hits(self, call: Call) -> bool:
        """True, and one time less, if it is this call's turn."""
        if self.times > 0 and self.call in (call, "any"):
            self.times -= 1
            return True
        return False
