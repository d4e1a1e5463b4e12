"""Which files' changes are a save of the config: the file itself, and `providers.d` beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from gleitzeitd.watching.places import Names, Places, Survey
from gleitzeitd.watching.sight import Sight

SETTLE = 0.1
"""Seconds without another change after which a save is complete."""
_MORE = "providers.d"
_ENDINGS = (".yaml", ".yml")


async def watch_config(path: str, stirred: Callable[[], None], changed: Callable[[], None]) -> None:
    """Call `stirred` when a save of the config at `path` begins, and `changed` once it has settled.

    Until cancelled. `changed` is called once at the start, too, when the watch stands: what was saved before
    is not lost.
    """
    with Sight(lambda: places(path)) as sight:
        while True:
            changed()
            await sight.stirred()
            stirred()
            await sight.settled(SETTLE)


def places(path: str) -> Places:
    """All that decides which bytes the config at `path` is made of."""
    survey = Survey()
    if real := survey.follow(path):
        # A file mounted into a container is written to under a name in a directory that is not ours.
        survey.add(real, Names(frozenset(("",))))
    if directory := survey.follow(os.path.join(os.path.dirname(path), _MORE)):
        survey.add(directory, Names(endings=_ENDINGS))
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS) and entry.is_symlink():
                    survey.follow(entry.name, directory)
    return survey.places
