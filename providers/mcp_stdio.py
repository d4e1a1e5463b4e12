"""An MCP server as a child of the provider: one JSON message a line, on its stdin and stdout.

What it says on stderr goes where the provider's own goes, which is its log. It has a process group of its
own, so that all it starts can be ended with it, in the provider's session and cgroup, where the daemon finds
it. Should the provider be killed, its stdin ends, and the daemon kills what does not end by that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
from asyncio import SubprocessTransport
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from providers.mcp_lines import Lines, TooLong

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client._transport import TransportStreams
    from mcp.shared.message import SessionMessage

    ToUs = MemoryObjectSendStream[SessionMessage | Exception]

log = logging.getLogger("gleitzeit")

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message of the server's."""

TOO_LARGE = -32098
"""The code of the error that stands for an answer of more than that."""

INTERNAL_ERROR = -32603

TAKE_NOTHING = ("-y", "--yes", "-m", "-u")
"""Options of npx and Python after which the name of the server comes."""

END_WITHIN = 1.0
"""Seconds that the server has to end after its stdin did, and again after SIGTERM."""

LAST_WORDS = 0.5
"""Seconds in which what a dead server wrote before is read, and the status of a silent one is waited for."""

MOST_JUNK = 1000
"""Lines in a row that are no messages, after which it is taken for no MCP server."""

LOGGED_JUNK = 3
"""Lines that are no messages and are logged; they are the same mistake again and again."""

SEVERED = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Child:
    """One life of one server; `end` says how it was lost."""

    def __init__(self, command: list[str], env: Mapping[str, str], cwd: str | None) -> None:
        self.title = f'the MCP server "{named(command)}"'
        self.lost = asyncio.Event()
        self.end = ""
        self._command, self._env, self._cwd = command, env, cwd
        self._gone, self._silent, self._exited = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._junk = self._logged = 0

    def lose(self, why: str) -> None:
        """Take it for lost."""
        self.end = self.end or why
        self._gone.set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[TransportStreams]:
        """Start it; at the end it is over, with all that is in its process group."""
        transport, process = await self._spawned()
        to_us, reading = anyio.create_memory_object_stream["SessionMessage | Exception"](0)
        writing, to_it = anyio.create_memory_object_stream["SessionMessage"](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, process, to_us)
            tasks.start_soon(self._write, process, to_it)
            tasks.start_soon(self._watch, process, to_us)
            try:
                yield reading, writing
            finally:
                with anyio.CancelScope(shield=True):
                    await self._ended(process)
                tasks.cancel_scope.cancel()
                transport.close()
                for stream in (to_us, reading, writing, to_it):
                    stream.close()

    async def _spawned(self) -> tuple[SubprocessTransport, Process]:
        loop = asyncio.get_running_loop()
        exited, gone = self._exited, self._gone

        class Protocol(SubprocessStreamProtocol):
            # Not Process.wait(), which also waits for whoever else holds the server's pipes.
            def process_exited(self) -> None:
                super().process_exited()
                exited.set()
                gone.set()

        transport, protocol = await loop.subprocess_exec(
            lambda: Protocol(limit=2**16, loop=loop),
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            env={**os.environ, **self._env},
            cwd=self._cwd,
            process_group=0,
        )
        return transport, Process(transport, protocol, loop)

    async def _read(self, process: Process, to_us: ToUs) -> None:
        assert process.stdout
        lines = Lines(LARGEST_MESSAGE)
        while piece := await process.stdout.read(2**16):
            for line in lines.cut(piece):
                if message := self._message(line):
                    # What nobody waits for any more is read all the same: a server that blocks cannot end.
                    with suppress(*SEVERED):
                        await to_us.send(message)
        self._silent.set()
        self._gone.set()

    async def _write(self, process: Process, to_it: MemoryObjectReceiveStream[SessionMessage]) -> None:
        assert process.stdin
        try:
            async for message in to_it:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()
        except ConnectionError:
            self._gone.set()

    async def _watch(self, process: Process, to_us: ToUs) -> None:
        await self._gone.wait()
        with anyio.move_on_after(LAST_WORDS):
            await self._exited.wait()
            await self._silent.wait()
        self.end = self.end or _how(process.returncode)
        self.lost.set()
        to_us.close()

    async def _ended(self, process: Process) -> None:
        assert process.stdin
        process.stdin.close()
        if not await self._exits():
            _signal(process, signal.SIGTERM)
            await self._exits()
        _signal(process, signal.SIGKILL)  # what it started may live on
        await self._exits()

    async def _exits(self) -> bool:
        with anyio.move_on_after(END_WITHIN):
            await self._exited.wait()
        return self._exited.is_set()

    def _message(self, line: bytes | TooLong) -> SessionMessage | None:
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        if isinstance(line, TooLong):
            return self._refusal(line)
        if not line.strip():
            return None
        try:
            message = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError:
            return self._mended(line)
        self._junk = 0
        return message

    def _mended(self, line: bytes) -> SessionMessage | None:
        """What is meant, or an error for whoever waits for it.

        JavaScript writes half a character where it has cut a text; other numbers, names and depths are no
        messages, but may be an answer.
        """
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        try:
            given = json.loads(line)
            text = json.dumps(given, ensure_ascii=False).encode(errors="replace")
        except (ValueError, RecursionError):
            self._note_junk(line)
            return None
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
        except ValueError:
            self._note_junk(line)
        match given:
            case {"id": int(id), "result": _} | {"id": int(id), "error": _}:
                return _error(id, INTERNAL_ERROR, "it answered with what is no message of MCP")
        return None

    def _refusal(self, line: TooLong) -> SessionMessage | None:
        """What is said to the caller instead; without an id nobody knows who waits, so that nobody may."""
        sentence = f"it sent a message of more than {LARGEST_MESSAGE:,} bytes"
        if line.id is None:
            self.lose(sentence)
            return None
        return _error(line.id, TOO_LARGE, sentence)

    def _note_junk(self, line: bytes) -> None:
        self._junk += 1
        if self._junk > MOST_JUNK:
            self.lose("writes to its stdout what is no MCP")
        if self._logged < LOGGED_JUNK:
            self._logged += 1
            # What begins like a message may be somebody's result.
            is_data = line.lstrip().startswith((b"{", b"["))
            shown = "" if is_data else f": {line[:200].decode(errors='replace')!r}"
            log.warning("%s wrote a line to its stdout that is no message%s", self.title, shown)


def named(command: list[str]) -> str:
    """The program and its first word, such as `npx some-server`; what comes later may be secret.

    As may what comes after an option, since only the program knows which of them take a word.
    """
    shown = [os.path.basename(command[0])]
    for word in command[1:]:
        if word in TAKE_NOTHING or re.fullmatch(r"\w+=.*", word, re.DOTALL):
            continue
        if not re.search(r"^-|[\s=]|://", word):
            shown.append(word)
        break
    return " ".join(shown)[:100]


def _error(id: int, code: int, sentence: str) -> SessionMessage:
    from mcp.shared.message import SessionMessage
    from mcp_types import ErrorData, JSONRPCError

    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=id, error=ErrorData(code=code, message=sentence)))


def _how(status: int | None) -> str:
    match status:
        case None:
            return "hung up"
        case 0:
            return "ended"
        case int() if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
