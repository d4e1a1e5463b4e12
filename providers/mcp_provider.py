"""Any MCP server as a provider: its tools become methods, and its resources and prompts can be read.

How the server is reached is in `mcp_stdio` and `mcp_http`, what its answers mean in `mcp_answers`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import (
    ExtensionServiceError,
    InvalidRequest,
    SocketIOProviderClient,
    Unavailable,
    idempotent,
)
from gleitzeit_extensions.methods import Method, public_methods
from gleitzeit_extensions.offered import Offered
from gleitzeit_extensions.waiting import ended
from providers import mcp_answers, mcp_tools
from providers.mcp_http import Site, shown
from providers.mcp_keeper import Keeper, Lost
from providers.mcp_stdio import Child, named
from providers.upstream import HEALTH_WITHIN

if TYPE_CHECKING:
    from mcp import Client
    from mcp.shared.dispatcher import ProgressFnT
    from mcp_types import Tool
    from pydantic import BaseModel

log = logging.getLogger("gleitzeit")

Item = dict[str, Any]

MOST_PROGRESS = 64
"""Reports that wait for a slow reader; of more only the last are kept."""

ENVELOPE = 40
"""Levels that are left for what the SDK puts around the arguments; it writes 254."""

READERS = {
    "resources": ("list_resources", "list_resource_templates", "read_resource"),
    "prompts": ("list_prompts", "get_prompt"),
}
"""The methods beside the tools, by the capability that the server has to have."""


class MCPProvider(SocketIOProviderClient):
    """Any MCP server, by stdio or HTTP: its tools become methods, with progress and cancelling."""

    checks_config = True

    def __init__(
        self,
        *,
        command: list[str] | None = None,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        url: str = "",
        token: str = "",
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Either `command` or `url` is needed.

        Args:
            command: The program of the server and its arguments, a list. It is run without a shell, and
                lives and ends with the provider.
            env: Variables that the server finds in its environment beside the provider's own.
            cwd: The directory that the server runs in, by default the provider's own.
            url: Where a server that speaks streamable HTTP is, such as `http://localhost:3001/mcp`.
            token: What is sent to `url` as `Authorization: Bearer ...`.
            headers: Further headers of each request to `url`.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["mcp"])
        _check(command, env or {}, cwd, url)
        about = named(command) if command else f"at {shown(url)}"
        kwargs.setdefault("description", f"The MCP server {about}")
        super().__init__(**kwargs)
        self._command, self._env, self._cwd = command, env or {}, cwd
        self._url = url
        self._headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        self._keeper = Keeper(self, self._new_server, self._publish)
        self._running = 0
        self._why_ended = ""

    async def run(self) -> None:
        """Serve as every provider does, and keep the server meanwhile.

        Raises ExtensionServiceError when a server that it started is lost: whoever supervises this
        process starts both again.
        """
        _quieten()
        await self.update_methods([])
        keeping = asyncio.create_task(self._keep())
        try:
            await super().run()
        finally:
            await ended(keeping)
        if self._why_ended:
            raise ExtensionServiceError(self.name, self._why_ended)

    @idempotent
    async def list_resources(self, cursor: str | None = None) -> Item:
        """What the server has to read: `{resources, next}`, each with its uri and name.

        Args:
            cursor: `next` of the page before; `next` is null on the last one
        """
        page = await self._asked(lambda client: client.list_resources(cursor=cursor), cursor)
        return {"resources": page.get("resources", []), "next": page.get("nextCursor")}

    @idempotent
    async def list_resource_templates(self, cursor: str | None = None) -> Item:
        """The forms of further URIs that can be read: `{templates, next}`.

        Args:
            cursor: `next` of the page before; `next` is null on the last one
        """
        page = await self._asked(lambda client: client.list_resource_templates(cursor=cursor), cursor)
        return {"templates": page.get("resourceTemplates", []), "next": page.get("nextCursor")}

    @idempotent
    async def read_resource(self, uri: str) -> Item:
        """What is at a URI: `{contents}`, each with its uri and `text`, or `blob` in base64.

        Args:
            uri: one that `list_resources` gives, or of the form that a template has
        """
        answer = await self._asked(lambda client: client.read_resource(uri), uri)
        return {"contents": answer.get("contents", [])}

    @idempotent
    async def list_prompts(self, cursor: str | None = None) -> Item:
        """The prompts that the server has ready: `{prompts, next}`, each with its name and arguments.

        Args:
            cursor: `next` of the page before; `next` is null on the last one
        """
        page = await self._asked(lambda client: client.list_prompts(cursor=cursor), cursor)
        return {"prompts": page.get("prompts", []), "next": page.get("nextCursor")}

    @idempotent
    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> Item:
        """A prompt, filled in: `{description, messages}`, each message with a role and content.

        Args:
            name: one that `list_prompts` gives
            arguments: what the prompt asks for, as texts
        """
        answer = await self._asked(lambda client: client.get_prompt(name, arguments), [name, arguments])
        return {"description": answer.get("description", ""), "messages": answer.get("messages", [])}

    async def get_health_status(self) -> Item:
        """A server that answers nothing is not healthy, unless it is at work for somebody."""
        from mcp import MCPError
        from mcp_types import EmptyResult, PingRequest

        client, title = self._keeper.client, self._keeper.server.title
        if client is None:
            return {"healthy": True, "status": "degraded", "reason": self.why_not_ready}
        try:
            async with asyncio.timeout(HEALTH_WITHIN):
                await client.session.send_request(PingRequest(), EmptyResult)
        except MCPError as exc:  # an answer, too: in 2026 there is no ping any more
            if mcp_answers.is_severed(exc):
                self._keeper.server.lose("ended the connection")
                return {"healthy": True, "status": "degraded", "reason": str(exc)}
        except TimeoutError:
            if not self._running:
                sentence = f"{title} did not answer a ping within {HEALTH_WITHIN:g} s"
                return {"healthy": not self._command, "status": "degraded", "error": sentence}
        return {"healthy": True, "metrics": {"running": self._running}}

    async def _keep(self) -> None:
        try:
            await self._keeper.run()
        except Lost as exc:
            self._why_ended = str(exc)
            await self.stop()

    async def _publish(self, client: Client) -> None:
        """Have what the server has now for methods; a tool takes the place of a method of ours."""
        known, has = public_methods(type(self), SocketIOProviderClient), client.server_capabilities
        title = self._keeper.server.title
        own = [known[name] for needed, names in READERS.items() if getattr(has, needed) for name in names]
        methods: dict[str, Method] = {method.name: method for method in own}
        if has.tools:
            methods |= {tool.name: self._offered(tool) for tool in await mcp_tools.listed(client, title)}
        about = client.server_info
        self.metadata = {
            "mcp": {
                "protocol": client.protocol_version,
                "server": about.name if about else "",
                "version": about.version if about else "",
            }
        }
        await self.update_methods(methods.values())

    def _offered(self, tool: Tool) -> Offered:
        hints = tool.annotations
        return Offered(
            name=tool.name,
            description=tool.description or tool.title or "",
            idempotent=bool(hints and (hints.read_only_hint or hints.idempotent_hint)),
            parameters=tool.input_schema,
            returns=tool.output_schema,
            call=partial(self._called, tool.name),
            follow=partial(self._followed, tool.name),
        )

    async def _called(self, tool: str, args: Item, progress: ProgressFnT | None = None) -> Any:
        def call(client: Client) -> Awaitable[Any]:
            return client.call_tool(tool, args, progress_callback=progress)

        return mcp_answers.of_tool(await self._reached(call, args), tool)

    async def _followed(self, tool: str, args: Item) -> AsyncIterator[Item]:
        """What the server tells of its progress, and at last the result."""
        reports: deque[Item] = deque(maxlen=MOST_PROGRESS)
        news = asyncio.Event()

        async def report(progress: float, total: float | None, message: str | None) -> None:
            told = {"progress": progress, "total": total, "message": message}
            reports.append({key: value for key, value in told.items() if value is not None})
            news.set()

        calling = asyncio.create_task(self._called(tool, args, report))
        calling.add_done_callback(lambda _: news.set())
        try:
            while not calling.done() or reports:
                await news.wait()
                news.clear()
                while reports:
                    yield {**reports.popleft(), "done": False}
            yield {"result": calling.result(), "done": True}
        finally:
            await ended(calling)

    async def _asked(self, ask: Callable[[Client], Awaitable[BaseModel]], *args: Any) -> Item:
        return mcp_answers.plain(await self._reached(ask, args))

    async def _reached(self, ask: Callable[[Client], Awaitable[Any]], args: Any) -> Any:
        """What the server answers, or the CallError that says why it does not."""
        client, server = self._keeper.client, self._keeper.server
        if client is None:
            raise Unavailable(self.why_not_ready or f"{server.title} is not connected")
        _check_sendable(args)
        self._running += 1
        try:
            return await ask(client)
        except Exception as exc:  # others' validators read what a server sends, and raise anything
            if mcp_answers.is_severed(exc):
                server.lose("ended the connection")
            if server.lost.is_set() or self._keeper.client is not client:
                raise Unavailable(f"{server.title} {server.end or 'is gone'}") from exc
            raise mcp_answers.failure(exc, server.title) from exc
        finally:
            self._running -= 1

    def _new_server(self) -> Child | Site:
        if self._command:
            return Child(self._command, self._env, self._cwd)
        return Site(self._url, self._headers)


def _check(command: list[str] | None, env: dict[str, str], cwd: str | None, url: str) -> None:
    """Raises ValueError or ImportError for what cannot be."""
    if find_spec("mcp") is None:
        raise ImportError("it needs the package mcp: pip install 'gleitzeitd[mcp]'")
    if bool(command) == bool(url):
        raise ValueError("say either the `command` of the MCP server or its `url`")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError("url is not one of HTTP: write it like http://localhost:3001/mcp")
    if cwd and not os.path.isdir(cwd):
        raise ValueError(f'cwd is "{cwd}", which is no directory')
    if command:
        program = os.path.join(cwd or "", command[0]) if "/" in command[0] else command[0]
        if not shutil.which(program, path=env.get("PATH")):
            raise ValueError(
                f'there is no program "{command[0]}" for the MCP server: install it, or mend `command`'
            )


def _check_sendable(args: Any) -> None:
    """Raises for what the SDK cannot write: it would end the connection, which all calls share."""
    from pydantic_core import to_json

    for _ in range(ENVELOPE):
        args = [args]
    try:
        to_json(args)
    except ValueError as exc:
        is_deep = "depth" in str(exc)
        why = "are too deep" if is_deep else "hold half a character, which has no form in UTF-8"
        raise InvalidRequest(f"the arguments {why}") from exc


def _quieten() -> None:
    """What the SDK logs is said here in sentences, and it would log what travels."""
    for name in ("mcp", "client", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
