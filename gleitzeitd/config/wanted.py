"""The values of the core that complete settings stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from gleitzeitd.config import schema
from gleitzeitd.config.commands import argv_of
from gleitzeitd.core.failover import DEFAULT
from gleitzeitd.core.spec import (
    Check,
    CheckKind,
    ClassTarget,
    CommandTarget,
    ExtensionTarget,
    Identity,
    Limits,
    Logs,
    Routing,
    Rules,
    Spec,
    Update,
)

T = TypeVar("T")


def spec(
    name: str,
    provider: schema.Provider,
    extension: ExtensionTarget | None,
    where: str,
    settings: Mapping[str, Any],
    mistakes: tuple[str, ...],
) -> Spec:
    """`provider` is complete; `extension` is what it runs, if it is one."""
    inherits = provider.inherit_env
    return Spec(
        name=name,
        type=provider.type,
        target=extension or _target(provider),
        rules=_rules(provider),
        routing=_routing(name, provider.routing),
        config=provider.config,
        description=provider.description,
        auto_discover_models=provider.auto_discover_models,
        instances=provider.instances,
        ready=_ready(provider),
        health=_check(provider.health) if provider.health else None,
        depends_on=tuple(provider.depends_on),
        env=provider.env,
        env_file=tuple(provider.env_file),
        inherit_env=inherits if inherits is True else tuple(inherits or ()),
        cwd=provider.cwd,
        identity=Identity(provider.user, provider.group, provider.umask, provider.nice),
        limits=Limits(**dict(provider.limits)),
        logs=Logs(**dict(provider.logs)),
        restart_schedule=provider.restart_schedule,
        python=provider.python,
        python_path=tuple(provider.python_path),
        update=Update(_there(provider.update)),
        update_drain=provider.update_drain,
        watch=provider.watch,
        where=where,
        settings=settings,
        mistakes=mistakes,
    )


def _target(provider: schema.Provider) -> ClassTarget | CommandTarget:
    return ClassTarget(provider.class_) if provider.class_ else CommandTarget(argv_of(provider.command or []))


def _rules(provider: schema.Provider) -> Rules:
    restart, stop = provider.restart, provider.stop
    is_checked = _ready(provider) is not None
    return Rules(
        registers=provider.command is None or (provider.ready is not None and not is_checked),
        checked=is_checked,
        start_seconds=provider.start_seconds,
        connection_timeout=_there(provider.connection_timeout),
        start_timeout=_there(provider.start_timeout),
        retry_fatal_every=_there(provider.retry_fatal_every),
        policy=_there(restart.policy),
        initial=restart.initial,
        max_delay=restart.max_delay,
        reset_after=restart.reset_after,
        intensity=restart.intensity,
        period=restart.period,
        max_retry_attempts=_there(provider.max_retry_attempts),
        stop_signal=stop.signal,
        stop_timeout=stop.timeout,
        drain_timeout=stop.drain_timeout,
    )


def _routing(name: str, routing: schema.Routing) -> Routing:
    given = routing.fallbacks
    chains = given if isinstance(given, dict) else {DEFAULT: given} if given else {}
    # What all providers fall back to does not fall back to itself.
    fallbacks = {key: tuple(target for target in chain if target != name) for key, chain in chains.items()}
    return Routing(**{**dict(routing), "fallbacks": fallbacks})


def _ready(provider: schema.Provider) -> Check | None:
    """What has to be tried to know that it is ready; what registers says so itself."""
    ready = provider.ready
    return _check(ready) if ready and ready.kind is not CheckKind.PROVIDER else None


def _check(check: schema.Check) -> Check:
    return Check(
        kind=check.kind,
        interval=_there(check.interval),
        timeout=check.timeout,
        failures=check.failures,
        successes=check.successes,
        url=check.url or "",
        host=check.host,
        port=check.port or 0,
        argv=argv_of(check.command or []),
    )


def _there(value: T | None) -> T:
    assert value is not None, "complete settings have it"
    return value
