"""Tokens through our hub: as many as it carries, and how soon the first is there when many streams flow.

Three processes, WebSocket over loopback; the provider is made with our SDK, which sends tokens that come
quickly together. The second figure has 64 users who each read 50 tokens a second, beside one alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.programs import Program, ready, serving, work
from benchmarks.server import Server
from benchmarks.stats import Goal, Limit, Line, Plan, Row, of

KINDS: tuple[type[Server], ...] = (Gleitzeit,)
TOKENS = {
    "tokens": {
        "type": "llm",
        "class": "token_provider.TokenProvider",
        "routing": {"concurrency": 128},
    }
}
MANY, USERS, ONE = 8, 64, 1
FLOW = 80_000
"""Tokens of one turn, whatever the number of streams."""


def measure(plan: Plan) -> Iterator[Row]:
    if not plan.wants(Gleitzeit.name):
        return
    with (
        serving(TOKENS, "token_provider.py") as daemon,
        ready("reader", url=daemon.url, token=daemon.token.read_text().strip(), hub=daemon.roots()) as reader,
    ):
        work(reader, "flow", MANY, 1000)  # what is used for the first time is slower
        for turn in plan.turns(full=7):
            for streams in (ONE, MANY):
                row = work(reader, "flow", streams, FLOW // streams)
                yield {"name": named(streams), "round": turn, **row}
            yield from first_tokens(reader, plan, turn)


def first_tokens(reader: Program, plan: Plan, turn: int) -> Iterator[Row]:
    """As many waits alone as together: a p99 of a few is their worst."""
    times = plan.size(full=4, quick=1)
    alone = work(reader, "paced", ONE, 2, USERS * times)
    together = work(reader, "paced", USERS, 50, times)
    for streams, row in ((ONE, alone), (USERS, together)):
        yield {"name": named(streams), "round": turn, **row}


def named(streams: int) -> str:
    return "one stream" if streams == ONE else f"{streams} streams"


def lines(rows: Sequence[Row]) -> list[Line]:
    def line(metric: str, unit: str, streams: int, key: str, goal: Goal | Limit | None = None) -> Line:
        ours, alone = of(rows, named(streams), key), of(rows, named(ONE), key)
        return Line(metric, unit, ours, named(ONE), alone, goal)

    at_least = Limit(200_000, at_least=True)
    return [
        line(f"tokens relayed, {MANY} streams", "/s", MANY, "tokens_per_s", at_least),
        line(f"hub CPU a token, {MANY} streams", "µs", MANY, "hub_us"),
        line(f"first token, {USERS} streams, p50", "ms", USERS, "p50_ms"),
        line(f"first token, {USERS} streams, p99", "ms", USERS, "p99_ms", Goal(3.0, "at most 3 times")),
    ]
