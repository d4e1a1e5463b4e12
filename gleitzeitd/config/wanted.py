"""The values of the core that valid settings stand for."""

from __future__ import annotations

from typing import TypeVar

from gleitzeitd.config import schema
from gleitzeitd.config.block import beside
from gleitzeitd.config.commands import argv_of
from gleitzeitd.config.document import Document
from gleitzeitd.core.spec import (
    Check,
    CheckKind,
    ClassTarget,
    CommandTarget,
    House,
    Identity,
    Limits,
    Logs,
    Policy,
    Routing,
    Rules,
    Spec,
)

READY_INTERVAL = 1.0
START_TIMEOUT = 60.0
START_TIMEOUT_LLM = 900.0
"""A model may have to be loaded first."""

T = TypeVar("T")


def house(document: Document, file: schema.File) -> House:
    enabled = {name: provider for name, provider in file.providers.items() if provider.enabled}
    return House(
        path=document.path,
        specs=tuple(_spec(document, file.global_, name, provider) for name, provider in enabled.items()),
        server_url=file.global_.default_server_url.rstrip("/"),
        auto_start=file.global_.auto_start,
        parallel_starts=file.global_.parallel_starts,
        disabled=frozenset(file.providers) - frozenset(enabled),
    )


def _spec(document: Document, common: schema.Global, name: str, provider: schema.Provider) -> Spec:
    inherits = provider.inherit_env
    return Spec(
        name=name,
        type=provider.type,
        target=_target(provider),
        rules=_rules(common, provider),
        routing=Routing(**dict(provider.routing)),
        config=provider.config,
        description=provider.description,
        auto_discover_models=provider.auto_discover_models,
        instances=provider.instances,
        ready=_ready(provider),
        health=_health(common, provider),
        depends_on=tuple(provider.depends_on),
        env=provider.env,
        env_file=tuple(beside(document.path, path) for path in provider.env_file),
        inherit_env=inherits if inherits is True else tuple(inherits or ()),
        cwd=beside(document.path, provider.cwd) if provider.cwd else None,
        identity=Identity(provider.user, provider.group, provider.umask, provider.nice),
        limits=Limits(**dict(provider.limits)),
        logs=_logs(common.logs, provider.logs),
        restart_schedule=provider.restart_schedule,
        python_path=tuple(beside(document.path, path) for path in provider.python_path),
        where=f"{document.path}:{document.position(('providers', name), key=True)[0]}",
    )


def _target(provider: schema.Provider) -> ClassTarget | CommandTarget:
    return ClassTarget(provider.class_) if provider.class_ else CommandTarget(argv_of(provider.command or []))


def _rules(common: schema.Global, provider: schema.Provider) -> Rules:
    restart, stop = provider.restart, provider.stop
    is_checked = _ready(provider) is not None
    default_timeout = START_TIMEOUT_LLM if provider.type == "llm" else START_TIMEOUT
    return Rules(
        registers=provider.class_ is not None or (provider.ready is not None and not is_checked),
        checked=is_checked,
        start_seconds=provider.start_seconds,
        connection_timeout=_own(provider.connection_timeout, common.connection_timeout),
        start_timeout=_own(provider.start_timeout, default_timeout),
        retry_fatal_every=_own(provider.retry_fatal_every, common.retry_fatal_every),
        policy=restart.policy or (Policy.ALWAYS if common.auto_restart else Policy.NEVER),
        initial=restart.initial,
        max_delay=restart.max_delay,
        reset_after=restart.reset_after,
        intensity=restart.intensity,
        period=restart.period,
        max_retry_attempts=_own(provider.max_retry_attempts, common.max_retry_attempts),
        stop_signal=stop.signal,
        stop_timeout=stop.timeout,
        drain_timeout=stop.drain_timeout,
    )


def _ready(provider: schema.Provider) -> Check | None:
    """What has to be tried to know that it is ready; what registers says so itself."""
    ready = provider.ready
    if ready is None or ready.kind is CheckKind.PROVIDER:
        return None
    return _check(ready, READY_INTERVAL)


def _health(common: schema.Global, provider: schema.Provider) -> Check | None:
    if provider.health is None and provider.class_ is None:
        return None
    return _check(provider.health or schema.Check(), common.health_check_interval)


def _check(check: schema.Check, interval: float) -> Check:
    return Check(
        kind=check.kind,
        interval=_own(check.interval, interval),
        timeout=check.timeout,
        failures=check.failures,
        successes=check.successes,
        url=check.url or "",
        host=check.host,
        port=check.port or 0,
        argv=argv_of(check.command or []),
    )


def _logs(common: schema.AllLogs, own: schema.Logs) -> Logs:
    return Logs(_own(own.size, common.size), _own(own.files, common.files))


def _own(own: T | None, common: T) -> T:
    return common if own is None else own
