"""What one spawn needs, as a value: the program, its surroundings and what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gleitzeitd.core.spec import Identity, Limits


@dataclass(frozen=True, slots=True)
class Launch:
    """`stdin` is given to the process as a file; nothing of it shows in /proc."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    marker: str
    cwd: str | None = None
    stdin: bytes = b""
    identity: Identity = field(default_factory=Identity)
    limits: Limits = field(default_factory=Limits)
    given: frozenset[str] = frozenset()
    """Variables that the config sets itself. With a `user`, HOME, USER and LOGNAME become that user's
    unless they are among these."""

    @property
    def is_plain(self) -> bool:
        """Whether a spawn alone will do. Everything else has to happen in the process before its exec."""
        who = self.identity
        return who.user is None and who.group is None and who.nice is None and self.limits.nofile is None
