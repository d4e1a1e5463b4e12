"""Reads an `extension.yaml`: every mistake at once, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gleitzeit_extensions.catalog import fields, parts, requirements
from gleitzeit_extensions.catalog.document import Document, ManifestError
from gleitzeit_extensions.catalog.manifest_keys import FIELD, MODEL, PACKAGES, SERVICE, TOP, Key
from gleitzeit_extensions.catalog.meta import FIRST_VERSION, ConfigField, ExtensionMeta, Found, Model, Style

Section = dict[str, Node]
IS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def read(path: Path) -> Found:
    """The extension whose manifest lies at `path`; raises ManifestError."""
    return _Reading(path).found()


class _Reading:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._document = Document(path)

    def found(self) -> Found:
        top = self._section(self._document.root, TOP, ())
        name = self._plain(top, "name", "")
        meta = ExtensionMeta(
            name,
            self._plain(top, "description", ""),
            self._plain(top, "version", FIRST_VERSION),
            self._plain(top, "author", ""),
            tuple(self._models(top)),
            tuple(self._plain(top, "capabilities", [])),
            tuple(self._requirements(top)),
            {one.name: one for one in self._config(top)},
        )
        service = self._inner(top, "service", SERVICE)
        target = self._plain(service, "class_path", "")
        if mistakes := self._document.mistakes:
            raise ManifestError(mistakes, name or None)
        lines = _line(top["name"]), _line(service["class_path"])
        return Found(meta, Style.CONFIG, self._path, lines[0], self._path.parent, target, lines[1])

    def _models(self, top: Section) -> Iterable[Model]:
        models: list[Model] = []
        for node in self._nodes(top, "models"):
            said = self._value(node)
            given = {"name": said} if isinstance(said, str) else self._model(node)
            if "name" not in given:
                if said is None:
                    self._wrong(node, ("models",), "has to be a name, or a mapping with one")
                continue
            try:
                model = parts.model(**given)
            except ValueError as exc:
                self._wrong(node, ("models",), str(exc).removeprefix("@model: "))
                continue
            if model.name in [one.name for one in models]:
                self._wrong(node, ("models",), f'there are two of "{model.name}"')
            models.append(model)
        return models

    def _model(self, node: Node) -> dict[str, Any]:
        section = self._section(node, MODEL, ("models",), is_open=True)
        return {key: self._value(one) for key, one in section.items()}

    def _requirements(self, top: Section) -> list[str]:
        node = top.get("dependencies")
        if isinstance(node, MappingNode):
            node = self._inner(top, "dependencies", PACKAGES).get("packages")
        if node is None:
            return []
        if not self._fits(node, PACKAGES["packages"]):
            self._wrong(node, ("dependencies",), f"has to be {PACKAGES['packages'].text}")
            return []
        items: list[Node] = node.value if isinstance(node, SequenceNode) else []
        for item in items:
            if sentence := requirements.misread(self._value(item)):
                self._wrong(item, ("dependencies",), sentence)
        return [self._value(item) for item in items]

    def _config(self, top: Section) -> Iterable[ConfigField]:
        for name, node in self._entries(top.get("config"), ("config",)).items():
            path = ("config", name)
            given = self._section(node, FIELD, path)
            try:
                yield fields.field(name, **{key: self._value(one) for key, one in given.items()})
            except fields.Misdeclared as exc:
                self._wrong(
                    given.get(exc.key, node), (*path, exc.key) if exc.key in given else path, exc.sentence
                )

    def _inner(self, top: Section, key: str, keys: Mapping[str, Key]) -> Section:
        return self._section(top[key], keys, (key,)) if key in top else {}

    def _section(
        self, node: Node, keys: Mapping[str, Key], path: tuple[str, ...], is_open: bool = False
    ) -> Section:
        """Its known keys, whose values are of the right kind; all else is noted as a mistake."""
        known: Section = {}
        entries = self._entries(node, path)
        for name, value in entries.items():
            if name not in keys and not is_open:
                near = get_close_matches(name, keys, n=1)
                hint = f" (did you mean {near[0]}?)" if near else f": there are {', '.join(keys)}"
                self._wrong(_key(node, name), path, f"there is no key {name:.60}{hint}")
            elif name in keys and not self._fits(value, keys[name]):
                self._wrong(
                    value, (*path, name), f"has to be {keys[name].text}{self._quoted(value, keys[name])}"
                )
            else:
                known[name] = value
        for name, key in keys.items():
            if key.required and name not in entries and isinstance(node, MappingNode):
                self._wrong(node, path, f"{name} is missing")
        return known

    def _entries(self, node: Node | None, path: tuple[str, ...]) -> Section:
        if node is None or (path and self._value(node) is None):
            return {}
        if not isinstance(node, MappingNode):
            self._wrong(node, path, "has to be a mapping, such as `name: value`")
            return {}
        return {key.value: value for key, value in node.value}

    def _fits(self, node: Node, key: Key) -> bool:
        value = self._value(node)
        if value is None and not key.required:
            return True
        if "enum" in key.schema:
            return True  # the field itself says which one may have been meant
        if (kind := key.schema.get("type")) and not IS[kind](value):
            return False
        if "pattern" in key.schema and not re.search(key.schema["pattern"], value):
            return False
        return "items" not in key.schema or all(isinstance(item, str) and item.strip() for item in value)

    def _quoted(self, node: Node, key: Key) -> str:
        """What to write instead of a number, such as the version 1.0."""
        is_number = key.schema.get("type") == "string" and IS["number"](self._value(node))
        return f': write "{node.value:.60}"' if is_number else ""

    def _plain(self, section: Section, name: str, otherwise: Any) -> Any:
        if name not in section:
            return otherwise
        value = self._value(section[name])
        return otherwise if value is None else value

    def _nodes(self, top: Section, key: str) -> list[Node]:
        node = top.get(key)
        return list(node.value) if isinstance(node, SequenceNode) else []

    def _value(self, node: Node) -> Any:
        return self._document.value(node)

    def _wrong(self, node: Node, path: tuple[str, ...], sentence: str) -> None:
        self._document.wrong(node, f"{'.'.join(path)}: {sentence}" if path else sentence)


def _key(mapping: Node, name: str) -> Node:
    """The key itself, which may stand lines above its value."""
    keys: list[Node] = [key for key, _ in mapping.value]
    return next(key for key in keys if key.value == name)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
