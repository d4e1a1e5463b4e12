"""The YAML of a manifest as nodes with their places, of which nothing can grow, loop or be misread."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST = 128 * 1024
"""Bytes of a manifest."""
MOST_NODES = 20_000
"""Of a manifest with every alias written out."""

TAG = "tag:yaml.org,2002:"
NULL, TEXT = f"{TAG}null", f"{TAG}str"
PLAIN = {
    ScalarNode: {f"{TAG}{name}" for name in ("null", "bool", "int", "float", "str")},
    SequenceNode: {f"{TAG}seq"},
    MappingNode: {f"{TAG}map"},
}
TOO_DEEP = "is nested too deeply"


class ManifestError(ValueError):
    """What is wrong with a manifest: `(place, sentence)` each, place being `file:line:column`."""

    def __init__(self, mistakes: Iterable[tuple[str, str]], name: str | None = None) -> None:
        self.mistakes, self.name = tuple(mistakes), name
        super().__init__("\n".join(f"{place}: {sentence}" for place, sentence in self.mistakes))


class Document:
    """What lies at `path`; raises ManifestError when that is no YAML. `mistakes` are those of its parts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._yaml = YAML(typ="safe", pure=True)
        self._sizes: dict[Node, int | None] = {}
        self._unreadable: set[Node] = set()
        self.mistakes: list[tuple[str, str]] = []
        self.root = self._compose(self._content())
        try:
            self._settle(self.root)
        except RecursionError:
            self._stop(1, 1, TOO_DEEP)

    def value(self, node: Node) -> Any:
        """What stands there: text, numbers, true, false, null, lists and mappings of them."""
        match node:
            case MappingNode():
                return {key.value: self.value(value) for key, value in node.value}
            case SequenceNode():
                return [self.value(item) for item in node.value]
        return self._yaml.constructor.construct_object(node)

    def wrong(self, node: Node, sentence: str) -> None:
        """Note a mistake; of what could not be read nothing more is said."""
        if node not in self._unreadable:
            mark = node.start_mark
            self.mistakes.append((f"{self._path}:{mark.line + 1}:{mark.column + 1}", sentence))

    def _content(self) -> str:
        try:
            # Whoever opens a pipe waits for its writer.
            if not stat.S_ISREG(self._path.stat().st_mode):
                self._stop(1, 1, "is no file")
            with self._path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as exc:
            self._stop(1, 1, f"cannot be read: {exc.strerror}")
        if len(content) > LARGEST:
            self._stop(1, 1, f"is larger than {LARGEST // 1024} KiB")
        try:
            return content.decode()
        except UnicodeDecodeError as exc:
            self._stop(content[: exc.start].count(b"\n") + 1, 1, "is not UTF-8")

    def _compose(self, text: str) -> Node:
        try:
            root: Node | None = self._yaml.compose(text)
        except MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            way_out = ": indent with spaces" if r"\t" in str(exc.problem) else ""
            self._stop(mark.line + 1, mark.column + 1, f"is no YAML: {exc.problem}{way_out}")
        except (YAMLError, ValueError) as exc:
            self._stop(1, 1, f"is no YAML: {str(exc).partition(chr(10))[0]}")
        except RecursionError:
            self._stop(1, 1, TOO_DEEP)
        if root is None:
            self._stop(1, 1, "is empty: an extension has at least a name, a description and a service")
        return root

    def _settle(self, node: Node) -> int:
        """Leave nothing in it but what `value` can make. How many nodes it is, its aliases written out."""
        if node not in self._sizes:
            self._sizes[node] = None
            self._sizes[node] = 1 + sum([self._settle(inner) for inner in self._inner(node)])
            self._make_plain(node)
        size = self._sizes[node]
        if size is None:
            self._stop_at(node, "contains itself")
        if size > MOST_NODES:
            self._stop_at(node, f"is more than {MOST_NODES} values, with its aliases written out")
        return size

    def _inner(self, node: Node) -> list[Node]:
        if isinstance(node, SequenceNode):
            return list(node.value)
        if not isinstance(node, MappingNode):
            return []
        entries: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(key, "a key is text")
            elif key.value in entries:
                self.wrong(key, f"{key.value:.60} stands here twice")
            else:
                entries[key.value] = key, value
        node.value = list(entries.values())
        return [value for _, value in node.value]

    def _make_plain(self, node: Node) -> None:
        if str(node.tag) == f"{TAG}timestamp":  # JSON knows none, and whoever writes a version may mean text
            _become(node, TEXT, node.value)
        problem = None if str(node.tag) in PLAIN[type(node)] else f"there is no {node.tag} here"
        try:
            if isinstance(node, ScalarNode) and not problem:
                self.value(node)
        except (YAMLError, ValueError, KeyError):
            problem = f"{node.value:.60} is no {str(node.tag).removeprefix(TAG)}"
        if problem:
            self.wrong(node, problem)
            self._unreadable.add(node)
            node.value = "" if isinstance(node, ScalarNode) else []
            if isinstance(node, ScalarNode):
                _become(node, NULL, "")

    def _stop_at(self, node: Node, sentence: str) -> NoReturn:
        self._stop(node.start_mark.line + 1, node.start_mark.column + 1, sentence)

    def _stop(self, line: int, column: int, sentence: str) -> NoReturn:
        raise ManifestError([(f"{self._path}:{line}:{column}", sentence)]) from None


def _become(node: Node, tag: str, value: str) -> None:
    node.tag, node.value = tag, value
