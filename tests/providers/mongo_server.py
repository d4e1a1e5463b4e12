"""A server that speaks MongoDB's wire protocol (OP_MSG), and answers a few commands in recorded shapes.

It keeps nothing: what it finds is what a test gave it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bson

Document = dict[str, Any]

_QUERY, _REPLY, _MSG = 2004, 1, 2013
"""Opcodes of the wire protocol; the first greeting of a driver is still a query."""

HELLO = {
    "helloOk": True,
    "isWritablePrimary": True,
    "ismaster": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "ok": 1.0,
}


class FakeMongo:
    def __init__(self) -> None:
        self.asked: list[Document] = []
        self.documents: list[Document] = []
        self.failure: Document | None = None
        self.silent = False
        """Whether it never answers a command."""
        self.heard = asyncio.Event()
        self.port = 0

    def answers(self, command: Document) -> bool:
        """Whether it is one that a caller asked for."""
        return next(iter(command)) not in ("hello", "ismaster", "isMaster", "endSessions", "ping")

    def answer(self, command: Document) -> Document:
        name = next(iter(command))
        if self.answers(command):
            self.asked.append(command)
            self.heard.set()
            if self.failure:
                return {"ok": 0.0, **self.failure}
        match name:
            case "find" | "aggregate" | "listCollections" | "listIndexes":
                limit = command.get("limit") or len(self.documents)
                found = self.documents[:limit]
                return {"cursor": {"id": 0, "ns": "db.c", "firstBatch": found}, "ok": 1.0}
            case "insert" | "delete":
                return {"n": 1, "ok": 1.0}
            case "update":
                return {"n": 1, "nModified": 1, "ok": 1.0}
        return {**HELLO}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, number, _, opcode = struct.unpack("<4i", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if opcode == _QUERY:
                    start = body.index(b"\0", 4) + 9
                    size = struct.unpack_from("<i", body, start)[0]
                    command = bson.decode(body[start : start + size])
                    head = struct.pack("<iqii", 8, 0, 0, 1)
                    answer = head + bson.encode(self.answer(command))
                    opcode = _REPLY
                else:
                    command = _command(body)
                    if self.silent and self.answers(command):
                        self.heard.set()
                        continue
                    answer = struct.pack("<ib", 0, 0) + bson.encode(self.answer(command))
                    opcode = _MSG
                writer.write(struct.pack("<4i", 16 + len(answer), 1, number, opcode) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _command(body: bytes) -> Document:
    """Of an OP_MSG: its document, with those that follow under their names."""
    command: Document = {}
    at = 4
    while at < len(body):
        kind, at = body[at], at + 1
        size = struct.unpack_from("<i", body, at)[0]
        if kind == 0:
            # The name of the command is its first key.
            command = bson.decode(body[at : at + size]) | command
        else:
            name_ends = body.index(b"\0", at + 4)
            command[body[at + 4 : name_ends].decode()] = bson.decode_all(body[name_ends + 1 : at + size])
        at += size
    # Its name comes first.
    return {
        **{key: command[key] for key in command if key not in ("documents", "updates", "deletes")},
        **command,
    }


@asynccontextmanager
async def mongo() -> AsyncIterator[FakeMongo]:
    fake = FakeMongo()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
