"""A provider's settings with all that it takes from elsewhere: from `global`, its kind and its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from gleitzeitd.config import schema
from gleitzeitd.config.lookups import beside, interpreter
from gleitzeitd.config.place import Path
from gleitzeitd.core.spec import CheckKind, Policy, Update

READY_INTERVAL = 1.0
START_TIMEOUT = 60.0
START_TIMEOUT_LLM = 900.0
"""A model may have to be loaded first."""

FROM_GLOBAL: Mapping[Path, Path] = {
    ("restart", "policy"): ("auto_restart",),
    ("health", "interval"): ("health_check_interval",),
    ("connection_timeout",): ("connection_timeout",),
    ("max_retry_attempts",): ("max_retry_attempts",),
    ("retry_fatal_every",): ("retry_fatal_every",),
    ("logs", "size"): ("logs", "size"),
    ("logs", "files"): ("logs", "files"),
}
"""Which key of `global` says what a provider's key is when nothing else does."""

T = TypeVar("T")
S = TypeVar("S", bound=schema.Section)


def complete(path: str, common: schema.Global, own: schema.Provider) -> schema.Provider:
    """`path` is the config file's, from whose directory others are seen."""
    is_hosted = own.class_ is not None or own.extension is not None
    python = beside(path, own.python) if own.python and is_hosted else None
    return _with(
        own,
        type=_type(own),
        connection_timeout=_or(own.connection_timeout, common.connection_timeout),
        max_retry_attempts=_or(own.max_retry_attempts, common.max_retry_attempts),
        retry_fatal_every=_or(own.retry_fatal_every, common.retry_fatal_every),
        start_timeout=_or(own.start_timeout, START_TIMEOUT_LLM if own.type == "llm" else START_TIMEOUT),
        restart=_restart(common, own.restart),
        ready=_check(own.ready, READY_INTERVAL, is_hosted=is_hosted),
        health=_check(own.health, common.health_check_interval, is_hosted=is_hosted),
        logs=_with(
            own.logs, size=_or(own.logs.size, common.logs.size), files=_or(own.logs.files, common.logs.files)
        ),
        update=_or(own.update, (Update.START_FIRST if is_hosted else Update.STOP_FIRST).value),
        env_file=[beside(path, name) for name in own.env_file],
        inherit_env=own.inherit_env or [],
        cwd=beside(path, own.cwd) if own.cwd else None,
        python=interpreter(python) if python else None,
        python_path=[beside(path, name) for name in own.python_path],
    )


def _restart(common: schema.Global, own: schema.Restart) -> schema.Restart:
    policy = Policy.ALWAYS if common.auto_restart else Policy.NEVER
    return _with(own, policy=_or(own.policy, policy))


def _type(own: schema.Provider) -> str:
    """An extension is one where nothing else is said."""
    return own.type if own.extension is None or "type" in own.model_fields_set else "extension"


def _check(check: schema.Check | None, interval: float, *, is_hosted: bool) -> schema.Check | None:
    """What the SDK's host runs is asked over the hub even where it does not say so."""
    if check is None and not is_hosted:
        return None
    return _with(check or _ASKED, interval=_or(check and check.interval, interval))


def _with(section: S, **values: Any) -> S:
    """Without looking at what is valid already."""
    return section.model_copy(update=values)


def _or(own: T | None, common: T) -> T:
    return common if own is None else own


_ASKED = schema.Check(kind=CheckKind.PROVIDER)
