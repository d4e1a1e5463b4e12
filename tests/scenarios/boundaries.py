"""Ends that come just before, at, and just after the moment that decides what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.house import eventually, house
from tests.observer import observed
from tests.scenarios.common import AT_ONCE, SLEEPER, all_are, never_running, only_legal, room, views

START_SECONDS = 0.3
TIMEOUT = 0.5
EARLY = -0.25
"""Seconds from the deciding moment that leave no doubt which came first."""
LATE = f"""
import os, time
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Late(SocketIOProviderClient):
    def __init__(self, offset, exits, **options):
        super().__init__(**options)
        with open("/proc/self/stat") as file:
            began = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        time.sleep(max(0, {TIMEOUT} + offset - age))
        if exits:
            os._exit(3)
"""
"""Comes to its end, or to its registration, so many seconds after the deadline for the latter."""


def false_is_never_running(root: Path, *, lives: int) -> None:
    """supervisord looks at deadlines before it reaps, and calls it RUNNING in 12 of 12 runs."""
    providers = {"liar": {"command": "/bin/false", **AT_ONCE}, "witness": SLEEPER}
    with house(root, providers) as h, observed(h) as seen:
        h.until("witness", "RUNNING")
        eventually(lambda: h.view("liar")["generation"] > lives, f"{lives} lives of /bin/false")
        assert h.view("witness")["generation"] == 1
        h.client.post("/v1/stop", {"names": ["all"]})
        never_running(h, seen, ["liar"])
        only_legal(h)


def exits_around_start_seconds(root: Path, *, lives: int, offsets: Sequence[float]) -> None:
    """`offsets` are seconds from the moment that makes a command RUNNING to its end.

    Who ends that much before it that no machine is so slow is never RUNNING.
    """
    block = {"start_seconds": START_SECONDS, **AT_ONCE}
    providers = {
        f"mayfly{number}": {"command": ["sleep", f"{START_SECONDS + offset:.4f}"], **block}
        for number, offset in enumerate(offsets)
    }
    early = [name for name, offset in zip(providers, offsets, strict=True) if offset <= EARLY]
    with house(root, providers) as h, observed(h, room(len(providers))) as seen:
        eventually(
            lambda: all(view["restarts"] >= lives for view in views(h).values()), f"{lives} lives each"
        )
        h.client.post("/v1/stop", {"names": ["all"]})
        all_are(h, "STOPPED")
        never_running(h, seen, early)
        only_legal(h)


def ends_around_connection_timeout(root: Path, *, lives: int, offsets: Iterable[float]) -> None:
    """`offsets` are seconds from the deadline for the registration to the end, or to the registration."""
    providers = {
        f"{what}{number}": {
            "class": "late.Late",
            "config": {"offset": offset, "exits": what == "exits"},
            "connection_timeout": TIMEOUT,
            **AT_ONCE,
        }
        for number, offset in enumerate(offsets)
        for what in ("exits", "registers")
    }
    exiting = [name for name in providers if name.startswith("exits")]
    with house(root, providers, {"late.py": LATE}) as h, observed(h) as seen:

        def is_done(view: Mapping[str, Any]) -> bool:
            return view["restarts"] >= lives or view["state"] == "RUNNING"  # type: ignore[no-any-return]

        eventually(lambda: all(is_done(view) for view in views(h).values()), f"{lives} lives each")
        h.client.post("/v1/stop", {"names": ["all"]})
        never_running(h, seen, exiting)
        only_legal(h)
