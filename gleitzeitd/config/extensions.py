"""The extensions that a config names: what they declare, and whether their blocks give what they ask for.

They are read and never run: what only their code could tell, the child says when it starts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.exceptions import ExtensionConfigError
from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.lookups import beside
from gleitzeitd.config.place import Path, Problem
from gleitzeitd.core.spec import ExtensionTarget

if TYPE_CHECKING:
    from gleitzeit_extensions.catalog.meta import ConfigField, ExtensionMeta, Found
    from gleitzeit_extensions.catalog.survey import Catalog


_HERE = "config"
"""What stands for the variable that a text in the block was made of."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The extension that a block names."""

    target: ExtensionTarget
    problems: tuple[Problem, ...] = ()
    """Why it cannot be started so."""
    config: Mapping[str, Any] | None = None
    """What the block gives it, with `${...}` made into what it declares; None where nothing is declared."""
    declared: str = ""
    """A fingerprint of what it declares."""
    secrets: frozenset[str] = frozenset()
    """The fields that nobody may see."""


class Extensions:
    """One look at the search paths, taken when the first block names an extension."""

    def __init__(self, path: str, paths: Iterable[str]) -> None:
        """`path` is the config file's."""
        self._paths = tuple(os.path.normpath(beside(path, name)) for name in paths)
        self.looked_in: tuple[str, ...] = ()
        """The search paths, once anybody asked."""

    @property
    def mark(self) -> bytes:
        """Of all that was seen in them."""
        return _mark(self._catalog) if self.looked_in else b""

    def chosen(self, block: Block) -> Chosen | None:
        """None where the block names no extension."""
        name = block.given.get("extension") if isinstance(block.given, dict) else None
        if not isinstance(name, str) or ("extension",) in block.own.unresolved:
            return None
        self.looked_in = self._paths
        found = self._catalog.found.get(name)
        if found is None:
            return Chosen(ExtensionTarget(name, self._paths), tuple(self._why_absent(block, name)))
        config, problems = _configured(block, found.meta)
        problems += _unknown(block, found)
        target = ExtensionTarget(name, self._paths, str(found.home), _variables(found.meta))
        secrets = frozenset(one.name for one in found.meta.config.values() if one.type == "secret")
        return Chosen(target, tuple(problems), config, _fingerprint(found), secrets)

    @cached_property
    def _catalog(self) -> Catalog:
        return _survey(self._paths)

    def _why_absent(self, block: Block, name: str) -> Iterator[Problem]:
        broken = [one for one in self._catalog.problems if one.name == name]
        for one in broken:
            yield block.problem(("extension",), f'"{name}" cannot be used: {one.place}: {one.sentence}')
        if broken or self._catalog.unread:
            # What could not be read may be what is meant.
            return
        close = hint(name, self._catalog.found)
        looked = ", ".join(map(_looked, self._paths)) or "no directory: global.extension_paths is empty"
        others = "".join(f"; {one.place}: {one.sentence}" for one in self._catalog.problems if not one.name)
        sentence = f'there is no extension "{name}"{close}: looked in {looked}{others}'
        yield block.problem(("extension",), sentence)


def declared(paths: Iterable[str]) -> bytes:
    """The mark of all that is in these directories now."""
    return _mark(_survey(tuple(paths))) if paths else b""


def _survey(paths: Sequence[str]) -> Catalog:
    # Most configs name no extension.
    from gleitzeit_extensions.catalog.survey import survey

    return survey(paths)


def _looked(path: str) -> str:
    return path if os.path.isdir(path) else f"{path} (there is no such directory)"


def _variables(meta: ExtensionMeta) -> tuple[str, ...]:
    return tuple(field.env_var for field in meta.config.values() if field.env_var)


def _mark(catalog: Catalog) -> bytes:
    return repr((catalog, [_secrets(found) for found in catalog.found.values()])).encode()


def _fingerprint(found: Found) -> str:
    said = repr((found.meta, _secrets(found), found.style, found.target))
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _secrets(found: Found) -> list[Any]:
    """What `repr` shows to nobody."""
    return [(one.default, one.choices) for one in found.meta.config.values() if one.type == "secret"]


def _configured(block: Block, meta: ExtensionMeta) -> tuple[dict[str, Any], list[Problem]]:
    """What the block gives, as it is declared, and what is wrong with that."""
    config, problems = dict(block.section("config")), list[Problem]()
    for field in meta.config.values():
        path: Path = ("config", field.name)
        if any(other[:2] == path for other in block.own.unresolved):
            continue
        try:
            if field.name in config:
                config[field.name] = _given(block, meta, field, config[field.name])
            elif block.get("env_file") is None:
                # Who has an env_file may get the variable from there, at the start.
                _resolved(meta, field, {}, {**os.environ, **_own_variables(block)})
        except ExtensionConfigError as exc:
            problems.append(_problem(block, field, str(exc)))
    if "name" not in meta.config and config.get("name", block.name) != block.name:
        sentence = f'the extension takes no name, and the block is called "{block.name}": leave it out'
        problems.append(block.problem(("config", "name"), sentence))
    return config, problems


def _unknown(block: Block, found: Found) -> Iterator[Problem]:
    """What a manifest's service is not given. What else a decorated class takes, only its code could tell."""
    if found.style != "config":
        return
    declared = found.meta.config
    for name in block.section("config"):
        if name not in declared and name not in ("name", "server_url"):
            there = ", ".join(declared) or "none"
            sentence = f'"{found.meta.name}" has no such field{hint(str(name), declared)}: there are {there}'
            yield block.problem(("config", name), sentence)


def _given(block: Block, meta: ExtensionMeta, field: ConfigField, value: Any) -> Any:
    """The value as it is declared: a text that `${...}` has brought is read as a variable is."""
    path: Path = ("config", field.name)
    if isinstance(value, str) and path in block.source(path).used:
        return _resolved(meta, replace(field, env_var=_HERE), {}, {_HERE: value})
    return _resolved(meta, field, {field.name: value}, {})


def _resolved(
    meta: ExtensionMeta, field: ConfigField, given: Mapping[str, Any], environ: Mapping[str, str]
) -> Any:
    from gleitzeit_extensions.catalog.fields import resolve

    return resolve(replace(meta, config={field.name: field}), given, environ).get(field.name)


def _own_variables(block: Block) -> dict[str, str]:
    return {name: str(value) for name, value in block.section("env").items()}


def _problem(block: Block, field: ConfigField, said: str) -> Problem:
    """`said`: what is wrong with that one field, after the name of the extension."""
    path: Path = ("config", field.name)
    given = block.section("config")
    if field.name not in given:
        return block.problem(("extension",), said)
    if block.is_secret(path, given[field.name]) or block.has_secret(path):
        return block.problem(path, f"is not the {field.type} that the extension wants")
    sentence = said.partition(f": {field.name} ")[2].replace(f", and ${_HERE} is not", "")
    return block.problem(path, sentence)
