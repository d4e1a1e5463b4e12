"""Every setting, defined once: name, type, bounds, default, a sentence, and what a reload does with it."""

from __future__ import annotations

import signal as signals
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from gleitzeitd.config.values import (
    Account,
    Choice,
    Command,
    Cores,
    Duration,
    Fallbacks,
    Flag,
    Inherited,
    Kind,
    Mode,
    Schedule,
    Size,
    StopSignal,
    Strategic,
    Texts,
    Variable,
    Weight,
    refuse,
)
from gleitzeitd.core.spec import CheckKind, Strategy

DEFAULT_SERVER_URL = "http://localhost:8000"
RELOAD = "x-reload"
RUNS = ("class", "extension", "command")
"""The keys of which a block has one."""


class Reload(StrEnum):
    """What a reload does with a change of a setting; `restart` where a field has no mark."""

    LIVE = "live"
    """What runs takes it over."""
    RESTART = "restart"
    """It takes a new process."""
    DAEMON = "daemon"
    """It takes a new daemon."""


LIVE: JsonDict = {RELOAD: Reload.LIVE.value}
DAEMON: JsonDict = {RELOAD: Reload.DAEMON.value}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AllLogs(Section):
    """How much output is kept of each instance."""

    size: Size = Field(20 * 1024 * 1024, description="Size at which a file is rotated.")
    files: int = Field(5, ge=0, le=1000, description="Older files that are kept beside it, compressed.")


class Restart(Section):
    """When and how soon a provider that ended is started again."""

    policy: Choice | None = Field(None, description="`always` (default), `on-failure` or `never`.")
    initial: Duration = Field(0.5, description="Delay before the second restart in a row; 0: never a delay.")
    max_delay: Duration = Field(30.0, description="The longest delay; it doubles up to here.")
    reset_after: Duration = Field(60.0, description="Time of RUNNING after which delays begin anew.")
    intensity: int = Field(10, ge=0, description="Failures within `period` before FATAL; 0: no limit.")
    period: Duration = Field(600.0, gt=0, description="The time in which `intensity` counts.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.initial > self.max_delay:
            refuse("delays", f"initial ({self.initial:g} s) is above max_delay ({self.max_delay:g} s)")
        return self


class Stop(Section):
    """How a provider is ended."""

    signal: StopSignal = Field(
        signals.SIGTERM, description="The signal that asks it to end; SIGCONT follows it."
    )
    timeout: Duration = Field(10.0, description="Time from the signal to SIGKILL.")
    drain_timeout: Duration = Field(5.0, description="Time that calls in flight have to finish first.")


class Routing(Section):
    """How calls reach a provider."""

    timeout: Duration = Field(120.0, gt=0, description="Time a call may take when the caller names none.")
    stall_timeout: Duration = Field(60.0, gt=0, description="Time that a stream may be silent.")
    concurrency: int = Field(64, ge=1, le=100_000, description="Calls that one instance is given at once.")
    queue: int = Field(1000, ge=0, le=1_000_000, description="Calls that may wait for a free slot.")
    idempotent: Flag = Field(False, description="Every call may be sent again after a crash.")
    strategy: Strategic = Field(
        Strategy.LEAST_BUSY,
        description="Which instance is given a call: `least-busy`, `round-robin`, `random`, `weighted`, "
        "`latency`, `priority` (the first by name) or `sticky` (one for each session).",
    )
    priority: int = Field(
        0, ge=-1000, le=1000, description="Of providers that offer the same, the lowest number goes first."
    )
    weight: Weight = Field(1.0, description="Its share of the calls under the strategy `weighted`.")
    aliases: dict[str, str] = Field(
        default_factory=dict, description="Further names of its models: alias to model."
    )
    fallbacks: Fallbacks = Field(
        default_factory=list,
        description="Models or providers that are tried when it fails, in their order: a list, or one for "
        "each class of errors.",
    )


class Check(Section):
    """How one asks whether an instance is of use."""

    kind: Kind = Field(
        CheckKind.PROVIDER,
        description="`provider` (it says so over the hub), or what is tried: `http`, `tcp` or `exec`.",
    )
    interval: Duration | None = Field(
        None,
        gt=0,
        description="Time from the end of one check to the start of the next; "
        "1 s for `ready`, `health_check_interval` for `health`.",
    )
    timeout: Duration = Field(5.0, gt=0, description="Time that one check may take.")
    failures: int = Field(3, ge=1, le=1000, description="Failures in a row that turn good into bad.")
    successes: int = Field(1, ge=1, le=1000, description="Successes in a row that turn bad into good.")
    url: str | None = Field(None, description="`http`: a GET that has to be answered with 200 to 399.")
    host: str = Field("127.0.0.1", description="`tcp`: where it has to take a connection.")
    port: int | None = Field(None, ge=1, le=65535, description="`tcp`: the port.")
    command: Command | None = Field(None, description="`exec`: a program that has to end with status 0.")


class Limits(Section):
    """What an instance may use. Sizes are bytes or have a unit: KiB to TiB by 1024, KB to TB by 1000."""

    nofile: int | None = Field(None, ge=1, description="Open files of one process.")
    memory: Size | None = Field(None, description="Memory of all its processes, by its cgroup.")
    processes: int | None = Field(None, ge=1, le=2**22, description="Its processes, by its cgroup.")
    cpu: Cores | None = Field(None, description="Cores that it may keep busy, such as 0.5, by its cgroup.")
    max_rss: Size | None = Field(
        None, description="Resident memory of all its processes above which it is restarted."
    )


class Logs(Section):
    """As in `global`, for this provider."""

    size: Size | None = Field(None, description="As in `global.logs`, for this provider.")
    files: int | None = Field(None, ge=0, le=1000, description="As in `global.logs`, for this provider.")


class Runs(Section):
    """What runs, which every block says for itself."""

    enabled: Flag = Field(True, description="false leaves the block out.")
    class_: str | None = Field(
        None, alias="class", pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)+$", description="`module.ClassName` to run."
    )
    extension: str | None = Field(
        None, description="The extension to run, by its name, of `global.extension_paths`."
    )
    command: Command | None = Field(
        None, description="The program to run, as a list or as text without shell syntax."
    )


