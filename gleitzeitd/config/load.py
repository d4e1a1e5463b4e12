"""From a file to the house it wants: read, validate, then check what only the whole can show."""

from __future__ import annotations

import os

from pydantic import ValidationError

from gleitzeitd.config import schema
from gleitzeitd.config.complaint import complaints
from gleitzeitd.config.document import Document, Problem, read
from gleitzeitd.config.review import Review, argv_of, beside
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, House, Policy, Routing, Rules, Spec

NAMES = ("config/providers.yaml", "providers.yaml")


def find(given: str | None, *, service: bool = False) -> str:
    """The config file: what is given, `$GLEITZEIT_CONFIG`, or the first that exists of the usual places.

    A `service` that root starts without either reads /etc alone, so that a stray file in its current
    directory is never run as root. Raises ConfigError when there is none.
    """
    if chosen := given or os.environ.get("GLEITZEIT_CONFIG"):
        return chosen
    home = os.path.expanduser("~/.config/gleitzeit/providers.yaml")
    system = "/etc/gleitzeit/providers.yaml"
    places = (system,) if service and os.geteuid() == 0 else (*NAMES, home, system)
    for place in places:
        if os.path.exists(place):
            return place
    looked = ", ".join(places)
    flag = "--config" if service else "--provider-config"
    raise ConfigError((f"there is no config file (looked for {looked}): name one with {flag} FILE",))


def load(path: str) -> House:
    """The house that the file wants. Raises ConfigError with every mistake in it, in its order."""
    document = read(path)
    if document.data is None:
        raise ConfigError((f"{path}:1:1: the file is empty: it needs a section `providers`",))
    problems: set[Problem] = set(Review(document).problems())
    try:
        file = schema.File.model_validate(document.data)
    except ValidationError as exc:
        problems.update(complaints(document, exc, schema.File))
        raise _error(problems) from exc
    if problems:
        raise _error(problems)
    return _house(document, file)


def _error(problems: set[Problem]) -> ConfigError:
    return ConfigError(tuple(problem.text for problem in sorted(problems)))


def _house(document: Document, file: schema.File) -> House:
    wanted = {name: provider for name, provider in file.providers.items() if provider.enabled}
    return House(
        path=document.path,
        specs=tuple(_spec(document, file.global_, name, provider) for name, provider in wanted.items()),
        server_url=file.global_.default_server_url.rstrip("/"),
        auto_start=file.global_.auto_start,
        disabled=frozenset(file.providers) - frozenset(wanted),
    )


def _spec(document: Document, common: schema.Global, name: str, provider: schema.Provider) -> Spec:
    target = (
        ClassTarget(provider.class_) if provider.class_ else CommandTarget(argv_of(provider.command or []))
    )
    return Spec(
        name=name,
        type=provider.type,
        target=target,
        rules=_rules(common, provider),
        routing=Routing(**dict(provider.routing)),
        config=provider.config,
        description=provider.description,
        auto_discover_models=provider.auto_discover_models,
        health_interval=common.health_check_interval,
        env=provider.env,
        cwd=beside(document.path, provider.cwd) if provider.cwd else None,
        python_path=tuple(beside(document.path, path) for path in provider.python_path),
        where=f"{document.path}:{document.position(('providers', name), key=True)[0]}",
    )


def _rules(common: schema.Global, provider: schema.Provider) -> Rules:
    restart, stop = provider.restart, provider.stop
    attempts, timeout = provider.max_retry_attempts, provider.connection_timeout
    return Rules(
        registers=provider.class_ is not None,
        start_seconds=provider.start_seconds,
        connection_timeout=common.connection_timeout if timeout is None else timeout,
        policy=restart.policy or (Policy.ALWAYS if common.auto_restart else Policy.NEVER),
        initial=restart.initial,
        max_delay=restart.max_delay,
        reset_after=restart.reset_after,
        intensity=restart.intensity,
        period=restart.period,
        max_retry_attempts=common.max_retry_attempts if attempts is None else attempts,
        stop_signal=stop.signal,
        stop_timeout=stop.timeout,
        drain_timeout=stop.drain_timeout,
    )
