"""The rooms of the code and the one direction between them: a room imports only rooms to its left.

errors, secret, settings, files, events ...  <-  bitbucket  <-  collect  <-  oaa  <-  access
ops reads all of these; demo stands alone; cli builds settings; run alone knows them all.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "oaa_bitbucket_async"
ROOT = Path(__file__).parents[1] / PACKAGE
FOR_ALL = {
    *("", "errors", "secret", "settings", "files", "reading", "state", "redaction", "events", "text", "urls"),
    *("retry_after", "unreached", "folders", "proxies"),
}
"""Modules at the top that everyone may use ("" is the package itself: its version)."""
ROOMS = {
    "bitbucket": FOR_ALL | {"bitbucket"},
    "collect": FOR_ALL | {"bitbucket", "collect"},
    "oaa": FOR_ALL | {"collect", "oaa"},
    "access": FOR_ALL | {"oaa", "access"},
    "ops": FOR_ALL | {"bitbucket", "collect", "oaa", "access", "ops"},
    "demo": {"", "errors", "demo"},
    "cli": FOR_ALL | {"cli"},
    "run": FOR_ALL | {"bitbucket", "collect", "oaa", "access", "ops", "demo", "run"},
    "__main__": {"cli"},
}
LAZY = {"cli": {"run"}}
"""What a room may import inside a function, so that `--help` does not load the world."""
AT_THE_TOP = {
    "": set[str](),
    "errors": set[str](),
    "secret": set[str](),
    "settings": {"secret"},
    "files": {"errors"},
    "folders": {"errors", "files"},
    "reading": {"errors", "events", "files"},
    "state": {"settings", "urls"},
    "urls": set[str](),
    "retry_after": set[str](),
    "proxies": {"errors"},
    "redaction": {"proxies", "secret", "settings"},
    "events": {"redaction"},
    "text": {"redaction"},
    "unreached": {"redaction", "text"},
}

WIRE = {"aiohttp", "yarl"}
SCREEN = {"click", "rich"}
VEZA = {"oaaclient", "requests"}
LIBRARIES = {
    "bitbucket": SCREEN | VEZA | WIRE,
    "collect": SCREEN | VEZA | WIRE,
    "oaa": SCREEN | WIRE,
    "access": SCREEN | WIRE | VEZA,
    "ops": VEZA | WIRE | {"click"},
    "cli": VEZA | WIRE,
    "demo": VEZA,
}
"""What a room has no business with."""
MAY_AFTER_ALL = {
    "bitbucket.transport": WIRE,
}
"""One module speaks HTTP to Bitbucket."""
NO_SOCKET = (
    "bitbucket.rows",
    "bitbucket.audit.rows",
    "bitbucket.audit.reading",
    "bitbucket.faults",
    "bitbucket.stats",
    "bitbucket.protocol",
    "bitbucket.pacing",
    "collect.snapshot",
)
"""Tested without a socket and on a clock of their own, so they lead to no module that opens one."""
NOT_EVERYWHERE = {
    "fcntl",
    "grp",
    "msvcrt",
    "pwd",
    "resource",
    "syslog",
    "termios",
    "tty",
    "uvloop",
    "winreg",
    "_winapi",
}
"""Modules that one system or another lacks: an import at the top would break the program there."""


class Import(NamedTuple):
    """One import: of which module, on which line, and whether only when a function runs or a guard lets it."""

    module: str
    line: int
    lazy: bool
    guarded: bool


def modules() -> dict[str, Path]:
    """All modules of the package by their names in it: `bitbucket.pacing.gate`."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(source: str, module: str, *, package: bool = False) -> Iterator[Import]:
    """Every import statement of a module, those for type checking only left out."""

    def visit(node: ast.AST, lazy: bool, guarded: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy, guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(n, node.lineno, lazy, guarded) for n in origins(node))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child, lazy, guarded)
        else:
            lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            guarded = guarded or isinstance(node, ast.If | ast.Try)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, lazy, guarded)

    def origins(node: ast.ImportFrom) -> list[str]:
        base = node.module or ""
        if node.level:
            here = [PACKAGE, *module.split(".")] if module else [PACKAGE]
            here = here if package else here[:-1]
            kept = here[: len(here) - node.level + 1]
            base = ".".join([*kept, base]).rstrip(".")
        # `from package import module` is an import of the module.
        inside = base.removeprefix(PACKAGE).lstrip(".")
        if base.split(".")[0] != PACKAGE:
            return [base]
        names = [".".join(filter(None, (inside, alias.name))) for alias in node.names]
        return [f"{PACKAGE}.{name}" if name in MODULES else base for name in names]

    yield from visit(ast.parse(source), lazy=False, guarded=False)