class Common(Section):
    """What a block says, or `global.defaults` for all of them."""

    type: Literal["llm", "tool", "extension"] = Field(
        "tool", description="What kind of provider it is; `extension` by default where one runs."
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="Handed to the class as keywords; of an extension, checked by what it declares.",
    )
    description: str = Field("", description="One line for people.", json_schema_extra=LIVE)
    auto_discover_models: Flag = Field(False, description="Ask the provider for its models when it starts.")
    instances: int = Field(
        1, ge=1, le=1000, description="How many of it run, called name#1 and so on.", json_schema_extra=LIVE
    )
    depends_on: Texts = Field(
        default_factory=list,
        description="Providers that are ready before it starts, and stop after it.",
        json_schema_extra=LIVE,
    )
    restart: Restart = Field(default_factory=Restart, description="Restart policy.", json_schema_extra=LIVE)
    restart_schedule: Schedule | None = Field(
        None,
        description="When it is restarted though it is well: five cron fields, in local time.",
        json_schema_extra=LIVE,
    )
    max_retry_attempts: int | None = Field(
        None, ge=0, description="As in `global`, for this provider.", json_schema_extra=LIVE
    )
    retry_fatal_every: Duration | None = Field(
        None, description="As in `global`, for this provider.", json_schema_extra=LIVE
    )
    connection_timeout: Duration | None = Field(
        None, gt=0, description="As in `global`, for this provider.", json_schema_extra=LIVE
    )
    start_timeout: Duration | None = Field(
        None,
        gt=0,
        description="Time to be ready where it is checked or says so itself; else 60 s, 15 min for an llm.",
        json_schema_extra=LIVE,
    )
    start_seconds: Duration = Field(
        1.0, description="Time a command has to stay alive to be RUNNING.", json_schema_extra=LIVE
    )
    ready: Check | None = Field(
        None, description="What has to pass before it is RUNNING, and called; kind provider: it registers."
    )
    health: Check | None = Field(
        None,
        description="What has to pass lest it is restarted; a class or an extension is asked over the hub by "
        "default.",
        json_schema_extra=LIVE,
    )
    stop: Stop = Field(default_factory=Stop, description="How it is ended.", json_schema_extra=LIVE)
    routing: Routing = Field(
        default_factory=Routing, description="How calls reach it.", json_schema_extra=LIVE
    )
    env: dict[str, Variable] = Field(default_factory=dict, description="Variables added to its environment.")
    env_file: Texts = Field(
        default_factory=list,
        description="Files of NAME=value lines, relative to the config file, read at each start; `env` wins.",
    )
    inherit_env: Inherited = Field(
        default_factory=list,
        description="The daemon's variables it gets beside the usual few: a list of names, or true for all.",
    )
    cwd: str | None = Field(
        None, description="Its working directory, relative to the config file; else the daemon's."
    )
    python: str | None = Field(
        None,
        description="The interpreter for a class or an extension, or the directory of a virtual environment, "
        "relative to the config file; else the daemon's own.",
    )
    python_path: list[str] = Field(
        default_factory=list,
        description="Directories searched first for modules, relative to the config file.",
    )
    user: Account | None = Field(None, description="As whom it runs: a name or a number.")
    group: Account | None = Field(None, description="Its group: a name or a number; else the user's own.")
    umask: Mode | None = Field(None, description='What its new files do not allow, in octal, such as "0027".')
    nice: int | None = Field(None, ge=-20, le=19, description="Its priority: 19 waits for all others.")
    limits: Limits = Field(default_factory=Limits, description="What it may use.")
    update: Literal["start-first", "stop-first"] | None = Field(
        None,
        description="Whether the new one is ready before the old one ends; `start-first` for a class "
        "or an extension, `stop-first` for a command, which may listen at a port.",
        json_schema_extra=LIVE,
    )
    update_drain: Duration = Field(
        600.0, description="Time that calls of a replaced one have to finish.", json_schema_extra=LIVE
    )
    watch: Flag = Field(
        False, description="Restart it when its own source changes, for authors.", json_schema_extra=LIVE
    )
    logs: Logs = Field(
        default_factory=Logs, description="How much of its output is kept.", json_schema_extra=LIVE
    )


