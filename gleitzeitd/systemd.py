"""What systemd is told, and what it hands over: readiness, the watchdog, sockets that outlive a restart.

sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Where nobody is to be told, telling does nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

FIRST = 3
"""The descriptor of the first socket that is handed over (SD_LISTEN_FDS_START)."""
PATIENCE = 1.0
"""Seconds that the manager has to take a message: one that hangs must not hang us."""
LONGEST_STATUS = 200
"""Characters of the line that `systemctl status` shows."""


@dataclass(frozen=True, slots=True)
class Manager:
    """The one that started this process, if it wants to be told how it is."""

    address: str = ""
    """Of its socket; empty when there is none."""
    watchdog: float = 0.0
    """Seconds within which it wants a sign of life, again and again; 0 when it wants none."""

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Manager:
        """The one that the environment names, which is taken out of it: children have other managers."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        is_meant = pid in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if is_meant and microseconds.isdecimal() else 0.0)

    def ready(self, status: str) -> None:
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Until it is told `ready` again."""
        self._tell("RELOADING=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def status(self, sentence: str) -> None:
        self._tell(_status(sentence))

    def lives(self) -> None:
        """What the watchdog waits for."""
        self._tell("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """The start or the stop that is under way may take so much longer, from now."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def keep(self, name: str, sockets: Sequence[socket.socket]) -> None:
        """Have these kept under one name, and handed to the next life of this service. What is kept already
        is not kept twice."""
        self._tell("FDSTORE=1", f"FDNAME={name}", descriptors=[one.fileno() for one in sockets])

    def forget(self, name: str) -> None:
        """Have what is kept under that name closed; comes back when it is, or is not within `PATIENCE`."""
        self._tell("FDSTOREREMOVE=1", f"FDNAME={name}")
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            self._tell("BARRIER=1", descriptors=[theirs])
        finally:
            os.close(theirs)
        with open(ours, "rb"):
            # it closes its end when it has done all that it was told before
            select.select([ours], [], [], PATIENCE)

    def _tell(self, *words: str, descriptors: Sequence[int] = ()) -> None:
        if not self.address:
            return
        path = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        # whoever is deaf is not told, and what is told is no reason to end
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(PATIENCE)
            line.connect(path)
            socket.send_fds(line, ["\n".join(words).encode()], list(descriptors))


def handed_over(environment: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """The listening sockets that the manager kept for us, or made, by name; taken out of the environment.

    What is no listening stream socket is closed.
    """
    count, pid = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found: dict[str, list[socket.socket]] = {}
    for descriptor, name in zip(range(FIRST, FIRST + int(count)), _endless(names), strict=False):
        os.set_inheritable(descriptor, False)
        if listening := _listening(descriptor):
            found.setdefault(name, []).append(listening)
    return found


def _listening(descriptor: int) -> socket.socket | None:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if found.type == socket.SOCK_STREAM and listens:
        return found
    found.close()
    return None


def _endless(names: list[str]) -> Iterator[str]:
    yield from names
    while True:
        yield "unknown"


def _status(sentence: str) -> str:
    return f"STATUS={' '.join(sentence.split())[:LONGEST_STATUS]}"
