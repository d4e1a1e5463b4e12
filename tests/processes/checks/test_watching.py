"""A watch over one check: what it tells and when, that it asks one at a time, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gleitzeitd.core.spec import Check, CheckKind
from gleitzeitd.core.verdict import Outcome, Verdict
from gleitzeitd.processes.checks.watching import Checks, watch
from gleitzeitd.processes.containment.strays import Stat
from gleitzeitd.processes.launch import Launch
from tests.processes.checks.serving import serving
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

AT_ONCE = Check(interval=0, failures=3, successes=2)
LAUNCH = Launch(("false",), {"PATH": os.environ["PATH"]}, f"{os.getpid()}:w:1")


class Asked:
    """Answers one after the other, as many as it has; whoever asks for one more waits without end."""

    def __init__(self, *reasons: str) -> None:
        """An empty reason is a success."""
        self._answers = iter([Outcome(not reason, reason) for reason in reasons])
        self.times = 0
        self.at_once = 0
        self.is_over = anyio.Event()

    async def __call__(self) -> Outcome:
        self.at_once += 1
        assert self.at_once == 1
        self.times += 1
        await checkpoint()
        for outcome in self._answers:
            self.at_once -= 1
            return outcome
        self.is_over.set()
        await anyio.sleep_forever()
        raise AssertionError


async def told(*reasons: str) -> list[tuple[bool | None, str]]:
    asked, heard = Asked(*reasons), list[Verdict]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, AT_ONCE, asked, heard.append)
        with anyio.fail_after(20):
            await asked.is_over.wait()
        tasks.cancel_scope.cancel()
    return [(verdict.good, verdict.reason) for verdict in heard]


async def test_a_verdict_is_told_when_it_turns() -> None:
    assert await told("", "", "a", "a", "a", "", "") == [(True, ""), (True, "a"), (False, "a"), (True, "")]


async def test_the_same_again_is_told_once() -> None:
    assert await told("a", "a", "a", "a", "a", "b", "b") == [(None, "a"), (False, "a"), (False, "b")]
    assert await told(*[""] * 10) == [(True, "")]


async def test_what_passes_again_before_it_turned_is_told_too() -> None:
    assert await told("", "", "a", "") == [(True, ""), (True, "a"), (True, "")]


async def spell(check: Check, first_delay: float) -> int:
    """How often it asked by the time that everything has come to rest."""
    asked = Asked(*[""] * 100)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, check, asked, lambda _: None, first_delay)
        for _ in range(50):
            await checkpoint()
        tasks.cancel_scope.cancel()
    return asked.times


async def test_it_waits_before_the_first_and_between_two() -> None:
    """Broken once by leaving out either wait."""
    assert await spell(Check(interval=1000), 0) == 1
    assert await spell(Check(interval=0), 1000) == 0
    assert await spell(Check(interval=0), 0) > 1


async def test_what_a_watch_was_asking_ends_with_it(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    argv = ("sh", "-c", f"echo $$ >{flag}.new; mv {flag}.new {flag}; exec sleep 1000")
    siblings = set[int]()
    check = Check(CheckKind.EXEC, argv=argv, timeout=1000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, check, Checks(siblings).asker(check, LAUNCH), lambda _: None)
        await eventually_here(lambda: os.path.exists(flag))
        assert len(siblings) == 1
        tasks.cancel_scope.cancel()

    assert Stat.of(int(await anyio.Path(flag).read_text())) is None
    assert siblings == set()


async def test_each_kind_asks_in_its_way() -> None:
    checks = Checks(set())
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        for check in (
            Check(CheckKind.HTTP, url=f"http://127.0.0.1:{server.port}/", timeout=20),
            Check(CheckKind.TCP, port=server.port, timeout=20),
            Check(CheckKind.EXEC, argv=("true",), timeout=20),
        ):
            assert (await checks.asker(check, LAUNCH)()).ok, check.kind
    assert server.connections == 2


def test_a_provider_is_asked_by_the_hub() -> None:
    with pytest.raises(ValueError, match="its connection with the hub"):
        Checks(set()).asker(Check(CheckKind.PROVIDER), LAUNCH)