def imports_of(module: str) -> list[Import]:
    path = MODULES[module]
    return list(imports(path.read_text(encoding="utf-8"), module, package=path.name == "__init__.py"))


def ours(name: str) -> str | None:
    """The name within the package, None for another's module."""
    return name.removeprefix(PACKAGE).lstrip(".") if name.split(".")[0] == PACKAGE else None


def room(module: str) -> str:
    return module.split(".")[0]


def allowed(module: str, lazy: bool) -> set[str]:
    here = room(module)
    at_once = AT_THE_TOP[here] if here in AT_THE_TOP else ROOMS[here]
    return at_once | (LAZY.get(here, set()) if lazy else set())


def trespasses(module: str, found: list[Import]) -> list[str]:
    """What a module imports of this package although it may not."""
    return [
        f"{module}:{i.line} imports {i.module}"
        for i in found
        if (name := ours(i.module)) is not None and room(name) not in allowed(module, i.lazy)
    ]


def test_every_module_has_a_room() -> None:
    assert {room(m) for m in MODULES} <= set(ROOMS) | set(AT_THE_TOP)


def test_a_room_imports_only_rooms_to_its_left() -> None:
    assert [found for m in MODULES for found in trespasses(m, imports_of(m))] == []


def test_a_room_leaves_the_libraries_of_others_alone() -> None:
    found = []
    for module in MODULES:
        forbidden = LIBRARIES.get(room(module), set()) - MAY_AFTER_ALL.get(module, set())
        found += [f"{module}:{i.line} imports {i.module}" for i in imports_of(module) if room(i.module) in forbidden]
    assert found == []


def test_what_is_tested_without_a_socket_leads_to_none() -> None:
    seen: set[str] = set()
    way = [m for m in MODULES if m.startswith(NO_SOCKET)]
    assert way
    while way:
        here = way.pop()
        if here in seen:
            continue
        seen.add(here)
        for i in imports_of(here):
            assert room(i.module) not in WIRE | {"socket", "ssl"}, f"they lead to {here}, which imports {i.module}"
            if (name := ours(i.module)) in MODULES:
                way.append(str(name))


def test_nothing_needs_a_module_that_one_system_lacks() -> None:
    assert [
        f"{module}:{i.line} imports {i.module} unguarded"
        for module in MODULES
        for i in imports_of(module)
        if room(i.module) in NOT_EVERYWHERE and not (i.lazy or i.guarded)
    ] == []


def test_every_library_is_one_that_the_project_names() -> None:
    named = {
        *("aiohttp", "click", "filelock", "msgspec", "oaaclient", "platformdirs", "prometheus_client", "rich"),
        *("tenacity", "uvloop", "trustme", "jinja2", "markupsafe", "pygal"),
        *("requests", "urllib3", "yarl", "multidict", "idna"),  # come with oaaclient and aiohttp
    }
    used = {room(i.module) for module in MODULES for i in imports_of(module) if ours(i.module) is None}
    assert used <= named | sys.stdlib_module_names | NOT_EVERYWHERE


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("bitbucket.rows", "from oaa_bitbucket_async.collect import units", True),
        ("bitbucket.rows", "import oaa_bitbucket_async.ops.lock", True),
        ("bitbucket.rows", "def f():\n    from oaa_bitbucket_async.oaa.names import x", True),
        ("bitbucket.rows", "from ..collect import units", True),
        ("bitbucket.rows", "from .. import run", True),
        ("bitbucket.rows", "from . import faults", False),
        ("collect.crawl", "from oaa_bitbucket_async.bitbucket import rows", False),
        ("collect.crawl", "from oaa_bitbucket_async import run", True),
        ("collect.crawl", "from oaa_bitbucket_async import __version__", False),
        ("demo.estate", "from oaa_bitbucket_async.bitbucket import rows", True),
        ("cli.main", "from oaa_bitbucket_async import run", True),
        ("cli.main", "def f():\n    from oaa_bitbucket_async import run", False),
        ("cli.main", "def f():\n    from oaa_bitbucket_async.oaa import upload", True),
        ("run.loop", "from oaa_bitbucket_async.cli import main", True),
        ("errors", "from oaa_bitbucket_async import settings", True),
    ],
)
def test_the_rule_catches_what_breaks_it(module: str, source: str, caught: bool) -> None:
    assert bool(trespasses(module, list(imports(source, module)))) is caught
