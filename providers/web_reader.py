"""Has pages read by processes that are killed when they take too long: see `web_page`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from gleitzeit_extensions import CallError, InvalidRequest
from providers import web_page

READ_WITHIN = 15.0
"""Seconds that the reading of one page may take."""

AT_ONCE = os.cpu_count() or 1


class WebReader:
    """Reads as many pages at a time as there are processors; others wait."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, reader: str, html: str, url: str, **how: Any) -> dict[str, Any]:
        """What one of `web_page.READERS` finds in a page."""
        order = json.dumps({"reader": reader, "html": html, "url": url, **how})
        async with self._slots:
            answer = await _answered(order.encode(), url)
        if refused := answer.get("refused"):
            raise InvalidRequest(refused)
        return answer


async def _answered(order: bytes, url: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        web_page.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of the provider's own: secrets may be among it.
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        async with asyncio.timeout(READ_WITHIN):
            answer, _ = await process.communicate(order)
    except TimeoutError as exc:
        raise _too_much(url, f"took longer than {READ_WITHIN:.3g} s to read") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _too_much(url, f"could not be read within {web_page.MEMORY >> 20} MiB of memory")
    found: dict[str, Any] = json.loads(answer)
    return found


def _too_much(url: str, what: str) -> CallError:
    return CallError("provider_error", f"the page {url:.200} {what}; `fetch` gives it as it is")
