"""A real browser looks at a page: how wide things are, what breaks, how well it can be read. Without a window."""

import html
import json
import re
from pathlib import Path
from typing import TypedDict

import pytest

from benchmarks.browser import browse, installed

_MEASURE = """
const parts = text => [...text.matchAll(/[\\p{L}\\p{N}]+/gu)];
function broken(root) {
  const found = [], walk = root.ownerDocument.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node; node = walk.nextNode();) for (const part of parts(node.data)) {
    const range = root.ownerDocument.createRange();
    range.setStart(node, part.index); range.setEnd(node, part.index + part[0].length);
    const tops = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
    if (tops.size > 1) found.push(part[0]);
  }
  return found;
}
const channel = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const numbers = color => color.match(/[\\d.]+/g).map(Number);
const luminance = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
function ground(node, view) {
  for (; node; node = node.parentElement) {
    const color = numbers(view.getComputedStyle(node).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color;
  }
  return [255, 255, 255];
}
function contrast(node, view) {
  const [a, b] = [numbers(view.getComputedStyle(node).color), ground(node, view)].map(luminance);
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}
function look(frame) {
  const view = frame.contentWindow, page = frame.contentDocument;
  for (const one of page.querySelectorAll("details")) one.open = true;
  const texts = "h1, h2, h3, p, th, td, li, dt, dd, small, .mark, .means, .label, caption.shown";
  const all = [...page.querySelectorAll(texts)];
  const cells = [...page.querySelectorAll("th, td")];
  return {
    width: view.innerWidth,
    page_width: page.documentElement.scrollWidth,
    hidden_cells: cells.filter(c => c.getClientRects().length === 0 || c.offsetWidth === 0).length,
    cells: cells.length,
    broken: broken(page.querySelector("main")),
    faint: all.filter(n => contrast(n, view) < 4.5).map(n => `${n.tagName} ${n.textContent.slice(0, 40)}`),
    sticking_out: [...page.querySelectorAll(".card, .finding, .tile, .banner")]
      .filter(c => c.getBoundingClientRect().right > view.innerWidth).length,
    color_scheme: view.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
  };
}
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(look);
  document.body.replaceChildren(document.createTextNode("MEASURED" + JSON.stringify(found) + "MEASURED"));
});
"""


class Look(TypedDict):
    """What was measured at one width."""

    width: int
    page_width: int
    hidden_cells: int
    cells: int
    broken: list[str]
    """Pieces of words that stand on two lines."""
    faint: list[str]
    """Texts of too little contrast (WCAG 2, AA: 4.5 to 1)."""
    sticking_out: int
    color_scheme: str


def browser() -> None:
    """Skips the test where there is none."""
    if installed() is None:
        pytest.skip("no browser is installed: chromium, Chrome or Edge")


def look_at(page: bytes, widths: list[int], scheme: int, folder: Path) -> list[Look]:
    """The page, with everything open, in frames of these widths."""
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{html.escape(page.decode())}"></iframe>'
        for width in widths
    )
    there = folder / "frames.html"
    there.write_text(f"<!DOCTYPE html><meta charset=utf-8><script>{_MEASURE}</script>{frames}", encoding="utf-8")
    shown = browse(there, scheme, folder, "--dump-dom").decode()
    answer = re.search("<body>MEASURED(.*)MEASURED", shown, re.DOTALL)
    if answer is None:
        pytest.skip("the browser that is installed does not start here")
    looks: list[Look] = json.loads(html.unescape(answer[1]))
    return looks
