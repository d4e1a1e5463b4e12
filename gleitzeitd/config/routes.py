"""The rules about `routing`: its names lead elsewhere, and to one place only."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gleitzeitd.config.block import Block, hint, written
from gleitzeitd.config.place import Path, Problem
from gleitzeitd.core.failover import CLASSES


def problems(blocks: list[Block], names: Collection[str]) -> Iterator[Problem]:
    """`names`: of all providers."""
    for block in blocks:
        yield from _aliases(block, names)
        yield from _classes(block)
        yield from _itself(block)


def _aliases(block: Block, names: Collection[str]) -> Iterator[Problem]:
    aliases = block.section("routing").get("aliases")
    for alias in aliases if isinstance(aliases, dict) else ():
        if alias in names:
            sentence = f'a provider is called "{alias}", and has the calls for that name: choose another'
            yield block.problem(("routing", "aliases", alias), sentence, key=True)


def _classes(block: Block) -> Iterator[Problem]:
    fallbacks = block.section("routing").get("fallbacks")
    for name in fallbacks if isinstance(fallbacks, dict) else ():
        if name not in CLASSES:
            known = hint(name, CLASSES) or f" (known are {', '.join(CLASSES)})"
            yield block.problem(("routing", "fallbacks", name), f"unknown class of errors{known}", key=True)


def _itself(block: Block) -> Iterator[Problem]:
    """What the defaults say is for all, of whom one may be the fallback of the others."""
    for path, target in _targets(written(block.own.data, ("routing", "fallbacks"))):
        if target.partition("#")[0] == block.name:
            sentence = "a provider cannot fall back to itself: its other instances are tried anyway"
            yield block.problem(("routing", "fallbacks", *path), sentence)


def _targets(fallbacks: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    match fallbacks:
        case str():
            yield path, fallbacks
        case list():
            for at, item in enumerate(fallbacks):
                yield from _targets(item, (*path, at))
        case dict():
            for key, chain in fallbacks.items():
                yield from _targets(chain, (*path, key))
