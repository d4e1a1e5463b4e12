"""The rules about `depends_on`: it names others that will be there, and leads back to nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.place import Problem
from gleitzeitd.core.order import cycle


def problems(blocks: list[Block], names: Collection[str]) -> Iterator[Problem]:
    disabled = {block.name for block in blocks if not block.is_enabled}
    for block in blocks:
        yield from _of(block, names, disabled)
    yield from _circles({block.name: block for block in blocks if block.is_enabled})


def _of(block: Block, names: Collection[str], disabled: Collection[str]) -> Iterator[Problem]:
    seen = set[str]()
    for path, name in block.texts("depends_on"):
        shown = block.shown(path, name)
        if name in seen:
            yield block.problem(path, f'"{shown}" is there twice: once is enough')
        elif name == block.name:
            yield block.problem(path, "a provider cannot wait for itself: leave it out")
        elif name not in names:
            close = hint(name, names) if shown == name else ""
            yield block.problem(path, f'there is no provider "{shown}"{close}')
        elif name in disabled and block.is_enabled:
            yield block.problem(path, f'"{shown}" is disabled: enable it, or leave it out here')
        seen.add(name)


def _circles(blocks: dict[str, Block]) -> Iterator[Problem]:
    """One circle of each knot: what it leaves may be another, which has nobody of the first."""
    needs = {name: _needed(block, blocks) for name, block in blocks.items()}
    while ring := cycle(needs):
        sentence = f"these wait for each other: {' -> '.join(ring)}: one of them has to start without"
        yield blocks[ring[0]].problem(("depends_on",), sentence)
        for name in {*ring}:
            del needs[name]


def _needed(block: Block, others: Collection[str]) -> list[str]:
    return [name for _, name in block.texts("depends_on") if name in others and name != block.name]
