"""The default reviewers of pull requests, from Bitbucket's app of that name."""

import msgspec

from oaa_bitbucket_async.bitbucket.rows import Id, Name, Number, Page, Row


class ReviewCondition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Pull requests from `source` to `target` (such as `any branch` or `main`) get these reviewers. `approvals` is how
    many of them must approve. `reviewers` are sorted user names."""

    source: str
    target: str
    approvals: int
    reviewers: tuple[str, ...]


class _MatcherType(Row, frozen=True):
    id: Name


class _Matcher(Row, frozen=True):
    id: str
    type: _MatcherType
    display_id: str | None = None


class _Reviewer(Row, frozen=True):
    id: Id
    name: Name


class _Condition(Row, frozen=True):
    source_ref_matcher: _Matcher
    target_ref_matcher: _Matcher
    required_approvals: Number = 0
    reviewers: tuple[_Reviewer, ...] = ()


def _condition(wire: _Condition) -> ReviewCondition:
    return ReviewCondition(
        source=_words(wire.source_ref_matcher),
        target=_words(wire.target_ref_matcher),
        approvals=wire.required_approvals,
        reviewers=tuple(sorted({reviewer.name for reviewer in wire.reviewers})),
    )


def _words(matcher: _Matcher) -> str:
    if matcher.type.id == "ANY_REF":
        return "any branch"
    return matcher.display_id or matcher.id.removeprefix("refs/heads/")


class _Conditions:
    """Decodes conditions, as a list (which Atlassian documents) or as pages (which a server may send)."""

    def __init__(self) -> None:
        self._wire = msgspec.json.Decoder(list[_Condition] | Page[_Condition])

    def decode(self, body: bytes, /) -> Page[ReviewCondition]:
        """Raises msgspec.ValidationError and msgspec.DecodeError, as a decoder of msgspec does."""
        told = self._wire.decode(body)
        page = Page(told, is_last_page=True) if isinstance(told, list) else told
        values = [_condition(row) for row in page.values]
        return Page(values, page.is_last_page, page.next_page_start, page.limit, page.size, page.start)


CONDITIONS = _Conditions()
