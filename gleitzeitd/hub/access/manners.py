"""What is answered to who speaks HTTP badly: the envelope that every error has, and nothing of what answers.

aiohttp answers them with what it stumbled over, and with its version and that of Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.refusals import refused

UNREADABLE = "this is no HTTP that can be read here, or more of it than one request may have"


class Conversation(RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # It logs what is a mistake of ours, and knows when it is too late to say anything.
        super().handle_error(request, status, exc, message)
        is_ours = status >= 500
        sentence = "the request failed: see the daemon's log" if is_ours else UNREADABLE
        answer = refused(CallError("internal" if is_ours else "invalid_request", sentence))
        answer.headers["Server"] = "gleitzeitd"
        answer.force_close()
        return answer

    def log_exception(self, *said: object, **more: object) -> None:
        # what a peer sent wrong is worth no line: they could fill the disk
        if not isinstance(more.get("exc_info"), (HttpProcessingError, RequestPayloadError)):
            super().log_exception(*said, **more)


def conversations(server: web.Server | None) -> Callable[[], RequestHandler]:
    """Makes them, for the connections of a runner's server."""
    assert server is not None, "the runner was set up"
    loop = asyncio.get_running_loop()
    # aiohttp takes None here, as its runner does, though its types do not say so
    return partial(Conversation, server, loop=loop, access_log=None)  # type: ignore[arg-type]
