"""The output of `--check`: line by line while it runs, or one JSON object at the end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Figures, redacted
from oaa_bitbucket_async.ops.formats import duration_text
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.settings import Include
from oaa_bitbucket_async.text import escape

_RIGHTS = (("can't be told", None), ("administrator", True), ("no administrator", False))


@dataclass(frozen=True, slots=True)
class Price:
    """Requests of a part of a run. `least` and `most` differ if the number depends on what is found."""

    least: int
    most: int

    @property
    def text(self) -> str:
        """`1,066`, `411 to 1,233`."""
        return f"{self.most:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate limit of a run: `burst` requests at once, then a number of requests a second."""

    per_second: float
    burst: float = 0.0

    def seconds(self, requests: int) -> float:
        """How long so many requests take at least."""
        return max(0.0, requests - self.burst) / self.per_second


class CheckReport:
    """Collects the findings, each as text and as fields."""

    def __init__(self, redact: Redact, *, as_json: bool) -> None:
        self._redact = redact
        self._as_json = as_json
        self.fields: Figures = {"exit_code": None, "error": None, "notes": []}
        """What the JSON object has; docs/settings.md lists them."""
        self._notes: list[str] = []

    def tell(self, name: str, text: str, **fields: object) -> None:
        """Prints a line: its topic, if that differs from the line before, and the text."""
        self.fields |= fields
        self._print(f"{name + ':' if name else '':<12} {text}")

    def _print(self, line: str) -> None:
        if not self._as_json:
            print(escape(self._redact(line)), flush=True)

    def note(self, text: str) -> None:
        """Something to think about before the run."""
        self._notes.append(text)
        self.tell("Note", text, notes=self._notes)

    def server(self, url: str, found: Capabilities) -> None:
        """Tells which server answers, and as which user it sees us."""
        self.tell("Bitbucket", f"{url}, version {found.version}", url=url, version=found.version)
        how = "user name and password" if found.login == "basic" else "HTTP access token"
        name = found.user or "(the server does not say the name)"
        self.tell("Signed in", f"as {name}, by {how}", user=found.user, login=found.login)
        [rights] = [words for words, administrator in _RIGHTS if administrator is found.administrator]
        self.tell("Rights", rights, administrator=found.administrator)
        how = "as they were granted" if found.global_permissions == "explicit" else "as their effective holders"
        self.tell("Global", f"permissions are read {how}", global_permissions=found.global_permissions)
        for warning in found.warnings():
            self.note(warning)
        self._rate_limit(found)

    def _rate_limit(self, found: Capabilities) -> None:
        rate, limit = found.rate, None
        if not rate.readable:
            words = "can't be read (before 6.6, or not Data Center); learned from refusals if there is one"
        elif not rate.enabled:
            words = "none"
        elif rate.exempt or rate.bucket is None:
            words = "on, but this account is exempt"
        else:
            words = f"{rate.bucket.capacity} requests at once, then {rate.bucket.fill_rate} a second"
            limit = {"capacity": rate.bucket.capacity, "fill_rate": rate.bucket.fill_rate}
        state = {"readable": rate.readable, "enabled": rate.enabled, "exempt": rate.exempt, "limit": limit}
        self.tell("Rate limit", words, rate_limit=state)
        if limit is not None:
            self.tell(
                "",
                "To exempt the account: Administration, Rate limiting, Exemptions, Add exemption, "
                f"{found.user or 'the account'}, Allow unlimited requests",
            )

    def prices(self, run: int, of: dict[Include, Price], wanted: frozenset[Include], rate: Rate | None) -> None:
        """Prints the table of requests: of a run with these settings, and the share or addition of each `--include`."""
        rows = [("", "about", f"at {rate.per_second:g}/s" if rate is not None else "")]
        rows.append(("a run", f"{run:,}", _time(rate, run)))
        for include, price in of.items():
            if include in wanted:
                rows.append((f"  in it {include}", price.text, ""))
            else:
                rows.append((f"  + {include}", price.text, _time(rate, run + price.most)))
        self.tell("Requests", "of a run as it is set, and with more of --include")
        for line in _table(rows):
            self._print(f"  {line}")
        self.fields |= {
            "requests": run,
            "include": {
                str(include): {"at_least": price.least, "at_most": price.most, "in_run": include in wanted}
                for include, price in of.items()
            },
            "requests_per_second": rate.per_second if rate is not None else None,
            "seconds": round(rate.seconds(run), 1) if rate is not None else None,
        }

    def end(self, exit_code: int, error: CollectorError | None = None) -> None:
        """Prints the JSON object, if wanted. Also prints an error to standard error."""
        self.fields |= {"exit_code": exit_code, "error": None if error is None else str(error)}
        if self._as_json:
            print(escape(json.dumps(redacted(self.fields, self._redact), ensure_ascii=True)), flush=True)


def _time(rate: Rate | None, requests: int) -> str:
    return "" if rate is None else duration_text(rate.seconds(requests))


def _table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """The rows in columns, numbers to the right."""
    name, number, time = (max(len(row[column]) for row in rows) for column in range(3))
    return [f"{row[0]:<{name}}  {row[1]:>{number}}  {row[2]:>{time}}".rstrip() for row in rows]
