"""What a reader should know about a payload, told once for each kind."""

_EXAMPLES = 3


class Notes:
    """Warnings, counted by kind, with the first few examples of each. The order of adding decides which those are."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}
        self._said: list[str] = []

    def add(self, kind: str, example: str) -> None:
        """One more of `kind` (a phrase that completes `3 …`); `example` names it."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def say(self, line: str) -> None:
        """A line of its own, after those that are counted."""
        self._said.append(line)

    def lines(self) -> list[str]:
        """One line for each kind, sorted: `2 permissions that …: FOO, BAR`, then what was said."""
        return [self._line(kind) for kind in sorted(self._counts)] + self._said

    def _line(self, kind: str) -> str:
        count = self._counts[kind]
        more = f" and {count - _EXAMPLES} more" if count > _EXAMPLES else ""
        return f"{count} {kind}: {', '.join(self._examples[kind])}{more}"
