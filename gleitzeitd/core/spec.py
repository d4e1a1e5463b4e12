"""What is wanted of one provider: the values that the config file becomes."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
LONGEST_NAME = 100
NAME_RULE = f"letters, digits, _ . and - (not at the ends), at most {LONGEST_NAME}, and not the word all"


def is_name(text: str) -> bool:
    """Whether a provider may be called so: it has to fit in file names and commands."""
    return _NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME and text != "all"


class Policy(StrEnum):
    """When a provider that ended by itself is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Rules:
    """How one process is started, given up and ended. Times are seconds."""

    registers: bool = True
    """It becomes ready by registering with the hub; otherwise by staying alive for `start_seconds`."""
    start_seconds: float = 1.0
    connection_timeout: float = 10.0
    policy: Policy = Policy.ALWAYS
    initial: float = 0.5
    max_delay: float = 30.0
    reset_after: float = 60.0
    intensity: int = 10
    period: float = 600.0
    max_retry_attempts: int = 3
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
    drain_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Routing:
    """How calls reach one provider. Times are seconds."""

    timeout: float = 120.0
    concurrency: int = 64
    queue: int = 1000
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """A provider class, run by the SDK's host."""

    path: str


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """Any program."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """One provider as its block in the file wants it."""

    name: str
    type: str
    target: ClassTarget | CommandTarget
    rules: Rules = Rules()
    routing: Routing = Routing()
    config: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    auto_discover_models: bool = False
    health_interval: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    python_path: tuple[str, ...] = ()
    where: str = ""
    """`file:line` of the block."""

    @property
    def kind(self) -> str:
        return "class" if isinstance(self.target, ClassTarget) else "command"


@dataclass(frozen=True, slots=True)
class House:
    """Everything that one config file wants."""

    path: str
    specs: tuple[Spec, ...]
    server_url: str = "http://localhost:8000"
    auto_start: bool = True
    disabled: frozenset[str] = frozenset()
