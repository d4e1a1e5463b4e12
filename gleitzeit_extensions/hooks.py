"""The author's code that runs beside the calls; nothing depends on it, so its errors are only logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gleitzeit_extensions import authors, threads

log = logging.getLogger("gleitzeit")


async def call(hook: Callable[[], Any]) -> None:
    try:
        await threads.call(hook)
    except (Exception, SystemExit) as exc:
        log.warning("%s() failed: %s", getattr(hook, "__name__", "a hook"), authors.words(exc, []))