class Provider(Common, Runs):
    """One provider: exactly one of `class`, `extension` and `command` says what runs."""

    model_config = ConfigDict(populate_by_name=False)


class Defaults(Common):
    """What a provider has where its own block says nothing: mappings are merged, all else is replaced."""


class Tls(Section):
    """What the hub shows who connects by TCP. Other files take a new daemon; a save of these does not."""

    certificate: str = Field(
        description="PEM file of the certificate and those of its issuers, relative to the config file."
    )
    key: str = Field(description="PEM file of its key, without a passphrase, relative to the config file.")


class HubSection(Section):
    """Who connects to the hub."""

    max_connections: int = Field(
        10_000, ge=1, le=1_000_000, description="Connections by TCP at once; further ones are refused."
    )
    tls: Tls | None = Field(
        None, description="For the TCP sockets, which then speak TLS 1.2 or newer, and https only."
    )


class Global(Section):
    """Settings for the daemon and for every provider."""

    auto_start: Flag = Field(
        True, description="Start enabled providers when the daemon starts.", json_schema_extra=LIVE
    )
    auto_restart: Flag = Field(
        True,
        description="Restart providers that end; false makes `never` the default policy.",
        json_schema_extra=LIVE,
    )
    health_check_interval: Duration = Field(
        30.0, gt=0, description="Time between two health checks of a provider.", json_schema_extra=LIVE
    )
    connection_timeout: Duration = Field(
        10.0,
        gt=0,
        description="Time a provider has from its spawn to its registration with the hub.",
        json_schema_extra=LIVE,
    )
    max_retry_attempts: int = Field(
        3,
        ge=0,
        description="Starts in a row that never became ready, after which a provider is FATAL; 0: no limit.",
        json_schema_extra=LIVE,
    )
    default_server_url: str = Field(
        DEFAULT_SERVER_URL,
        description="Where the hub listens; localhost means both loopbacks.",
        json_schema_extra=DAEMON,
    )
    hub: HubSection = Field(
        default_factory=HubSection,
        description="Who connects to the hub.",
        json_schema_extra=DAEMON,
    )
    retry_fatal_every: Duration = Field(
        300.0,
        description="Time after which a provider that reached a limit is tried again; 0: never.",
        json_schema_extra=LIVE,
    )
    parallel_starts: int = Field(
        8, ge=1, description="Instances that may be starting at once.", json_schema_extra=LIVE
    )
    extension_paths: Texts = Field(
        ["extensions"],
        description="Directories in which extensions are looked for, relative to the config file.",
    )
    logs: AllLogs = Field(
        default_factory=AllLogs,
        description="How much output is kept of each instance.",
        json_schema_extra=LIVE,
    )
    defaults: Defaults = Field(
        default_factory=Defaults, description="What each provider has that does not say otherwise."
    )


class File(Section):
    """A whole config file."""

    model_config = ConfigDict(populate_by_name=False)

    global_: Global = Field(default_factory=Global, alias="global", description="Settings for all.")
    providers: dict[str, Provider] = Field(default_factory=dict, description="The providers by name.")


def is_live(key: str) -> bool:
    """Whether what runs takes over a change of this key, such as `restart.initial` or `global.auto_start`."""
    first, _, rest = key.partition(".")
    model: type[Section] = Provider
    if first == "global":
        model, first = Global, rest.partition(".")[0]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return fields[first].json_schema_extra == LIVE
