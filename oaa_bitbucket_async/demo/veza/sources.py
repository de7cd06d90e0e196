"""Custom providers, their data sources, and what was pushed to them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from oaa_bitbucket_async.demo.veza.refusal import Json

_BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
_BETWEEN_PUSHES = timedelta(hours=1)
_PARSING = timedelta(minutes=1)


@dataclass(slots=True)
class Provider:
    """A custom provider."""

    id: str
    name: str
    custom_template: str
    data_sources: "dict[str, DataSource]" = field(default_factory=dict)

    def row(self) -> Json:
        """As Veza shows it."""
        return {"id": self.id, "name": self.name, "custom_template": self.custom_template, "state": "ENABLED"}


@dataclass(slots=True)
class DataSource:
    """A data source, and how far Veza is with what was pushed to it."""

    id: str
    name: str
    provider_id: str
    tells_times: bool = True
    status: str = "PENDING"
    pushes: int = 0
    parsed: int = 0
    """The last push that was parsed, by number."""
    next_statuses: list[str] = field(default_factory=list)
    """What further looks at it will show, once `behind` looks have shown what it was before the push."""
    behind: int = 0

    def push(self, statuses: list[str], behind: int) -> None:
        """Takes a payload; parsing goes on as the data source is looked at."""
        self.pushes += 1
        self.next_statuses = statuses
        self.behind = behind

    def row(self) -> Json:
        """As Veza shows it; every look brings it one step on."""
        if self.behind:
            self.behind -= 1
        elif self.next_statuses:
            self.status = self.next_statuses.pop(0)
            if self.status == "SUCCESS":
                self.parsed = self.pushes
        row: Json = {"id": self.id, "name": self.name, "provider_id": self.provider_id, "status": self.status}
        if self.tells_times:
            row["synced_at"] = _time(self.pushes, timedelta())
            row["parsed_at"] = _time(self.parsed, _PARSING)
        return row


@dataclass(frozen=True, slots=True)
class Pushed:
    """A payload that was taken. `raw` is its JSON, `body` the gzip it came in (None if it came in parts)."""

    provider: str
    data_source: str
    raw: bytes
    body: bytes | None

    def decoded(self) -> Json:
        """The payload."""
        payload: Json = msgspec.json.decode(self.raw)
        return payload


def _time(push: int, later: timedelta) -> str | None:
    """The time of the push of this number; None before the first."""
    return (_BEGINNING + push * _BETWEEN_PUSHES + later).isoformat().replace("+00:00", "Z") if push else None
