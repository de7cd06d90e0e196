"""Every message with which the package can end a run, read from its source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.pages import ROOT

PACKAGE = ROOT / "oaa_bitbucket_async"
GAP = "…"
"""Stands for what is only known at run time."""
INTERNAL = frozenset(
    {"AttributeError", "IndexError", "LookupError", "NoBaseError", "NotImplementedError", "OSError",
     "OperationalError", "RecursionError", "RuntimeError", "TypeError", "ValidationError", "ValueError"}
)  # fmt: skip
"""Errors that the code catches or that are bugs: nobody reads them as the end of a run."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one place in the code says; `text` has `…` for what is only known at run time."""

    where: str
    text: str


def messages() -> Iterator[Message]:
    """All of them, in the order of files."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] != "demo":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for line, text in _of_module(tree):
                if text.strip(f" .:,;({GAP})"):
                    yield Message(f"{path.relative_to(ROOT).as_posix()}:{line}", text)


def _of_module(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What is given to an error first, or noted among the problems of the settings."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and node.args and _is_error(node.func):
                    for text in _texts(node.args[_place(node)], function):
                        yield node.lineno, text


def _is_error(called: ast.expr) -> bool:
    name = ast.unparse(called)
    if name.endswith("problems.append") or name.startswith("(CredentialError if"):
        return True
    if name == "super().__init__":
        return True
    name = name.rpartition(".")[2]
    return name.endswith("Error") and name not in INTERNAL


def _place(call: ast.Call) -> int:
    """Which argument is the message."""
    return 1 if ast.unparse(call.func) in ("InterruptedRunError", "UntrustedFileError") else 0


def _texts(node: ast.expr, function: ast.AST) -> list[str]:
    """The texts that an expression can be: of a name, all that the function gives it."""
    if isinstance(node, ast.Name):
        return [
            text
            for each in ast.walk(function)
            if isinstance(each, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in each.targets)
            for text in _texts(each.value, function)
        ]
    return [_text(node)] if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) else []


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return GAP
