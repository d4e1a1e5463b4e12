"""All files of a config as one document of plain data that remembers where each part of it stands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.gather import Files
from gleitzeitd.config.parse import parse
from gleitzeitd.config.place import Path as Path
from gleitzeitd.config.place import Place, Problem, told
from gleitzeitd.config.source import decoded
from gleitzeitd.core.errors import ConfigError

DEFAULTS = ("global", "defaults")


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is made of dict, list, str, int, float, bool and None only, as it stands in the files."""

    files: tuple[str, ...]
    data: Any
    places: Place

    @property
    def path(self) -> str:
        return self.files[0]

    def problem(self, path: Path, sentence: str, *, key: bool = False) -> Problem:
        """The sentence about the value at `path`, or about its key, with its place and its name."""
        place, there = self._find(path)
        line, column = (place.key_line, place.key_column) if key else (place.line, place.column)
        name = ".".join(map(str, there)) or "the file"
        text = f"{self.files[place.file]}:{line}:{column}: {name}: {sentence}"
        return Problem(place.file, line, column, text, () if key else path)

    def where(self, path: Path, *, key: bool = False) -> str:
        """`file:line:column`; of what surrounds it when the part itself stands nowhere."""
        place, _ = self._find(path)
        line, column = (place.key_line, place.key_column) if key else (place.line, place.column)
        return f"{self.files[place.file]}:{line}:{column}"

    def _find(self, path: Path) -> tuple[Place, Path]:
        """Where it stands and what it is called there: what a block leaves out may be in the defaults."""
        place, data = self.places, self.data
        common = self._defaults() if path[:1] == ("providers",) else None
        for depth, part in enumerate(path):
            inner = place.inner.get(part)
            if depth >= 2 and common is not None:
                common = common.inner.get(part) if isinstance(data, dict) else None
                if inner is None and common is not None:
                    rest = path[depth + 1 :]
                    return _deepest(common, rest), (*DEFAULTS, *path[2:])
            if inner is None:
                break
            place, data = inner, data[part]
        return place, path

    def _defaults(self) -> Place | None:
        place: Place | None = self.places
        for part in DEFAULTS:
            place = place.inner.get(part) if place else None
        return place


def _deepest(place: Place, path: Path) -> Place:
    for part in path:
        if part not in place.inner:
            break
        place = place.inner[part]
    return place


def compose(files: Files, transient: str = "") -> tuple[Document, list[Problem]]:
    """The document, and what is wrong with how its files fit. Raises ConfigError for what is no YAML.

    What a file of the directory `transient` defines gives way to what is defined elsewhere.
    """
    paths = tuple(path for path, _ in files)
    parsed, problems = list[tuple[Any, Place]](), list[str]()
    for number, (path, raw) in enumerate(files):
        try:
            parsed.append(parse(path, decoded(path, raw), number))
        except ConfigError as exc:
            problems += exc.problems
    if problems:
        raise ConfigError(told(paths[0], problems))
    (data, places), *others = parsed
    if data is None:
        raise ConfigError((f"{paths[0]}:1:1: the file is empty: it needs a section `providers`",))
    document = Document(paths, data, places)
    if not others or not isinstance(data, dict) or not isinstance(data.get("providers") or {}, dict):
        return document, []
    return _merged(document, others, transient)


def _merged(
    main: Document, others: list[tuple[Any, Place]], transient: str
) -> tuple[Document, list[Problem]]:
    """The main file with the providers of the others, which have nothing else."""
    providers = dict(main.data.get("providers") or {})
    section = main.places.inner.get("providers", main.places)
    inner = dict(section.inner) if "providers" in main.places.inner else {}
    problems = list[Problem]()
    for data, places in others:
        one = Document(main.files, data, places)
        problems += _foreign(one)
        added = _providers(data)
        for name, block in added.items():
            place = places.inner["providers"].inner[name]
            if name in providers and os.path.dirname(main.files[place.file]) == transient:
                continue
            if name in providers:
                problems.append(_twice(main.files, name, inner[name], place))
            else:
                providers[name], inner[name] = block, place
    whole = main.places._replace(inner={**main.places.inner, "providers": section._replace(inner=inner)})
    return Document(main.files, {**main.data, "providers": providers}, whole), problems


def _foreign(document: Document) -> Iterator[Problem]:
    """What only the main file may have, or nobody."""
    data = document.data
    if data is not None and not isinstance(data, dict):
        yield document.problem((), "must be a mapping of keys to values")
    for key, value in data.items() if isinstance(data, dict) else ():
        if key != "providers":
            hint = "it belongs in the main file" if key == "global" else "only providers is known here"
            yield document.problem((key,), f"unknown key ({hint})", key=True)
        elif value is not None and not isinstance(value, dict):
            yield document.problem((key,), "must be a mapping of keys to values")


def _providers(data: Any) -> Mapping[str, Any]:
    section = data.get("providers") if isinstance(data, dict) else None
    return section if isinstance(section, dict) else {}


def _twice(files: tuple[str, ...], name: str, first: Place, second: Place) -> Problem:
    line, column = second.key_line, second.key_column
    above = f"{files[first.file]}:{first.key_line}"
    text = (
        f"{files[second.file]}:{line}:{column}: providers.{name}: is defined twice, first at {above}: "
        "remove or rename one"
    )
    return Problem(second.file, line, column, text, ("providers", name))
