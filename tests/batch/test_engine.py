"""A batch without a daemon: what is read, what is made again, what is written, and how it goes on."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeit_extensions.batch import engine, retries
from gleitzeit_extensions.batch.engine import Away, Lost, Runner
from gleitzeit_extensions.batch.files import FileError, Output, Places
from gleitzeit_extensions.batch.lines import read
from gleitzeit_extensions.batch.pump import pumped

pytestmark = pytest.mark.anyio
anew = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Killed(BaseException):
    """As by `kill -9`: nothing is tidied up."""


def places(directory: Path, source: str = "calls.jsonl") -> Places:
    return Places(str(directory / source), str(directory / "out.jsonl"), str(directory / "failed.jsonl"))


def calls(directory: Path, count: int) -> None:
    lines = (json.dumps({"provider": "p", "method": "m", "args": {"n": n}}) for n in range(1, count + 1))
    (directory / "calls.jsonl").write_text("".join(f"{line}\n" for line in lines))


def numbers(path: str) -> list[int]:
    return [json.loads(line)["line"] for line in Path(path).read_text().splitlines()]


async def ran(where: Places, call: engine.Call, ordered: bool = True, told: Any = lambda: None) -> bool:
    output = Output(where)
    try:
        return await Runner(output, call, 4, ordered).run(asyncio.Event(), told)
    finally:
        output.close()


@anew
@given(
    count=st.integers(0, 40),
    kills=st.lists(st.integers(1, 12), max_size=6),
    ordered=st.booleans(),
    seed=st.integers(),
)
def test_each_line_is_answered_once_however_often_it_is_killed(
    tmp_path_factory: pytest.TempPathFactory, count: int, kills: list[int], ordered: bool, seed: int
) -> None:
    where = places(tmp_path_factory.mktemp("batch"))
    calls(Path(where.source).parent, count)
    chance = random.Random(seed)

    async def call(body: Any) -> engine.Answer:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if body["args"]["n"] % 7 == 0:
            return {"error": {"code": "provider_error", "message": "seven", "retryable": False, "detail": {}}}
        return {"result": body["args"]["n"] * 2}

    for left in [*kills, None]:
        countdown = left

        def told() -> None:
            nonlocal countdown
            if countdown is not None:
                countdown -= 1
                if countdown == 0:
                    raise Killed

        try:
            assert asyncio.run(ran(where, call, ordered, told))
        except Killed:
            # what a machine that fell leaves of its last line
            with open(where.out, "ab") as out:
                out.write(b'{"line":999,"resu')

    written, failed = numbers(where.out), numbers(where.failed)
    assert sorted([*written, *failed]) == list(range(1, count + 1))
    assert all(number % 7 == 0 for number in failed)
    if ordered:
        assert written == sorted(written)


async def test_no_more_are_under_way_than_may_be_and_none_is_taken_too_early() -> None:
    under_way = most = taken = 0

    def things() -> Any:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    first = asyncio.Event()

    async def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await (first.wait() if number == 0 else asyncio.sleep(0))
        under_way -= 1
        return number

    async with pumped(things(), work, 3, ordered=True) as made:
        reading = asyncio.ensure_future(anext(made))
        for _ in range(200):
            await asyncio.sleep(0)
        assert taken == 3 * 8  # those behind the first wait, and are bounded
        first.set()
        assert [await reading, *[number async for number in made]] == list(range(100))
    assert most == 3


async def test_who_leaves_cancels_what_is_under_way() -> None:
    cancelled = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(0 if number == 0 else 1000)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async with pumped(iter(range(5)), work, 3, ordered=True) as made:
        assert await anext(made) == 0
    assert set(cancelled) <= {1, 2, 3}
    assert cancelled


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"nonsense", "it is no object of JSON"),
        (b"[1]", "it is no object of JSON"),
        (b'{"method": "m"}', "it names nobody"),
        (b'{"provider": "p", "model": "q", "method": "m"}', "it names provider and model"),
        (b'{"provider": "p"}', "it has no `method`"),
        (b'{"provider": "p", "method": "m", "args": []}', "`args` must be an object"),
        (b'{"provider": "p", "method": "m", "arg": {}}', "unknown key 'arg'"),
    ],
)
async def test_what_is_no_call_is_told_with_its_place(raw: bytes, why: str) -> None:
    line = read(7, raw, "calls.jsonl")
    assert line.misfit.startswith(f"calls.jsonl:7: {why}")


async def test_what_failed_may_be_given_again_with_its_number() -> None:
    failed = read(7, b'{"provider": "p", "method": "m", "id": "x"}', "f").failed({"code": "stalled"})
    again = read(1, failed, "failed.jsonl")
    assert (again.number, again.id, again.call, again.misfit) == (
        7,
        "x",
        {"provider": "p", "method": "m"},
        "",
    )


@pytest.mark.parametrize(
    ("error", "is_repeatable", "attempt", "pauses"),
    [
        ({"code": "overloaded", "retryable": True}, False, 1, True),
        ({"code": "overloaded", "retryable": True}, False, 5, False),
        ({"code": "provider_error", "retryable": False}, True, 1, False),
        ({"code": "instance_lost", "retryable": True}, False, 1, False),
        ({"code": "instance_lost", "retryable": True}, True, 1, True),
    ],
)
async def test_a_call_is_made_again_where_that_may_help_and_harms_nobody(
    error: dict[str, Any], is_repeatable: bool, attempt: int, pauses: bool
) -> None:
    assert (retries.pause(error, is_repeatable, attempt) is not None) is pauses


async def test_the_time_that_an_error_names_is_waited_for() -> None:
    error = {"code": "rate_limited", "retryable": True, "detail": {"retry_after": 7}}
    assert retries.pause(error, False, 1) == 7


async def test_a_daemon_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AGAIN", 0)
    calls(tmp_path, 3)
    asked = 0

    async def call(body: Any) -> engine.Answer:
        nonlocal asked
        asked += 1
        if asked < 10:
            raise Away("nobody answers")
        return {"result": 1}

    assert await ran(places(tmp_path), call)
    assert numbers(places(tmp_path).out) == [1, 2, 3]
    monkeypatch.setattr(engine, "PATIENCE", -1)
    (tmp_path / "calls.jsonl").write_text('{"provider": "p", "method": "m"}\n')
    asked = 0
    with pytest.raises(Away, match="nobody answers; it was waited for"):
        await ran(Places(places(tmp_path).source, str(tmp_path / "o2"), str(tmp_path / "f2")), call)


async def test_a_call_that_the_daemon_died_with_is_made_again_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text(
        '{"provider": "p", "method": "m"}\n{"provider": "p", "method": "m", "idempotent": true}\n'
    )
    lost = set()

    async def call(body: Any) -> engine.Answer:
        if str(body) not in lost:
            lost.add(str(body))
            raise Lost("it died")
        return {"result": 1}

    await ran(places(tmp_path), call)
    assert (numbers(places(tmp_path).out), numbers(places(tmp_path).failed)) == ([2], [1])


async def test_the_results_of_another_input_are_never_touched(tmp_path: Path) -> None:
    async def call(body: Any) -> engine.Answer:
        return {"result": 1}

    calls(tmp_path, 2)
    (tmp_path / "out.jsonl").write_text("precious\n")
    with pytest.raises(FileError, match="is there already: choose another output"):
        Output(places(tmp_path))
    (tmp_path / "out.jsonl").unlink()
    await ran(places(tmp_path), call)
    calls(tmp_path, 3)
    with pytest.raises(FileError, match="one that has changed since"):
        Output(places(tmp_path))
    assert numbers(places(tmp_path).out) == [1, 2]
