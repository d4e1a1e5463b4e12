"""How an extension says it is: its optional health_check(), plain or async, made into one dict."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from gleitzeit_extensions import threads
from gleitzeit_extensions.extensions import where

HEALTH_SECONDS = 10.0


async def ask(instance: object) -> dict[str, Any]:
    """`{"healthy": bool, ...}`; one that fails, or takes ten seconds, is not healthy. Never raises."""
    check = getattr(instance, "health_check", None)
    if check is None:
        return {"healthy": True}
    try:
        async with asyncio.timeout(HEALTH_SECONDS) as deadline:
            return read(await threads.call(check), instance)
    except TimeoutError as exc:
        late = f"health_check() took longer than {HEALTH_SECONDS:g} s"
        return _unwell(late if deadline.expired() else where.told(exc, instance, "health_check"))
    except (Exception, SystemExit) as exc:  # what an author's check does, nobody knows
        return _unwell(where.told(exc, instance, "health_check"))


def is_async(instance: object) -> bool:
    return inspect.iscoroutinefunction(getattr(instance, "health_check", None))


def ask_now(instance: object) -> dict[str, Any]:
    """The same of a plain health_check(), in this very thread."""
    check = getattr(instance, "health_check", None)
    try:
        return read(check(), instance) if check is not None else {"healthy": True}
    except (Exception, SystemExit) as exc:  # as above
        return _unwell(where.told(exc, instance, "health_check"))


def read(given: object, instance: object) -> dict[str, Any]:
    match given:
        case dict():
            return {"healthy": True} | given
        case bool():
            return {"healthy": given}
    at = where.of(instance, "health_check")
    return _unwell(f'{at}: health_check() gave a {type(given).__name__}: a dict with "healthy" is needed')


def _unwell(error: str) -> dict[str, Any]:
    return {"healthy": False, "error": error}
