"""Every setting, defined once: name, type, bounds, default and a sentence."""

from __future__ import annotations

import re
import signal as signals
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gleitzeitd.config.written import as_written
from gleitzeitd.core.spec import Policy

DEFAULT_SERVER_URL = "http://localhost:8000"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_BOOLEANS = {"yes": True, "on": True, "no": False, "off": False}
_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        if not (match := _DURATION.fullmatch(value.strip())):
            raise PydanticCustomError("duration", 'must be seconds or a duration like "30s", "5m" or "1h"')
        return float(match[1]) * UNITS[match[2]]
    return value


def _flag(value: Any) -> Any:
    """YAML 1.1 booleans, which YAML 1.2 reads as text, still mean what people mean by them."""
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def _signal(value: Any) -> Any:
    name = value if str(value).startswith("SIG") else f"SIG{value}"
    if name not in _SIGNALS:
        raise PydanticCustomError("signal", "must be one of {names}", {"names": ", ".join(_SIGNALS)})
    return signals.Signals[name]


def _command(value: Any) -> Any:
    if not isinstance(value, str) and not (
        isinstance(value, list) and all(isinstance(word, str) for word in value)
    ):
        raise PydanticCustomError("command", "must be a list of words or one text, such as [sleep, '60']")
    return value


def _variable(value: Any) -> Any:
    return as_written(value) if isinstance(value, bool | int | float) else value


Variable = Annotated[str, BeforeValidator(_variable)]
Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0, le=365 * 86400, allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_flag)]
StopSignal = Annotated[signals.Signals, BeforeValidator(_signal)]
Choice = Annotated[Policy, Field(strict=False)]
Command = Annotated[list[str] | str, BeforeValidator(_command)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Global(Section):
    """Settings for the daemon and for every provider."""

    auto_start: Flag = Field(True, description="Start enabled providers when the daemon starts.")
    auto_restart: Flag = Field(
        True, description="Restart providers that end; false makes `never` the default policy."
    )
    health_check_interval: Duration = Field(
        30.0, gt=0, description="Time between two health checks of a provider."
    )
    connection_timeout: Duration = Field(
        10.0, gt=0, description="Time a provider has from its spawn to its registration with the hub."
    )
    max_retry_attempts: int = Field(
        3,
        ge=0,
        description="Starts in a row that never became ready, after which a provider is FATAL; 0: no limit.",
    )
    default_server_url: str = Field(
        DEFAULT_SERVER_URL, description="Where the hub listens; localhost means both loopbacks."
    )


class Restart(Section):
    """When and how soon a provider that ended is started again."""

    policy: Choice | None = Field(None, description="`always` (default), `on-failure` or `never`.")
    initial: Duration = Field(0.5, description="Delay before the second restart in a row; 0: never a delay.")
    max_delay: Duration = Field(30.0, description="The longest delay; it doubles up to here.")
    reset_after: Duration = Field(60.0, description="Time of RUNNING after which delays begin anew.")
    intensity: int = Field(10, ge=0, description="Failures within `period` before FATAL; 0: no limit.")
    period: Duration = Field(600.0, gt=0, description="The time in which `intensity` counts.")


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
    concurrency: int = Field(64, ge=1, le=100_000, description="Calls that one instance is given at once.")
    queue: int = Field(1000, ge=0, le=1_000_000, description="Calls that may wait for a free slot.")
    idempotent: Flag = Field(False, description="Every call may be sent again after a crash.")


class Provider(Section):
    """One provider: exactly one of `class` and `command` says what runs."""

    model_config = ConfigDict(populate_by_name=False)

    enabled: Flag = Field(True, description="false leaves the block out.")
    type: Literal["llm", "tool", "extension"] = Field("tool", description="What kind of provider it is.")
    class_: str | None = Field(
        None, alias="class", pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)+$", description="`module.ClassName` to run."
    )
    command: Command | None = Field(
        None, description="The program to run, as a list or as text without shell syntax."
    )
    config: dict[str, Any] = Field(default_factory=dict, description="Handed to the class as keywords.")
    description: str = Field("", description="One line for people.")
    auto_discover_models: Flag = Field(False, description="Ask the provider for its models when it starts.")
    restart: Restart = Field(default_factory=Restart, description="Restart policy.")
    max_retry_attempts: int | None = Field(None, ge=0, description="As in `global`, for this provider.")
    connection_timeout: Duration | None = Field(None, gt=0, description="As in `global`, for this provider.")
    start_seconds: Duration = Field(1.0, description="Time a command has to stay alive to be RUNNING.")
    stop: Stop = Field(default_factory=Stop, description="How it is ended.")
    routing: Routing = Field(default_factory=Routing, description="How calls reach it.")
    env: dict[str, Variable] = Field(default_factory=dict, description="Variables added to its environment.")
    cwd: str | None = Field(
        None, description="Its working directory, relative to the config file; else the daemon's."
    )
    python_path: list[str] = Field(
        default_factory=list,
        description="Directories searched first for `class`, relative to the config file.",
    )


class File(Section):
    """A whole config file."""

    model_config = ConfigDict(populate_by_name=False)

    global_: Global = Field(default_factory=Global, alias="global", description="Settings for all.")
    providers: dict[str, Provider] = Field(default_factory=dict, description="The providers by name.")
