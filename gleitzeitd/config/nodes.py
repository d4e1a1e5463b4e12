"""The nodes of one YAML file as plain data, and where each part of it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from gleitzeitd.config.place import Path, Place
from gleitzeitd.config.written import Float, Int
from gleitzeitd.core.errors import ConfigError

MOST_VALUES = 1_000_000
"""Values that a file may have, with each alias counted as what it stands for."""
DEEPEST = 100
TOO_DEEP = f"is nested more than {DEEPEST} deep, which no setting needs"
LONGEST_NUMBER = 1000
_TAG = "tag:yaml.org,2002:"
_NOTHING: Mapping[str | int, Place] = {}

Part = tuple[Any, Mapping[str | int, Place]]
"""A value, and where each part of it stands."""


class Builder:
    """Goes through the nodes once; what an alias stands for is shared, and counted each time."""

    def __init__(self, path: str, number: int, constructor: Any) -> None:
        self.problems = list[str]()
        self._path = path
        self._number = number
        self._constructor = constructor
        self._count = 0
        self._known = dict[int, tuple[Part, int, int]]()
        """Each part that an alias may stand for, how many values it has and how many levels."""
        self._reached = 0
        """How deep the parts are that were read within the one that is being read."""
        self._open = set[int]()

    def of(self, node: Any, path: Path) -> Part:
        if node.anchor is None:
            return self._part(node, path)
        if id(node) in self._known:
            part, size, height = self._known[id(node)]
            self._count_more(size, node, path)
            self._go_down(len(path) + height, node, path)
            return part
        if id(node) in self._open:
            raise self._error(node, "this is not valid YAML: what contains itself has no end")
        self._open.add(id(node))
        before, reached = self._count, self._reached
        self._reached = len(path)
        part = self._part(node, path)
        self._known[id(node)] = part, self._count - before, self._reached - len(path)
        self._reached = max(self._reached, reached)
        return part

    def _part(self, node: Any, path: Path) -> Part:
        self._count_more(1, node, path)
        self._go_down(len(path), node, path)
        match node:
            case ScalarNode():
                return self._scalar(node, path), _NOTHING
            case MappingNode() if node.tag == f"{_TAG}map":
                return self._mapping(node, path)
            case SequenceNode() if node.tag == f"{_TAG}seq":
                return self._list(node.value, path)
            case SequenceNode() if node.tag == f"{_TAG}omap":
                return self._ordered(node, path)
        self._refuse(node, path)
        return None, _NOTHING

    def _scalar(self, node: Any, path: Path) -> Any:
        match node.tag.removeprefix(_TAG):
            # YAML 1.2 knows no dates: what looks like one is the text that the file shows.
            case "str" | "timestamp" | "value" | "merge":
                return node.value
            case "int":
                return self._number_of(node, path, Int, self._constructor.construct_yaml_int)
            case "float":
                return self._number_of(node, path, Float, self._constructor.construct_yaml_float)
            case "bool" if node.value.lower() in self._constructor.bool_values:
                return self._constructor.bool_values[node.value.lower()]
            case "null":
                return None
        self._refuse(node, path)
        return None

    def _number_of(self, node: Any, path: Path, kind: type[Int | Float], construct: Any) -> Any:
        if len(node.value.lstrip("+-")) > LONGEST_NUMBER:
            sentence = f"{_name(path)}: is a number of more than {LONGEST_NUMBER} digits: write it as text"
            self.problems.append(str(self._error(node, sentence)))
            return None
        try:
            return kind.of(construct(node), node.value)
        except (ValueError, IndexError):
            self.problems.append(str(self._error(node, "this is not a number that can be read")))
            return None

    def _mapping(self, node: Any, path: Path) -> Part:
        data, inner, merged = dict[str, Any](), dict[str | int, Place](), list[Any]()
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged.append(value_node)
                continue
            key = self._key(key_node)
            if key is None or key in data:
                if key is not None:
                    self.problems.append(str(self._error(key_node, _twice(key, inner[key].key_line))))
                continue
            value, below = self.of(value_node, (*path, key))
            data[key] = value
            inner[key] = self._place(value, value_node, key_node, below)
        for value_node in merged:
            self._merge(node, value_node, path, data, inner)
        return data, inner

    def _merge(
        self, node: Any, value_node: Any, path: Path, data: dict[str, Any], inner: dict[str | int, Place]
    ) -> None:
        """What is there already wins, be it the mapping's own or of what was merged before."""
        sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
        for source in sources:
            if not isinstance(source, MappingNode):
                what = "a mapping" if sources is value_node.value else "a mapping or list of mappings"
                sentence = f"expected {what} for merging, but found {source.id}"
                raise self._error(
                    source, f"this is not valid YAML: {sentence} (while constructing a mapping)"
                )
            values, places = self.of(source, path)
            for key in values:
                if key not in data:
                    data[key], inner[key] = values[key], places[key]

    def _list(self, nodes: list[Any], path: Path) -> Part:
        data, inner = list[Any](), dict[str | int, Place]()
        for at, node in enumerate(nodes):
            value, below = self.of(node, (*path, at))
            data.append(value)
            inner[at] = self._place(value, node, node, below)
        return data, inner

    def _ordered(self, node: Any, path: Path) -> Part:
        """What `!!omap` makes of a list of mappings with one key each."""
        pairs = list(_pairs(node))
        if len(pairs) != len(node.value):
            self._refuse(node, path)
            return None, _NOTHING
        return self._mapping(MappingNode(f"{_TAG}map", pairs, node.start_mark), path)

    def _key(self, node: Any) -> str | None:
        if isinstance(node, ScalarNode) and node.tag in (f"{_TAG}str", f"{_TAG}value"):
            return str(node.value)
        if isinstance(node, ScalarNode):
            shown = node.value or "null"
            sentence = f'the key {shown} is not text: write it as "{shown}"'
        else:
            sentence = "the key is not text: only text can be a key here"
        self.problems.append(str(self._error(node, sentence)))
        return None

    def _place(self, value: Any, node: Any, key_node: Any, inner: Mapping[str | int, Place]) -> Place:
        key, mark = key_node.start_mark, (key_node if value is None else node).start_mark
        return Place(self._number, mark.line + 1, mark.column + 1, key.line + 1, key.column + 1, inner)

    def _count_more(self, size: int, node: Any, path: Path) -> None:
        self._count += size
        if self._count > MOST_VALUES:
            sentence = f"{_name(path)}: with its aliases the file has more than {MOST_VALUES:,} values"
            raise self._error(node, sentence)

    def _go_down(self, depth: int, node: Any, path: Path) -> None:
        """What is composed is never too deep: only what an alias stands for can be."""
        self._reached = max(self._reached, depth)
        if depth > DEEPEST:
            raise self._error(node, f"{_name(path)}: {TOO_DEEP}")

    def _refuse(self, node: Any, path: Path) -> None:
        sentence = "is neither text, number, true, false, list nor mapping"
        self.problems.append(str(self._error(node, f"{_name(path)}: {sentence}")))

    def _error(self, node: Any, sentence: str) -> ConfigError:
        mark = node.start_mark
        return ConfigError((f"{self._path}:{mark.line + 1}:{mark.column + 1}: {sentence}",))


def _pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    for item in node.value:
        if isinstance(item, MappingNode) and len(item.value) == 1:
            yield item.value[0]


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "the file"


def _twice(key: str, line: int) -> str:
    return f'"{key}" is defined twice, first above at line {line}: remove or rename one'
