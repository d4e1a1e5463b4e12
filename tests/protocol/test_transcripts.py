"""The golden transcripts: what `docs/protocol.md` says happens, with peers in Python and in JavaScript."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CLIENTS, PROVIDERS
from tests.hub.peers import LOCAL, PATIENCE, Peer, Site, site
from tests.protocol.javascript import node

pytestmark = pytest.mark.anyio

TRANSCRIPTS = sorted(Path(__file__).parent.glob("transcripts/*.jsonl"))
NAMES = [path.stem for path in TRANSCRIPTS]


class Script:
    """One transcript, and what its placeholders turned out to stand for."""

    def __init__(self, path: Path) -> None:
        self.lines = [json.loads(line) for line in path.read_text().splitlines()]
        self._bound: dict[str, Any] = {}

    def meant(self, said: Any, came: Any = None) -> Any:
        """What is said with the values of its placeholders; those that are new stand for what came."""
        match said:
            case str() if said[:1] == "<" and said[-1:] == ">":
                return self._bound.setdefault(said, came)
            case list():
                came = came if isinstance(came, list) else []
                return [self.meant(item, came[n] if n < len(came) else None) for n, item in enumerate(said)]
            case dict():
                came = came if isinstance(came, dict) else {}
                return {key: self.meant(item, came.get(key)) for key, item in said.items()}
        return said

    def answers(self) -> list[Any]:
        """What a provider acknowledges its calls with."""
        return [line["answer"] for line in self.lines if "answer" in line]

    async def replay(self, hub: Site) -> None:
        peers = {"provider": await hub.peer(PROVIDERS), "caller": await hub.peer(CLIENTS)}
        answers = self.answers()

        async def take(data: Any) -> Any:
            peers["provider"].arrived.setdefault("invoke", asyncio.Queue()).put_nowait(data)
            return answers.pop(0)

        if answers:
            peers["provider"].client.on("invoke", take, namespace=PROVIDERS)
        for line in self.lines:
            await self._replay(line, peers[line.get("from") or line["to"]])

    async def _replay(self, line: dict[str, Any], peer: Peer) -> None:
        if "to" in line:
            came = await peer.next(line["event"])
            assert came == self.meant(line["data"], came)
        elif "ack" in line:
            came = await peer.client.call(
                line["event"], self.meant(line["data"]), namespace=peer.namespace, timeout=PATIENCE
            )
            assert came == self.meant(line["ack"], came)
        else:
            await peer.say(line["event"], self.meant(line["data"]))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=NAMES)
async def test_a_python_peer_sees_what_the_transcript_says(path: Path) -> None:
    async with site() as hub:
        await Script(path).replay(hub)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=NAMES)
async def test_the_stock_javascript_client_sees_what_the_transcript_says(path: Path) -> None:
    """Seen to fail with a transcript that says something else: the line and the difference are printed."""
    async with (
        site() as hub,
        node("tests/protocol/replay.js", f"http://127.0.0.1:{hub.port}", LOCAL, str(path)) as replay,
    ):
        with anyio.fail_after(3 * PATIENCE):
            assert await replay.wait() == 0


def test_every_event_of_the_protocol_is_in_a_transcript_or_needs_a_moment_of_the_hub_s() -> None:
    events = {line["event"] for path in TRANSCRIPTS for line in Script(path).lines}
    handled = {"register", "update", "ready", "not_ready", "result", "chunk", "end", "lingers", "bye"}
    assert handled | {"invoke", "cancel", "credit", "error"} <= events
