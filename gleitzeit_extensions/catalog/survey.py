"""Looks through search paths for extensions; runs nothing, and no broken one harms another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gleitzeit_extensions.catalog import source
from gleitzeit_extensions.catalog.meta import Found

MANIFEST = "extension.yaml"
MOST_DIRECTORIES = 10_000
"""Of one search path, below which no manifest is looked for."""
ENVIRONMENT = "pyvenv.cfg"
"""Lies in a virtual environment: what is installed there is nobody's extension here."""
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something that looks like an extension cannot be used."""

    place: str
    """`file:line` or `file:line:column`."""
    sentence: str
    name: str | None = None
    """The extension's, where that could be read."""


@dataclass(frozen=True, slots=True)
class Catalog:
    found: Mapping[str, Found]
    """By name, in the order of the search paths."""
    problems: tuple[Problem, ...]
    unread: tuple[Path, ...]
    """Modules that have to be run to tell what they declare."""


def survey(paths: Iterable[str | Path]) -> Catalog:
    """The extensions in these directories; one that does not exist holds none.

    In a directory lie single modules, packages with a decorated class, and, at any depth, manifests.
    What is declared under one name at two places is a problem, and not found.
    """
    survey = _Survey()
    for path in dict.fromkeys(map(str, paths)):
        if "\0" in path:
            survey.problems.append(Problem(repr(path), "cannot be a path"))
        else:
            survey.look_into(Path(os.path.realpath(path)))
    return survey.catalog()


@dataclass
class _Survey:
    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)

    def look_into(self, directory: Path) -> None:
        manifests = list(self._manifests(directory))
        for path in manifests:
            self._read_manifest(path)
        homes = {path.parent for path in manifests}
        for entry in self._entries(directory):
            is_manifests = directory in homes or Path(os.path.realpath(entry)) in homes
            if is_manifests or entry.name.startswith(("_", ".")):
                continue
            if entry.suffix == ".py" and self._is_file(entry):
                self._read_module(entry, entry)
            elif self._is_file(entry / "__init__.py"):
                for module in self._entries(entry):
                    if module.suffix == ".py" and self._is_file(module):
                        self._read_module(module, entry)
            elif self._is_file(module := entry / "extension.py"):
                self._miss_init(module)

    def _miss_init(self, module: Path) -> None:
        """A decorated class in a directory that is no package yet."""
        with suppress(source.Unreadable):
            for found in source.read(module, module)[0]:
                sentence = f"{module.parent.name} is no package: it needs an __init__.py, which may be empty"
                self.problems.append(Problem(found.where, sentence, found.meta.name))

    def catalog(self) -> Catalog:
        by_name: dict[str, list[Found]] = {}
        for one in {(os.path.realpath(one.path), one.target): one for one in self.found}.values():
            by_name.setdefault(one.meta.name, []).append(one)
        for name, several in by_name.items():
            if len(several) > 1:
                others = " and ".join(one.where for one in several[1:])
                self.problems.append(
                    Problem(several[0].where, f'"{name}" is declared at {others}, too', name)
                )
        found = {name: several[0] for name, several in by_name.items() if len(several) == 1}
        return Catalog(found, tuple(dict.fromkeys(self.problems)), tuple(dict.fromkeys(self.unread)))

    def _manifests(self, top: Path) -> Iterator[Path]:
        seen = set[str]()
        for directory, names, files in os.walk(top, onerror=self._cannot_read, followlinks=True):
            # A link may lead back to where the walk has been, above all upwards.
            if (real := os.path.realpath(directory)) in seen or ENVIRONMENT in files:
                names.clear()
                continue
            if len(seen) == MOST_DIRECTORIES:
                sentence = f"has more than {MOST_DIRECTORIES} directories: no others were looked into"
                self.problems.append(Problem(str(top), sentence))
                return
            seen.add(real)
            names[:] = sorted(name for name in names if name not in SKIPPED and not name.startswith("."))
            if MANIFEST in files:
                yield Path(real, MANIFEST)

    def _entries(self, directory: Path) -> list[Path]:
        try:
            return sorted(directory.iterdir())
        except OSError as exc:
            self._cannot_read(exc)
            return []

    def _is_file(self, path: Path) -> bool:
        try:
            return path.is_file()
        except OSError as exc:
            self._cannot_read(exc)
            return False

    def _cannot_read(self, exc: OSError) -> None:
        if not isinstance(exc, FileNotFoundError | NotADirectoryError):
            self.problems.append(Problem(str(exc.filename), f"cannot be read: {exc.strerror}"))

    def _read_manifest(self, path: Path) -> None:
        # It loads ruamel.yaml, which nobody needs who has no manifest.
        from gleitzeit_extensions.catalog import document, manifest

        try:
            self.found.append(manifest.read(path))
        except document.ManifestError as exc:
            self.problems += [Problem(place, sentence, exc.name) for place, sentence in exc.mistakes]

    def _read_module(self, path: Path, home: Path) -> None:
        try:
            found, mistakes = source.read(path, home)
        except source.Unreadable:
            self.unread.append(path)
        else:
            self.found += found
            self.problems += [Problem(one.place, one.sentence, one.name) for one in mistakes]
