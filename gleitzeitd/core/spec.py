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
TRANSIENT = "transient"
"""Where a provider stands that stands in no file of people's."""
NAME_RULE = f"letters, digits, _ . and - (not at the ends), at most {LONGEST_NAME}, and not the word all"


def is_name(text: str) -> bool:
    """Whether a provider may be called so: it has to fit in file names and commands."""
    return _NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME and text != "all"


class Policy(StrEnum):
    """When a provider that ended by itself is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Update(StrEnum):
    """How a provider whose settings changed is replaced."""

    START_FIRST = "start-first"
    """The new life has to be ready before the old one is asked to end."""
    STOP_FIRST = "stop-first"
    """The old life ends first, as where both would listen at one port."""


class CheckKind(StrEnum):
    """Whom a check asks."""

    PROVIDER = "provider"
    """The provider itself, over its connection with the hub."""
    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"


@dataclass(frozen=True, slots=True)
class Check:
    """How one asks whether an instance is of use. Times are seconds."""

    kind: CheckKind = CheckKind.PROVIDER
    interval: float = 30.0
    """From the end of one to the start of the next, so that two never overlap."""
    timeout: float = 5.0
    failures: int = 3
    """Failures in a row that turn good into bad."""
    successes: int = 1
    """Successes in a row that turn bad into good."""
    url: str = ""
    """http: any status from 200 to 399 is a success."""
    host: str = "127.0.0.1"
    port: int = 0
    """tcp: a connection is a success."""
    argv: tuple[str, ...] = ()
    """exec: exit status 0 is a success."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one process is started, given up and ended. Times are seconds."""

    registers: bool = True
    """It has to be registered with the hub to be ready."""
    checked: bool = False
    """Its `ready` check has to pass for it to be ready. One that neither registers nor is checked becomes
    ready by staying alive for `start_seconds`."""
    start_seconds: float = 1.0
    connection_timeout: float = 10.0
    start_timeout: float = 60.0
    retry_fatal_every: float = 300.0
    """After a limit was reached, it is tried again so often; 0: never."""
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


class Strategy(StrEnum):
    """Which of the instances that can take a call is given it."""

    LEAST_BUSY = "least-busy"
    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    WEIGHTED = "weighted"
    LATENCY = "latency"
    PRIORITY = "priority"
    STICKY = "sticky"


@dataclass(frozen=True, slots=True)
class Routing:
    """How calls reach one provider. Times are seconds."""

    timeout: float = 120.0
    stall_timeout: float = 60.0
    """How long a stream may be silent."""
    concurrency: int = 64
    queue: int = 1000
    idempotent: bool = False
    strategy: Strategy = Strategy.LEAST_BUSY
    priority: int = 0
    """Of providers that share calls, those with the lowest number are given them first."""
    weight: float = 1.0
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names of its models: alias to model."""
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A class of errors, or `default`, to the targets that are tried then, in their order."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an instance may use: `nofile` by setrlimit(2); memory, processes and cpu by its cgroup, where it
    has one; `max_rss` by a look at intervals, anywhere."""

    nofile: int | None = None
    memory: int | None = None
    """Bytes."""
    processes: int | None = None
    cpu: float | None = None
    """Cores."""
    max_rss: int | None = None
    """Bytes that all its processes may have resident together before it is restarted."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom, and how, an instance's program is executed."""

    user: str | None = None
    group: str | None = None
    umask: int | None = None
    nice: int | None = None


@dataclass(frozen=True, slots=True)
class Logs:
    """How much of an instance's output is kept on disk."""

    size: int = 20 * 1024 * 1024
    """Bytes of one file."""
    files: int = 5
    """Files beside the one being written; the older ones are compressed."""


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """A provider class, run by the SDK's host."""

    path: str


@dataclass(frozen=True, slots=True)
class ExtensionTarget:
    """An extension, run by the SDK's host."""

    name: str
    paths: tuple[str, ...]
    """The directories in which it is looked for."""
    home: str = ""
    """The file or the directory that is all of it; empty where only its own code could tell."""
    env_vars: tuple[str, ...] = ()
    """The variables that it says it is configured with: it inherits them."""


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """Any program."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """One provider as its block in the file wants it."""

    name: str
    type: str
    target: ClassTarget | ExtensionTarget | CommandTarget
    rules: Rules = Rules()
    routing: Routing = Routing()
    config: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    auto_discover_models: bool = False
    instances: int = 1
    ready: Check | None = None
    health: Check | None = None
    """None: by no check."""
    depends_on: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    """Files of variables, read anew at each spawn; `env` wins over them."""
    inherit_env: bool | tuple[str, ...] = ()
    """True: all of the daemon's environment; else these names beside the usual few."""
    cwd: str | None = None
    identity: Identity = Identity()
    limits: Limits = Limits()
    logs: Logs = Logs()
    restart_schedule: str | None = None
    """Five cron fields, in local time."""
    python: str | None = None
    """The interpreter that runs the class; None: the daemon's own."""
    python_path: tuple[str, ...] = ()
    update: Update = Update.STOP_FIRST
    update_drain: float = 600.0
    """Seconds that the calls of a replaced life have to end."""
    watch: bool = False
    """It is replaced when its own source changes."""
    where: str = ""
    """`file:line` of the block; TRANSIENT for what `run` made."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every key of the block as it is effective, by its path, such as `restart.initial`: two specs differ
    where these do."""
    mistakes: tuple[str, ...] = ()
    """Why it cannot be started, such as a variable that is not set; no other provider is held up by it. With
    mistakes, what is said above is not to be relied on."""

    @property
    def instance_names(self) -> tuple[str, ...]:
        """What its instances are called: like itself when it is one, else with `#1` and so on behind."""
        if self.instances == 1:
            return (self.name,)
        return tuple(f"{self.name}#{number}" for number in range(1, self.instances + 1))

    @property
    def kind(self) -> str:
        match self.target:
            case ClassTarget():
                return "class"
            case ExtensionTarget():
                return "extension"
            case CommandTarget():
                return "command"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM, by their full paths."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class House:
    """Everything that one config file wants."""

    path: str
    specs: tuple[Spec, ...]
    server_url: str = "http://localhost:8000"
    tls: Tls | None = None
    max_connections: int = 10_000
    """That the hub has at once by TCP."""
    auto_start: bool = True
    parallel_starts: int = 8
    """Instances that may be STARTING at once."""
    disabled: frozenset[str] = frozenset()
    settings: dict[str, Any] = field(default_factory=dict)
    """Every key of `global` that is not a provider's default, by its path, such as `parallel_starts`."""
    secrets: tuple[str, ...] = ()
    """The files of secrets that values were taken from."""
    extension_paths: tuple[str, ...] = ()
    """The directories in which extensions were looked for; none where nobody names one."""
    mark: bytes = b""
    """Of all the bytes that it was made of: as long as that stays the same, so does the house."""
    saved_mark: bytes = b""
    """The same, of what people save: without what was started by `run`."""
    transient: str = ""
    """The directory of the files that `run` made, which go with the daemon; empty without one."""

    @property
    def by_name(self) -> Mapping[str, Spec]:
        return {spec.name: spec for spec in self.specs}
