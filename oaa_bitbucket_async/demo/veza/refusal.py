"""What the answers of all of Veza's calls share."""

Json = dict[str, object]


class VezaRefusal(Exception):  # noqa: N818  # an answer, not a failure of this program
    """A 4xx answer as Veza gives it."""

    def __init__(self, status: int, code: str, message: str, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "code": code,
            "message": message,
            "details": [{"violation": detail} for detail in details or []],
            "request_id": "req-0001",
            "timestamp": "2024-01-01T00:00:00Z",
        }


def pages(rows: list[Json], token: str, size: int) -> Json:
    """The page of `rows` that begins at `token`."""
    start = int(token) if token.isdigit() else 0
    following = start + size
    more = following < len(rows)
    return {
        "values": rows[start:following],
        "next_page_token": str(following) if more else "",
        "has_more": more,
    }
