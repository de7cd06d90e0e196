"""Bad nights by name: problems of a run that an administrator can try before the first real run.

Each is one or a few faults of the embedded servers, with the result of a run. Several can be combined.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket, RateLimit, ServerFault, ServerOptions
from oaa_bitbucket_async.demo.model import NORMAL, Estate
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.demo.veza.refusal import VezaRefusal
from oaa_bitbucket_async.demo.veza.server import as_json

TOKEN = "demo-token"  # noqa: S105
API_KEY = "demo-key"
"""Always the same, so that what was exported once holds for the next rehearsal. They open synthetic data only."""

VezaAnswer = Literal["unavailable", "revoked", "rejected"]
_AFTER = 200
"""Requests after which something breaks: more than a check needs, fewer than a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadNight:
    """What goes wrong, and how a run ends (`end` begins with its exit code)."""

    what: str
    end: str
    faults: Callable[[Estate], Sequence[ServerFault]] = lambda _: ()
    rate_limit: RateLimit | None = None
    change: Callable[[Estate], None] | None = None
    veza: VezaAnswer | None = None


def _denied(estate: Estate) -> list[ServerFault]:
    """Nobody may read the permissions of one project and its repositories."""
    project = max((p for p in estate.projects if p.type == NORMAL), key=lambda p: len(estate.repositories_of(p)))
    return [ServerFault("lost-right", match=rf"/projects/{re.escape(project.key)}/.*permissions/")]


def _remove_grants(estate: Estate) -> None:
    for project in estate.projects:
        project.user_grants.clear()
    for repository in estate.repositories:
        repository.user_grants.clear()
    estate.changed()


BAD_NIGHTS = {
    "outage": BadNight(
        what=f"After {_AFTER} requests Bitbucket answers nothing any more, until it is started anew",
        end="75 after --max-outage (15 minutes)",
        faults=lambda _: [ServerFault("down", first=_AFTER)],
    ),
    "short-outage": BadNight(
        what=f"After {_AFTER} requests Bitbucket answers nothing, and comes back",
        end="0",
        faults=lambda _: [ServerFault("down", first=_AFTER, times=20)],
    ),
    "errors": BadNight(
        what="One answer of ten is an error, breaks off, or does not come",
        end="0",
        faults=lambda _: [
            ServerFault("error", share=0.04, seed=1),
            ServerFault("reset", share=0.03, seed=2),
            ServerFault("half-body", share=0.03, seed=3),
        ],
    ),
    "slow": BadNight(
        what="Each answer takes half a second",
        end="0",
        faults=lambda _: [ServerFault("slow", seconds=0.5)],
    ),
    "rate-limit": BadNight(
        what="Bitbucket's rate limit allows 5 requests a second, 60 at once",
        end="0, slowly: try it with --repositories 100",
        rate_limit=RateLimit(capacity=60, fill_rate=5),
    ),
    "throttled": BadNight(
        what="Bitbucket asks for a pause three times (429, Retry-After 5)",
        end="0",
        faults=lambda _: [ServerFault("rate-limited", first=_AFTER, times=3, retry_after=5)],
    ),
    "denied": BadNight(
        what="The permissions of one project and of its repositories can't be read",
        end="3, nothing uploaded",
        faults=_denied,
    ),
    "revoked": BadNight(
        what=f"After {_AFTER} requests the token is revoked",
        end="4",
        faults=lambda _: [ServerFault("revoked", first=_AFTER)],
    ),
    "forgotten": BadNight(
        what=f"After {_AFTER} requests Bitbucket takes the collector for nobody",
        end="4",
        faults=lambda _: [ServerFault("forgotten", first=_AFTER)],
    ),
    "login-page": BadNight(
        what="A single sign-on in front of Bitbucket answers with its page",
        end="2, or 75 where a run has succeeded before",
        faults=lambda _: [ServerFault("login-page")],
    ),
    "removed": BadNight(
        what="All grants of single users are gone: make a run without this first",
        end="3, stopped by --max-removed",
        change=_remove_grants,
    ),
    "veza-unavailable": BadNight(
        what="Veza can't take uploads now (503)",
        end="5 after some minutes of trying again, the payload is kept",
        veza="unavailable",
    ),
    "veza-revoked": BadNight(what="Veza's key was revoked", end="5 before the crawl", veza="revoked"),
    "veza-rejected": BadNight(what="Veza rejects the upload", end="5, the payload is kept", veza="rejected"),
}


class RehearsalVeza(EmbeddedVeza):
    """An embedded Veza with the key of rehearsals, on a fixed port, and with bad nights of its own."""

    def __init__(self, port: int, answers: Sequence[VezaAnswer] = ()) -> None:
        super().__init__(port=port)
        self.api_key = API_KEY
        self._bad = frozenset(answers)

    async def respond(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        """The answer, or what the night makes of it."""
        push = request.path.endswith((":push", ":parts"))
        if "revoked" in self._bad:
            refusal = VezaRefusal(401, "Unauthenticated", "invalid API key")
        elif push and "unavailable" in self._bad:
            refusal = VezaRefusal(503, "Unavailable", "try again")
        elif push and "rejected" in self._bad:
            refusal = VezaRefusal(400, "InvalidArgument", "invalid payload", ["applications[0]: rejected on purpose"])
        else:
            return await super().respond(request, body)
        return as_json(refusal.body, refusal.status)


def rehearsal_servers(
    estate: Estate, names: Sequence[str], bitbucket_port: int, veza_port: int
) -> tuple[EmbeddedBitbucket, RehearsalVeza]:
    """Both servers, not started yet, with the bad nights of BAD_NIGHTS that `names` name. Port 0 is a free one."""
    nights = [BAD_NIGHTS[name] for name in names]
    faults = [fault for night in nights for fault in night.faults(estate)]
    limit = next((night.rate_limit for night in nights if night.rate_limit is not None), None)
    for night in nights:
        if night.change is not None:
            night.change(estate)
    bitbucket = EmbeddedBitbucket(estate, ServerOptions(port=bitbucket_port, rate_limit=limit), faults)
    bitbucket.add_account(bitbucket.user, token=TOKEN)
    return bitbucket, RehearsalVeza(veza_port, [night.veza for night in nights if night.veza is not None])
