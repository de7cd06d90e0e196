"""Text from elsewhere on its way to a person: what servers say, names that anybody may give, file names.

Such text must not control a terminal or begin a line of a log (DESIGN.md section 4, rule 11). `quote` cleans the text
when it arrives. `escape` and the functions like it clean everything that is printed.
"""

import re

from oaa_bitbucket_async.redaction import CUT, Redact

LONGEST_QUOTE = 300
"""Characters of what a server said that a message repeats."""
_LONGEST_READ = 100 * LONGEST_QUOTE
"""Characters that are looked at: an error page is no reason to search megabytes for secrets."""
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


def escape(text: str) -> str:
    r"""`text` on one line: line breaks, control characters and those that turn the direction of writing as `\x1b`."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def escape_lines(text: str) -> str:
    """A traceback: lines stay lines, and all but the first are indented, so that none passes for a line of the log."""
    return "\n  ".join(map(escape, text.rstrip("\n").split("\n")))


def escape_json(text: str) -> str:
    r"""The same JSON, with every character that is not printable as `\u009b`; line breaks between values stay."""
    return _NOT_PRINTABLE.sub(lambda found: _spelled_in_json(found[0]), text)


def as_it_is(text: str) -> str:
    """Redacts nothing, for text without secrets."""
    return text


def quote(text: str, redact: Redact = as_it_is) -> str:
    """A server's text that is safe to repeat: without secrets, on one line, at most 300 characters."""
    line = one_line(text, redact)
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + CUT


def one_line(text: str, redact: Redact, most: int = _LONGEST_READ) -> str:
    """What somebody else said, without secrets and control characters, on one line; `most` characters are looked at.

    Secrets are removed before the text is cut, because a part of a secret is hard to recognize. `text` may have been
    cut before, so a secret's beginning at its end is removed too.
    """
    known = redact(text[:most] + CUT).removesuffix(CUT)
    return " ".join("".join(c if c.isprintable() else " " for c in known).split())


def _spelled(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _spelled_in_json(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
