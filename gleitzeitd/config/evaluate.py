"""From what stands in the files to what it means: filled, validated and reviewed, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from gleitzeitd.config import checks, environment, schema
from gleitzeitd.config.block import Block, over
from gleitzeitd.config.complaint import complaints
from gleitzeitd.config.complete import complete
from gleitzeitd.config.document import Document
from gleitzeitd.config.extensions import Chosen, Extensions
from gleitzeitd.config.filling import Filled, fill, leave, pruned
from gleitzeitd.config.kinds import with_sections
from gleitzeitd.config.place import Path, Problem, told
from gleitzeitd.config.review import OF_A_CLASS, review
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
    extension: Chosen | None = None
    """What it runs, if it is one."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    document: Document
    common: Block
    settings: schema.Global
    providers: tuple[Judged, ...]
    extension_paths: tuple[str, ...] = ()
    """Where extensions were looked for; nowhere when no block names one."""
    extension_mark: bytes = b""
    """Of what was seen there."""


def evaluate(document: Document, lookups: Lookups, problems: Iterable[Problem]) -> Evaluated:
    """Raises ConfigError with these problems and every other mistake that refuses the files."""
    found = [*problems, *_outline(document)]
    common = _common(document, lookups)
    settings, wrong = _validated(common, schema.Global)
    found += wrong
    unusable = _told(common, {**common.own.missing, **common.own.odd})
    defaults = _defaults(common)
    blocks = [_block(document, name, raw, defaults, lookups) for name, raw in _providers(document).items()]
    judged, files = list[Judged](), environment.Files()
    extensions = Extensions(document.path, (settings or schema.Global()).extension_paths)
    for block in blocks:
        provider, wrong = _validated(block, schema.Provider)
        found += wrong
        unusable += _told(block, block.own.odd)
        judged.append(_judged(block, provider, settings or schema.Global(), files, extensions))
    mappings = [block for block in blocks if isinstance(block.given, dict)]
    found += review(common, mappings, _providers(document))
    unresolved = {(*block.at, *path) for block in (common, *blocks) for path in block.own.unresolved}
    _raise(document.path, {*unusable, *(problem for problem in found if problem.path not in unresolved)})
    return Evaluated(
        document, common, settings or schema.Global(), tuple(judged), extensions.looked_in, extensions.mark
    )


def _outline(document: Document) -> Iterator[Problem]:
    """What is wrong with the file around its sections."""
    data = document.data
    if isinstance(data, dict):
        data = {key: {} if isinstance(value, dict | None) else value for key, value in data.items()}
    whole = Block(document, (), data, Filled(data, {}, {}, {}))
    yield from _validated(whole, schema.File)[1]


def _common(document: Document, lookups: Lookups) -> Block:
    data = document.data.get("global") if isinstance(document.data, dict) else None
    sections = with_sections(schema.Global, data if isinstance(data, dict) else {})
    filled = fill(sections, schema.Global, lookups)
    return Block(document, ("global",), filled.data, filled)


def _defaults(common: Block) -> Filled | None:
    """None when something is wrong with them: that is told of them, and not of each provider again."""
    own = common.own
    if any(path[:1] == ("defaults",) for path in own.unresolved):
        return None
    try:
        schema.Defaults.model_validate(own.data.get("defaults", {}))
    except ValidationError:
        return None
    used = {path[1:]: used for path, used in own.used.items() if path[:1] == ("defaults",)}
    return Filled(own.data.get("defaults", {}), used, {}, {})


def _providers(document: Document) -> dict[str, Any]:
    data = document.data.get("providers") if isinstance(document.data, dict) else None
    return data if isinstance(data, dict) else {}


def _block(document: Document, name: str, raw: Any, common: Filled | None, lookups: Lookups) -> Block:
    raw = with_sections(schema.Provider, raw)
    is_enabled, own = True, Filled(raw, {}, {}, {})
    if isinstance(raw, dict):
        enabled = raw.get("enabled")
        if isinstance(enabled, str) and OPENS in enabled:
            enabled = fill(enabled, schema.Provider, lookups, ("enabled",)).data
        is_enabled = flag(enabled) is not False
        own = fill(raw, schema.Provider, lookups) if is_enabled else leave({**raw, "enabled": False})
    if common and isinstance(own.data, dict):
        common = _fitting(own.data, common)
    given = over(own.data, common.data) if common else own.data
    return Block(document, ("providers", name), given, own, common, is_enabled)


def _fitting(own: Mapping[str, Any], common: Filled) -> Filled:
    """The defaults without what a block like this has no use for."""
    unfit = set(checks.of_another_kind(own, common.data))
    if own.get("command") is not None:
        unfit |= {(key,) for key in (*OF_A_CLASS, "config")}
    return replace(common, data=pruned(common.data, frozenset(unfit))) if unfit else common


def _validated(block: Block, model: type[S]) -> tuple[S | None, list[Problem]]:
    try:
        return model.model_validate(block.given), []
    except ValidationError as exc:
        return None, list(complaints(block, exc, model))


def _judged(
    block: Block,
    provider: schema.Provider | None,
    settings: schema.Global,
    files: environment.Files,
    extensions: Extensions,
) -> Judged:
    if missing := block.own.missing:
        provider = _rest(pruned(block.given, frozenset(missing)))
    chosen = extensions.chosen(block) if block.is_enabled else None
    unusable = sorted([*_told(block, missing), *files.problems(block)]) if block.is_enabled else []
    sentences = [problem.text for problem in (*unusable, *(chosen.problems if chosen else ()))]
    mistakes = ConfigError(told(block.document.path, sentences)).problems
    if chosen:
        block = replace(block, secrets=chosen.secrets)
    completed = complete(block.document.path, settings, provider or schema.Provider())
    return Judged(block, _told_by(chosen, completed), mistakes, chosen)


def _told_by(chosen: Chosen | None, provider: schema.Provider) -> schema.Provider:
    """The block with its `config` as the extension declares it."""
    if chosen is None or chosen.config is None or chosen.problems:
        return provider
    return provider.model_copy(update={"config": {**provider.config, **chosen.config}})


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


def _raise(path: str, problems: set[Problem]) -> None:
    if texts := dict.fromkeys(problem.text for problem in sorted(problems, key=lambda problem: problem[:4])):
        raise ConfigError(told(path, texts))
