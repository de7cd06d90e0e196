"""What the endpoints of the audit log answer, and to whom. They are not in Atlassian's OpenAPI document (AUDIT.md)."""

from datetime import datetime
from itertools import islice
from urllib.parse import parse_qsl, urlencode

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer, bad_argument, not_permitted
from oaa_bitbucket_async.demo.bitbucket.audit.log import AuditLog, Row
from oaa_bitbucket_async.demo.bitbucket.audit.rows import RowRenderer, instant
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.base_endpoints import Handler, ServerRequest, signed_in
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.happening import Happening, Thing, Told
from oaa_bitbucket_async.demo.model import Estate

_DEFAULT_LIMIT, _MOST = 200, 100_000
_FILTERS = {"userIds", "categories", "actions", "affectedObject", "search", "scanLimit", "outputFormat"}
"""Bitbucket has them. They compare texts in the site's language, so a client that wants all sites leaves them out."""


class AuditEndpoints:
    """Answers from an audit log. There are none before Bitbucket 7.0."""

    def __init__(self, log: AuditLog, estate: Estate, options: ServerOptions, base: str) -> None:
        self._log = log
        self._options = options
        self._base = base
        self._render = RowRenderer(estate, base, legacy=options.release < (8, 0))

    def handlers(self) -> dict[str, Handler]:
        """Each kind of endpoint with what answers it."""
        if self._options.release < (7, 0):
            return {}
        return {
            "audit-events": self._events,
            "audit-coverage": self._coverage,
            "audit-retention": self._retention,
            "audit-denied": self._denied,
            "audit-usage": self._usage,
        }

    def _events(self, request: ServerRequest) -> ServerAnswer:
        caller = self._reader(request)
        query = request.query
        for name in _FILTERS & query.keys():
            raise bad_argument(f"The embedded audit log does not filter by {name}.", name)
        limit = min(_number(query, "limit", _DEFAULT_LIMIT), _MOST)
        offset = _number(query, "offset", 0)
        if limit < 1:
            raise bad_argument("limit must be at least 1.", "limit")
        since, until, before = _time(query, "from"), _time(query, "to"), _cursor(query)
        found = list(islice(self._log.search(since, until, before), offset, offset + limit + 1))
        rows, is_last = found[:limit], len(found) <= limit
        paging: dict[str, object] = {"lastPage": is_last, "size": len(rows)}
        if not is_last:
            cursor = f"{rows[-1].time},{rows[-1].id}"
            asked = dict(parse_qsl(request.raw_query, keep_blank_values=True))
            following = urlencode({**asked, "offset": "0", "limit": str(limit), "pageCursor": cursor}, safe=",:")
            paging = {
                "nextPageOffset": 0,
                "nextPageCursor": cursor,
                "nextPageLink": f"{self._base}{request.path}?{following}",
            } | paging
        body = msgspec.json.encode({"entities": [self._render.row(row) for row in rows], "pagingInfo": paging})
        self._log.write(_searched(rows, query, caller))
        return ServerAnswer(200, body)

    def _coverage(self, request: ServerRequest) -> ServerAnswer:
        self._reader(request)
        return _json({"levelByArea": self._log.coverage})

    def _retention(self, request: ServerRequest) -> ServerAnswer:
        self._reader(request)
        years, rest = divmod(self._log.retention_days, 365)
        return _json({"period": f"P{self._log.retention_days}D" if rest else f"P{years}Y"})

    def _denied(self, request: ServerRequest) -> ServerAnswer:
        self._reader(request)
        if not self._options.data_center:
            raise bad_argument("A Data Center license is required.")
        return _json({"actions": self._log.denied})

    def _usage(self, request: ServerRequest) -> ServerAnswer:
        return _json({"usage": self._log.usage()})

    def _reader(self, request: ServerRequest) -> Caller:
        """Who asks; refuses everybody without the right."""
        caller = signed_in(request)
        if not caller.holds_globally(self._options.audit_right):
            raise not_permitted()
        if caller.kind == "token" and not self._options.audit_by_token:
            raise not_permitted()
        return caller


def _json(body: object) -> ServerAnswer:
    return ServerAnswer(200, msgspec.json.encode(body))


def _searched(rows: list[Row], query: dict[str, str], caller: Caller) -> Happening:
    """Bitbucket audits each search."""
    told = [Told("id range", ""), Told("query", query.get("search", "")), Told("results", str(len(rows)))]
    if rows:
        told[0] = Told("id range", f"{min(row.id for row in rows)} - {max(row.id for row in rows)}")
        told.append(Told("time range", f"{instant(rows[-1].time)} - {instant(rows[0].time)}"))
    author = Thing(caller.user.type, caller.user.name, str(caller.user.id))
    return Happening("audit log searched", told=told, by=author)


def _number(query: dict[str, str], name: str, usual: int) -> int:
    text = query.get(name, "")
    if text and not text.isdigit():
        raise bad_argument(f"{name} must be a number that is not negative.", name)
    return int(text) if text else usual


def _time(query: dict[str, str], name: str) -> int | None:
    """An ISO-8601 instant in UTC, in milliseconds."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        if not text.endswith("Z"):
            raise ValueError(text)
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise bad_argument(f"{name} must be an instant such as 2021-11-27T17:34:26.108Z.", name) from None


def _cursor(query: dict[str, str]) -> tuple[int, int] | None:
    text = query.get("pageCursor", "")
    if not text:
        return None
    time, _, number = text.partition(",")
    if not (time.isdigit() and number.isdigit()):
        raise bad_argument("pageCursor must be one of nextPageCursor.", "pageCursor")
    return int(time), int(number)
