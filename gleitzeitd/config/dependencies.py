"""The rules about `depends_on`: it names others that will be there, and leads back to nobody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import count

from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.place import Problem
from gleitzeitd.core.order import cycle

MOST = 20
"""Of what takes long to find; nobody reads more of it at once."""


def problems(blocks: list[Block], names: Collection[str]) -> Iterator[Problem]:
    disabled = {block.name for block in blocks if not block.is_enabled}
    hints = count(1)
    for block in blocks:
        yield from _of(block, names, disabled, lambda name: hint(name, names) if next(hints) <= MOST else "")
    yield from _circles({block.name: block for block in blocks if block.is_enabled})


def _of(
    block: Block, names: Collection[str], disabled: Collection[str], meant: Callable[[str], str]
) -> Iterator[Problem]:
    seen = set[str]()
    for path, name in block.texts("depends_on"):
        shown = block.shown(path, name)
        if name in seen:
            yield block.problem(path, f'"{shown}" is there twice: once is enough')
        elif name == block.name:
            yield block.problem(path, "a provider cannot wait for itself: leave it out")
        elif name not in names:
            close = meant(name) if shown == name else ""
            yield block.problem(path, f'there is no provider "{shown}"{close}')
        elif name in disabled and block.is_enabled:
            yield block.problem(path, f'"{shown}" is disabled: enable it, or leave it out here')
        seen.add(name)


def _circles(blocks: dict[str, Block]) -> Iterator[Problem]:
    """One circle of each knot: what it leaves may be another, which has nobody of the first."""
    needs = {name: _needed(block, blocks) for name, block in blocks.items()}
    for _ in range(MOST):
        if (ring := cycle(needs)) is None:
            return
        sentence = f"these wait for each other: {' -> '.join(ring)}: remove one of these `depends_on`"
        yield blocks[ring[0]].problem(("depends_on",), sentence)
        for name in {*ring}:
            del needs[name]


def _needed(block: Block, others: Collection[str]) -> list[str]:
    return [name for _, name in block.texts("depends_on") if name in others and name != block.name]
