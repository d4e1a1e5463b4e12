"""What an earlier daemon of the same control socket left, when it and its guardian were killed."""

from __future__ import annotations

from pathlib import Path

import structlog

from gleitzeitd.processes.containment import guardian

log = structlog.get_logger("gleitzeitd")


def clear_predecessor(record: Path) -> int:
    """End whatever a dead daemon left, so that nothing is started twice; how many there were.

    Call it with the lock held and before any spawn; it may take `guardian.PATIENCE`. Nothing is touched
    when the daemon lives, or when the record is from before the machine was started.
    """
    author = guardian.author(str(record))
    if author is None or guardian.is_alive(*author):
        return 0
    cgroups, leaders = guardian.read(str(record), *author)
    ended, left = guardian.end(*author, leaders, cgroups)
    if ended:
        log.warning("ended what an earlier daemon left", daemon=author[0], processes=ended)
    if left:
        log.error("what an earlier daemon left does not die", daemon=author[0], pids=left)
    return ended
