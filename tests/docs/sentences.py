"""The sentences in the code that somebody may meet, with `...` for what varies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gleitzeitd", "gleitzeit_extensions")
LOUD = {"warning", "error", "exception"}
"""What needs somebody, of the words of a log."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module by its path."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def said(tree: ast.AST, called: str) -> Iterator[str]:
    """What is handed as a sentence to each call of that name."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
                name == called
            ):
                yield from sentences(first)


def returned(tree: ast.Module, function: str) -> Iterator[str]:
    """What a function answers."""
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    for node in ast.walk(found):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from sentences(node.value)


def logged(tree: ast.AST) -> Iterator[str]:
    """The events that need somebody."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=how), args=[first, *_]):
                if how in LOUD:
                    yield from sentences(first)


def sentences(node: ast.expr) -> Iterator[str]:
    """The texts in an expression, each as a whole."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "..." for one in parts)
        case ast.Tuple(elts=elements):
            for element in elements:
                yield from sentences(element)
