"""From what stands in the files to what it means: filled, validated and reviewed, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from gleitzeitd.config import schema
from gleitzeitd.config.block import Block, over
from gleitzeitd.config.complaint import complaints
from gleitzeitd.config.complete import complete
from gleitzeitd.config.document import Document
from gleitzeitd.config.filling import Filled, fill, leave, pruned
from gleitzeitd.config.place import Path, Problem
from gleitzeitd.config.review import review
from gleitzeitd.config.substitute import OPENS, Lookups
from gleitzeitd.config.values import flag
from gleitzeitd.core.errors import ConfigError

S = TypeVar("S", bound=schema.Section)


@dataclass(frozen=True, slots=True)
class Judged:
    """One provider; with mistakes, `provider` is what can be said of it without what they are about."""

    block: Block
    provider: schema.Provider
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    document: Document
    common: Block
    settings: schema.Global
    providers: tuple[Judged, ...]


def evaluate(document: Document, lookups: Lookups, problems: Iterable[Problem]) -> Evaluated:
    """Raises ConfigError with these problems and every other mistake that refuses the files."""
    found = [*problems, *_outline(document)]
    common = _common(document, lookups)
    settings, wrong = _validated(common, schema.Global)
    found += wrong
    told = _told(common, {**common.own.missing, **common.own.odd})
    # What is wrong with the defaults is told of them, and not of each provider again.
    defaults = None if wrong or told else _defaults(common)
    blocks = [_block(document, name, raw, defaults, lookups) for name, raw in _providers(document).items()]
    judged = list[Judged]()
    for block in blocks:
        provider, wrong = _validated(block, schema.Provider)
        found += wrong
        told += _told(block, block.own.odd)
        judged.append(_judged(block, provider, settings or schema.Global()))
    mappings = [block for block in blocks if isinstance(block.given, dict)]
    found += review(common, mappings, _providers(document))
    unresolved = {(*block.at, *path) for block in (common, *blocks) for path in block.own.unresolved}
    _raise({*told, *(problem for problem in found if problem.path not in unresolved)})
    return Evaluated(document, common, settings or schema.Global(), tuple(judged))


def _outline(document: Document) -> Iterator[Problem]:
    """What is wrong with the file around its sections."""
    data = document.data
    if isinstance(data, dict):
        data = {key: {} if isinstance(value, dict) else value for key, value in data.items()}
    whole = Block(document, (), data, Filled(data, {}, {}, {}))
    yield from _validated(whole, schema.File)[1]


def _common(document: Document, lookups: Lookups) -> Block:
    data = document.data.get("global") if isinstance(document.data, dict) else None
    filled = fill(data if isinstance(data, dict) else {}, schema.Global, lookups)
    return Block(document, ("global",), filled.data, filled)


def _defaults(common: Block) -> Filled:
    own = common.own
    used = {path[1:]: used for path, used in own.used.items() if path[:1] == ("defaults",)}
    return Filled(own.data.get("defaults", {}), used, {}, {})


def _providers(document: Document) -> dict[str, Any]:
    data = document.data.get("providers") if isinstance(document.data, dict) else None
    return data if isinstance(data, dict) else {}


def _block(document: Document, name: str, raw: Any, common: Filled | None, lookups: Lookups) -> Block:
    is_enabled, own = True, Filled(raw, {}, {}, {})
    if isinstance(raw, dict):
        enabled = raw.get("enabled")
        if isinstance(enabled, str) and OPENS in enabled:
            enabled = fill(enabled, schema.Provider, lookups, ("enabled",)).data
        is_enabled = flag(enabled) is not False
        own = fill(raw, schema.Provider, lookups) if is_enabled else leave({**raw, "enabled": False})
    given = over(own.data, common.data) if common else own.data
    return Block(document, ("providers", name), given, own, common, is_enabled)


def _validated(block: Block, model: type[S]) -> tuple[S | None, list[Problem]]:
    try:
        return model.model_validate(block.given), []
    except ValidationError as exc:
        return None, list(complaints(block, exc, model))


def _judged(block: Block, provider: schema.Provider | None, settings: schema.Global) -> Judged:
    if missing := block.own.missing:
        provider = _rest(pruned(block.given, frozenset(missing)))
    told = sorted(_told(block, missing)) if block.is_enabled else []
    mistakes = ConfigError(tuple(problem.text for problem in told)).problems
    return Judged(block, complete(block.document.path, settings, provider or schema.Provider()), mistakes)


def _rest(given: Any) -> schema.Provider:
    """What can be said of a block of which something is missing."""
    for some in (given, {key: given[key] for key in ("type", "description") if key in given}):
        try:
            return schema.Provider.model_validate(some)
        except ValidationError:
            continue
    return schema.Provider()


def _told(block: Block, sentences: Mapping[Path, str]) -> list[Problem]:
    return [block.problem(path, sentence) for path, sentence in sentences.items()]


def _raise(problems: set[Problem]) -> None:
    if texts := dict.fromkeys(problem.text for problem in sorted(problems, key=lambda problem: problem[:4])):
        raise ConfigError(tuple(texts))
