"""Custom providers and their data sources."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
    """A data source, and how far Veza has parsed what was pushed to it."""

    id: str
    name: str
    provider_id: str
    status: str = "PENDING"
    pushes: int = 0
    parsed: int = 0
    """The last push that was parsed, by number."""
    next_statuses: list[str] = field(default_factory=list)
    """The statuses that the next looks will show."""

    def push(self, statuses: list[str]) -> None:
        """Takes a payload. Each look at the data source then moves the parsing one step on."""
        self.pushes += 1
        self.next_statuses = statuses

    def row(self) -> Json:
        """As Veza shows it. Each look moves the parsing one step on."""
        if self.next_statuses:
            self.status = self.next_statuses.pop(0)
            if self.status == "SUCCESS" and not self.next_statuses:
                self.parsed = self.pushes
        return {
            "id": self.id,
            "name": self.name,
            "provider_id": self.provider_id,
            "status": self.status,
            "synced_at": _time(self.pushes, timedelta()),
            "parsed_at": _time(self.parsed, _PARSING),
        }


def _time(push: int, later: timedelta) -> str | None:
    """The time of the push of this number; None before the first."""
    return (_BEGINNING + push * _BETWEEN_PUSHES + later).isoformat().replace("+00:00", "Z") if push else None
