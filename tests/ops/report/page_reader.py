"""Reads a page as a browser's parser would have to, and refuses what no browser should have to mend."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br", "hr", "img", "link", "input"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "div", "p", "h1", "h2",
    "h3", "a", "b", "bdi", "i", "small", "span", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
    "dl", "dt", "dd", "details", "summary", "caption", "code", "wbr", "svg", "g", "rect", "path", "text",
}  # fmt: skip
"""What the template writes. Anything else came from a name."""
WORDS = {"title", "aria-label", "alt"}
"""Attributes that are read by people."""
REFERENCES = {"href", "src", "srcset", "action", "data", "poster", "background", "xlink:href", "cite", "formaction"}


class Page(HTMLParser):
    """A page, read; AssertionError if it is not well formed."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[list[str]]] = []
        """Of all tables: rows of cells of pieces of text."""
        self.source = content.decode("utf-8")
        assert self.source.startswith("<!DOCTYPE html>\n<html lang=")
        self.feed(self.source.replace("<wbr>", ""))  # a name is one, wherever it may break
        self.close()
        assert self.open == [], "not closed"
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        drawings = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", self.source, re.DOTALL)]
        self.labels = [label.text or "" for svg in drawings for label in svg.iter(f"{SVG}text")]
        numbers = [value for svg in drawings for one in svg.iter() for value in one.attrib.values()]
        assert not re.search(r"\b(nan|inf|None)\b", " ".join(numbers))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: <{tag} {attrs}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> outside of a drawing"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> crosses another"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
            if data.strip() and {"td", "th"} & set(self.open):
                self.rows[-1][-1].append(data.strip())

    @property
    def references(self) -> set[str]:
        """Where the page leads to, or would load something from."""
        found = {str(value) for _, attrs in self.tags for name, value in attrs.items() if name in REFERENCES}
        return found | set(re.findall(r"url\(.*?\)|@import.*", self.styles))

    @property
    def styles(self) -> str:
        """All that a browser would take for CSS."""
        inner = re.findall(r"<style>(.*?)</style>", self.source, re.DOTALL)
        return " ".join([*inner, *(str(attrs.get("style")) for _, attrs in self.tags)])

    @property
    def addresses(self) -> set[str]:
        """Whatever looks like an address, but for what is only text: a thing may be called like one."""
        values = [str(value) for _, attrs in self.tags for name, value in attrs.items() if name not in WORDS]
        return set(re.findall(r"\w+://[^\s\"'<]*", " ".join([self.styles, *values])))

    @property
    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]


def safe(page: Page, base_url: str, beside: Iterable[str] = ()) -> None:
    """Nothing runs, nothing is loaded, nothing but the template's own elements is there.

    `beside`: files in its folder.
    """
    assert {tag for tag, _ in page.tags} <= TAGS
    assert [a for _, attrs in page.tags for a in attrs if a.startswith("on")] == []
    anchors = {f"#{one}" for one in page.ids}
    assert page.references - {base_url, *beside} <= anchors, "a reference that leads elsewhere, or nowhere"
    assert len(set(page.ids)) == len(page.ids)
    assert {one for one in page.addresses if not one.startswith(base_url)} <= {"http://www.w3.org/2000/svg"}
