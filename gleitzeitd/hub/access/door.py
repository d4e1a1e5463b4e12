"""A listening socket that keeps descriptors in reserve: clients must not take those that the daemon needs."""

from __future__ import annotations

import errno
import resource
import socket
import time
from collections.abc import Callable
from typing import Any, Self

import structlog

from gleitzeitd.hub.access.room import Room

log = structlog.get_logger("gleitzeitd")
RESERVE = 128
"""Descriptors that are kept for spawns, log files and the control socket."""
QUIET_TIME = 60.0
"""Seconds between two warnings."""
USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What accept(2) fails with when there is nothing left to accept with."""


class Door(socket.socket):
    """Turns away at once whom it cannot let in, since a client is better told than left waiting."""

    _limit: int
    _highest: int
    _brim: int
    _make_room: Callable[[], bool]
    _room: Room | None
    _is_used_up = False
    _warned_at = float("-inf")
    """Of all doors: one warning is enough."""

    @classmethod
    def of(
        cls,
        listening: socket.socket,
        reserve: int = RESERVE,
        make_room: Callable[[], bool] = lambda: False,
        room: Room | None = None,
    ) -> Self:
        """The same socket, which the door takes over; it lets in what leaves `reserve` descriptors free.

        `make_room` may give up connections for a newer one, and says whether it did. `room` has a limit of
        its own, however many descriptors are left.
        """
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        door = cls(fileno=listening.detach())
        door._limit = limit
        # Where there are few at all, the most of them are still for clients.
        door._highest = limit - min(reserve, limit // 4)
        door._brim = (door._highest + limit) // 2
        door._make_room = make_room
        door._room = room
        return door

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises OSError; BlockingIOError, ConnectionAbortedError when there is none."""
        connection, address = self._accepted()
        # The kernel gives the lowest number that is free, so the number says how many are taken.
        is_full = self._room is not None and self._room.is_full
        if is_full:
            self._make_room()
        if is_full or not self._lets_in(connection.fileno()):
            connection.close()
            self._warn(is_full)
            raise ConnectionAbortedError
        return connection if self._room is None else self._room.entered(connection), address

    def _lets_in(self, descriptor: int) -> bool:
        if descriptor < self._highest:
            return True
        # Who was given up for this one leaves only in the loop's next round.
        return self._make_room() and descriptor < self._brim

    def _accepted(self) -> tuple[socket.socket, Any]:
        # asyncio pauses after such a failure, but only after it has failed, and said so, `backlog` times.
        if self._is_used_up:
            self._is_used_up = False
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as exc:
            self._is_used_up = exc.errno in USED_UP
            raise

    def _warn(self, is_full: bool) -> None:
        now = time.monotonic()
        if now - Door._warned_at < QUIET_TIME:
            return
        Door._warned_at = now
        if is_full:
            log.warning("connections are refused: there are too many", hint="see global.hub.max_connections")
        else:
            hint = "raise LimitNOFILE= of the unit, or ulimit -n"
            log.warning("connections are refused: descriptors run out", limit=self._limit, hint=hint)
