"""Where each part of a YAML text begins and ends, to the character, so that an edit can leave the rest alone.

ruamel's own nodes do not tell where an alias stands, and a block's end is where the next one begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_COLON = re.compile(r"[ \t]*:")
_KEEPS_LINES = re.compile(r".*[|>]\d?\+")
_LINE_BREAK = re.compile(r"(\r\n|\r|\n)\Z")
NULLS = ("", "~", "null", "Null", "NULL")


class Kind(Enum):
    SCALAR = auto()
    ALIAS = auto()
    MAPPING = auto()
    SEQUENCE = auto()


@dataclass(slots=True)
class Node:
    """The part from `start` to `end`, which is behind its last character; comments behind it are not its own.

    `start` is that of its anchor or tag when it has one. `items` of a mapping are key, value, key, value.
    """

    kind: Kind
    start: int
    end: int
    column: int
    anchor: str | None = None
    is_flow: bool = False
    is_null: bool = False
    text: str = ""
    items: list[Node] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self.start == self.end

    @property
    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """A mapping's keys with their values; nothing of anything else."""
        items = self.items if self.kind is Kind.MAPPING else []
        return zip(items[::2], items[1::2], strict=True)

    def walk(self) -> Iterator[Node]:
        nodes = [self]
        while nodes:
            yield (node := nodes.pop())
            nodes += node.items


def outline(text: str) -> Node | None:
    """The root of the text's first document; None when it has none. Raises ruamel's YAMLError."""
    outermost = Node(Kind.SEQUENCE, 0, 0, 0)
    open_nodes = [outermost]
    for event in YAML(typ="safe", pure=True).parse(text):
        match event:
            case MappingStartEvent() | SequenceStartEvent():
                node = _node(event, Kind.MAPPING if isinstance(event, MappingStartEvent) else Kind.SEQUENCE)
                node.is_flow = bool(event.flow_style)
                open_nodes[-1].items.append(node)
                open_nodes.append(node)
            case MappingEndEvent() | SequenceEndEvent():
                node = open_nodes.pop()
                node.end = event.end_mark.index if node.is_flow else max(item.end for item in node.items)
            case AliasEvent():
                open_nodes[-1].items.append(_node(event, Kind.ALIAS))
            case ScalarEvent():
                open_nodes[-1].items.append(_scalar(text, event, open_nodes[-1]))
    return outermost.items[0] if outermost.items else None


def _node(event: Any, kind: Kind) -> Node:
    start, end = event.start_mark, event.end_mark
    return Node(kind, start.index, end.index, start.column, event.anchor)


def _scalar(text: str, event: Any, parent: Node) -> Node:
    node = _node(event, Kind.SCALAR)
    node.text = event.value
    node.is_null = event.implicit[0] and event.value in NULLS
    written = text[node.start : node.end]
    if not written:
        node.start = node.end = _empty(text, node, parent)
    elif event.style and event.style in "|>":
        kept = _KEEPS_LINES.match(written)
        node.end = node.start + len(_LINE_BREAK.sub("", written) if kept else written.rstrip())
    return node


def _empty(text: str, node: Node, parent: Node) -> int:
    """Where a value that is not there would stand: behind its colon; ruamel says before what follows."""
    is_value = parent.kind is Kind.MAPPING and len(parent.items) % 2 == 1
    return colon.end() if is_value and (colon := after(text, parent.items[-1])) else node.start


def after(text: str, key: Node) -> re.Match[str] | None:
    """The colon behind a key; None for a key that is written in another way."""
    return _COLON.match(text, key.end)
