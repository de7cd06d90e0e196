"""A row of the audit log as REST shows it: without id, area and level (as recorded from 7.18)."""

from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.demo.bitbucket.audit.log import SYSTEM, Row
from oaa_bitbucket_async.demo.happening import Thing
from oaa_bitbucket_async.demo.model import Estate

_ADDRESS = "10.50.73.5"


class RowRenderer:
    """Renders rows of one revision of an estate: links lead only to what is still there."""

    def __init__(self, estate: Estate, base: str, *, legacy: bool) -> None:
        self._estate = estate
        self._base = base
        self._legacy = legacy

    def row(self, row: Row) -> dict[str, object]:
        """The row, to become JSON."""
        author = row.author
        shown: dict[str, object] = {
            "timestamp": instant(row.time),
            "author": {"name": author.name, "type": author.kind, "id": author.id, **self._user_link(author.name)}
            | {"avatarUri": ""},
            "type": {
                "categoryI18nKey": row.action.category_key,
                "category": row.action.category,
                "actionI18nKey": row.action.key,
                "action": row.action.text,
            },
            "affectedObjects": [self._object(row, thing) for thing in row.things],
            "changedValues": [
                {"key": one.name, "i18nKey": one.key}
                | ({} if one.old is None else {"from": one.old})
                | ({} if one.value is None else {"to": one.value})
                for one in row.changed
            ],
        }
        if author != SYSTEM:
            shown |= {"source": _ADDRESS, "system": self._base}
        attributes: list[dict[str, str | None]] = [
            {"nameI18nKey": one.key, "name": one.name, "value": one.value} for one in row.attributes
        ]
        if self._legacy and row.action.area != "audit-log":
            attributes += _legacy(row)
        method = "System" if author == SYSTEM else "Browser"
        return shown | {"node": row.node, "method": method, "extraAttributes": attributes}

    def _object(self, row: Row, thing: Thing) -> dict[str, str]:
        shown = {"name": thing.name, "type": thing.kind} | self._link(row, thing)
        return shown if thing.id is None else {**shown, "id": thing.id}

    def _link(self, row: Row, thing: Thing) -> dict[str, str]:
        estate = self._estate
        name = quote(thing.name, safe="~")
        if thing.kind == "USER":
            return self._user_link(thing.name)
        if thing.kind == "GROUP" and estate.group(thing.name) is not None:
            return {"uri": f"{self._base}/admin/groups/view?name={name}"}
        if thing.kind == "PROJECT" and estate.project(thing.name) is not None:
            return {"uri": f"{self._base}/projects/{name}"}
        if thing.kind == "REPOSITORY":
            key = next((one.name for one in row.things if one.kind == "PROJECT"), "")
            if estate.repository(key, thing.name) is not None:
                return {"uri": f"{self._base}/projects/{quote(key, safe='~')}/repos/{name}"}
        return {}

    def _user_link(self, name: str) -> dict[str, str]:
        user = self._estate.user(name)
        return {"uri": f"{self._base}/users/{user.slug}"} if user is not None and not user.deleted else {}


def instant(milliseconds: int) -> str:
    """As Java writes an instant: without a fraction on the full second."""
    at = datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().removesuffix("+00:00")
    rest = milliseconds % 1000
    return f"{at}.{rest:03d}Z" if rest else f"{at}Z"


def _legacy(row: Row) -> list[dict[str, str | None]]:
    """What the log had before 7.0, kept beside the new attributes until 8.0."""
    details = {one.key.rpartition(".")[2]: one.value for one in row.attributes}
    details |= {thing.kind.lower(): thing.name for thing in row.things if thing.kind == "USER"}
    target = "/".join(t.name for t in row.things if t.kind in ("PROJECT", "REPOSITORY"))
    others = [t.name for t in row.things]
    found: list[dict[str, str | None]] = []
    if details:
        text = msgspec.json.encode(details).decode()
        found.append({"nameI18nKey": "bitbucket.audit.attribute.legacy.details", "name": "details", "value": text})
    is_global = row.action.key.startswith("bitbucket.service.user.audit.action.globalpermission")
    target = "Global" if is_global else target or (others[0] if others else "System")
    return [*found, {"nameI18nKey": "bitbucket.audit.attribute.legacy.target", "name": "target", "value": target}]
