"""A prompt over HTTP to a model and its answer: our daemon beside LiteLLM's proxy with its built-in mock.

Both ask for a token and choose by the model's name; one worker process each, the same prompt and the
same answer. Our model is a process of its own, LiteLLM's a function in it: memory is shown without and with
models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple

from benchmarks.ending import ending
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import home
from benchmarks.litellm import TOKEN, LiteLLM
from benchmarks.model_provider import ANSWER
from benchmarks.proc import usage
from benchmarks.programs import Program, ready, serving, work
from benchmarks.server import Server
from benchmarks.stats import Goal, Line, Plan, Row, of
from gleitzeitctl.client import Client

KINDS: tuple[type[Server], ...] = (Gleitzeit, LiteLLM)
AT_ONCE = 32
MESSAGES = [{"role": "user", "content": "Say something about a fox. " * 15}]
MODEL = {"model": {"type": "llm", "class": "model_provider.ModelProvider", "routing": {"concurrency": 64}}}

FIGURES = (
    ("prompt over HTTP, one by one, p50", "ms", "p50_ms", Goal(0.1, "a tenth")),
    ("prompts over HTTP, 32 at once", "/s", "per_s", Goal(10.0, "10 times", at_least=True)),
    ("prompts over HTTP, 32 at once, p99", "ms", "together_p99_ms", None),
    ("memory of the gateway, PSS", "MB", "pss_mb", Goal(0.2, "a fifth")),
    ("memory of the gateway, RSS", "MB", "rss_mb", Goal(0.2, "a fifth")),
    ("memory of the gateway and its model, PSS", "MB", "whole_pss_mb", None),
)


class Gateway(NamedTuple):
    server: Server
    asker: Program
    models: tuple[int, ...] = ()
    """Processes that are no part of the gateway itself."""

    def memory(self) -> Row:
        whole, models = usage(self.server.roots()), usage(self.models)
        return {
            "pss_mb": whole.pss_mb - models.pss_mb,
            "rss_mb": whole.rss_mb - models.rss_mb,
            "whole_pss_mb": whole.pss_mb,
        }


def measure(plan: Plan) -> Iterator[Row]:
    ways = {name: way for name, way in WAYS.items() if plan.wants(name)}
    with ExitStack() as stack:
        gateways = {name: stack.enter_context(way()) for name, way in ways.items()}
        for gateway in gateways.values():
            work(gateway.asker, "together", plan.size(full=500, quick=100), AT_ONCE)
        for turn in plan.turns(full=10):
            for name, gateway in gateways.items():
                row: Row = {"name": name, "round": turn}
                row |= work(gateway.asker, "one_by_one", plan.size(full=100, quick=50))
                row |= work(gateway.asker, "together", plan.size(full=640, quick=160), AT_ONCE)
                yield row | gateway.memory()


@contextmanager
def ours() -> Iterator[Gateway]:
    with serving(MODEL, "model_provider.py") as daemon:
        body = {"model": "mock", "method": "chat", "args": {"messages": MESSAGES}}
        token = daemon.token.read_text().strip()
        with asking(daemon.url + "/v1/invoke", token, body) as asker:
            instances = Client(str(daemon.socket)).get("/v1/status")["instances"]
            yield Gateway(daemon, asker, tuple(instance["pid"] for instance in instances))


@contextmanager
def theirs() -> Iterator[Gateway]:
    with home() as folder:
        proxy = LiteLLM(folder)
        proxy.configure(ANSWER)
        try:
            proxy.start()
            proxy.wait_until_ready()
            body = {"model": "mock", "messages": MESSAGES}
            with asking(proxy.url + "/v1/chat/completions", TOKEN, body) as asker:
                yield Gateway(proxy, asker)
        finally:
            with ending.waits():
                proxy.stop()


def asking(url: str, token: str, body: dict[str, Any]) -> AbstractContextManager[Program]:
    return ready("asker", url=url, token=token, body=body, answer=ANSWER)


WAYS: dict[str, Callable[[], AbstractContextManager[Gateway]]] = {
    Gleitzeit.name: ours,
    LiteLLM.name: theirs,
}


def lines(rows: Sequence[Row]) -> list[Line]:
    return [
        Line(metric, unit, of(rows, Gleitzeit.name, key), LiteLLM.name, of(rows, LiteLLM.name, key), goal)
        for metric, unit, key, goal in FIGURES
    ]
