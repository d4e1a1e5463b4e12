"""The cut that puts one value into a YAML text: a token replaced, or a line or an item put in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.flow import EditError, flow
from gleitzeitd.config.outline import Kind, Node, after, outline
from gleitzeitd.config.place import Path

_BREAK = re.compile(r"\r\n|\r|\n")
STEP = 2
"""Columns of one level, where the file has no levels to show its own."""


@dataclass(frozen=True, slots=True)
class Way:
    """How far a path leads: the nodes on it, from the root, the last one's key, and what is missing then."""

    nodes: tuple[Node, ...]
    key: Node | None
    missing: Path

    @property
    def last(self) -> Node:
        return self.nodes[-1]


def way(root: Node, path: Path) -> Way:
    nodes: tuple[Node, ...] = (root,)
    key: Node | None = None
    for depth, part in enumerate(path):
        found = _child(nodes[-1], part)
        if found is None:
            return Way(nodes, key, path[depth:])
        key, nodes = found[0], (*nodes, found[1])
    return Way(nodes, key, ())


def line_at(text: str, at: int) -> int:
    return len(_BREAK.findall(text, 0, at)) + 1


def cut(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`. Raises EditError where that can't be done."""
    root = outline(text)
    if root is None or root.is_empty:
        return _with_lines(text, len(text), _lines(path, value, 0, STEP))
    found = way(root, path)
    node, missing = found.last, found.missing
    step = _step(root)
    if node.kind is Kind.ALIAS:
        name = _name(path[: len(path) - len(missing)])
        raise EditError(line_at(text, node.start), _shared(name, node, line_at(text, _anchored(root, node))))
    if not missing:
        return _replaced(text, found.key, node, flow(value))
    if node.is_null:
        return _filled(text, found, value, step)
    if node.kind is not Kind.MAPPING:
        name = _name(path[: len(path) - len(missing)])
        raise EditError(line_at(text, node.start), f'{name} has no key "{missing[0]}": it is no mapping')
    if node.is_flow:
        return _with_item(text, node, f"{flow(missing[0])}: {_nested(missing[1:], value)}")
    return _with_lines(text, node.end, _lines(missing, value, node.items[0].column, step))


def _child(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    """The node at `part`, with its key in a mapping; None when it is not there."""
    match node.kind:
        case Kind.MAPPING:
            return next(((key, item) for key, item in node.pairs if key.text == part), None)
        case Kind.SEQUENCE if isinstance(part, int) and part < len(node.items):
            return None, node.items[part]
    return None


def _replaced(text: str, key: Node | None, node: Node, shown: str) -> str:
    colon = after(text, key) if key else None
    if node.is_empty and colon:
        return f"{text[: colon.end()]} {shown}{text[colon.end() :]}"
    is_below = colon is not None and _BREAK.search(text, colon.end(), node.start) is not None
    if is_below and colon and node.items and not node.is_flow:
        # A block becomes one line: that of its key.
        start = node.start - node.column
        head = f"{text[: colon.end()]} {shown}{text[colon.end() : start]}"
        return head + text[_line_end(text, node.end) :]
    return text[: node.start] + shown + text[node.end :]


def _filled(text: str, found: Way, value: Any, step: int) -> str:
    """A section that has nothing in it yet gets its first key."""
    node, key = found.last, found.key
    is_in_flow = any(above.is_flow for above in found.nodes)
    if key and node.is_empty and not is_in_flow:
        return _with_lines(text, key.end, _lines(found.missing, value, key.column + step, step))
    return _replaced(text, key, node, _nested(found.missing, value))


def _with_item(text: str, node: Node, item: str) -> str:
    last = node.items[-1] if node.items else None
    if last and not last.is_empty:
        return f"{text[: last.end]}, {item}{text[last.end :]}"
    brace = text.index("{", node.start) + 1
    return f"{text[:brace]}{item}{', ' if last else ''}{text[brace:]}"


def _with_lines(text: str, at: int, lines: list[str]) -> str:
    """The text with the lines behind the one that `at` is in, with the text's own line ends."""
    found = _BREAK.search(text)
    line_end = found[0] if found else "\n"
    at = _line_end(text, at)
    head, tail = text[:at], text[at:]
    new = line_end.join(lines)
    if head and not _BREAK.search(head[-1]):
        return f"{head}{line_end}{new}"
    return f"{head}{new}{line_end}{tail}"


def _lines(path: Path, value: Any, indent: int, step: int) -> list[str]:
    sections = [f"{' ' * (indent + depth * step)}{flow(part)}:" for depth, part in enumerate(path)]
    return [*sections[:-1], f"{sections[-1]} {flow(value)}"]


def _nested(path: Path, value: Any) -> str:
    """The value below what is missing of its path, as a flow mapping."""
    for part in reversed(path):
        value = {part: value}
    return flow(value)


def _line_end(text: str, at: int) -> int:
    found = _BREAK.search(text, at)
    return found.end() if found else len(text)


def _step(root: Node) -> int:
    """The columns of one level: those of the first block of the root."""
    blocks = (item for _, item in root.pairs if item.kind is Kind.MAPPING and not item.is_flow)
    first = next(blocks, None) if root.kind is Kind.MAPPING and not root.is_flow else None
    return (first.items[0].column - root.items[0].column if first else 0) or STEP


def _anchored(root: Node, alias: Node) -> int:
    """Where that stands which the alias repeats."""
    return max(node.start for node in root.walk() if node.anchor == alias.anchor and node.start < alias.start)


def _shared(name: str, alias: Node, line: int) -> str:
    way_out = f"edit it by hand at line {line}, or give {name} a block of its own"
    return f"{name} is the alias *{alias.anchor}, which others share: {way_out}"


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "the file"
