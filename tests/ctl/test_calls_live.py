"""Calls of a real provider by words: what it was given, what comes as it comes, and how a call is left."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ctl.conftest import MODULE
from tests.house import House, eventually, house
from tests.terminal import CTRL_C, terminal

SPEAKER = """
import asyncio
from pathlib import Path
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Speaker(SocketIOProviderClient):
    def __init__(self, **options):
        super().__init__(**options, models=["gpt-4"])

    async def told(self, prompt: str, heat: float = 0.5, seed: int | str | None = None, model="") -> str:
        return repr((prompt, heat, seed, model))

    async def slow(self, mark: str):
        try:
            yield {"token": "first "}
            while not Path(f"{mark}-go").exists():
                await asyncio.sleep(0.02)
            yield {"token": "second"}
        finally:
            Path(f"{mark}-left").touch()

    async def endless(self, mark: str):
        sent = 0
        try:
            while True:
                yield "word " * 2000
                sent += 1
                Path(f"{mark}-sent").write_text(str(sent))
        finally:
            Path(f"{mark}-left").touch()

    async def breaks(self):
        yield {"token": "half"}
        raise ValueError("the rest is lost")

    async def escapes(self) -> str:
        return "\\x1b[2Jred\\r\\n\\x9b1mblue"

    async def escaping(self):
        yield await self.escapes()
"""
PROVIDERS = {
    "calculator": {"type": "tool", "class": "providers.calculator_provider.CalculatorProvider"},
    "speaker": {"type": "llm", "class": "speaker.Speaker"},
    "sleeper": {"command": ["sleep", "1000"]},
}


@pytest.fixture(scope="module")
def h(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("calls"), PROVIDERS, {"speaker.py": SPEAKER}) as h:
        for name in PROVIDERS:
            h.until(name, "RUNNING")
        yield h


def words(*given: str) -> list[str]:
    return [sys.executable, *MODULE, "providers", *given]


@pytest.mark.parametrize("method", ["add", "log", "sqrt"])
def test_the_example_of_a_method_can_be_copied(h: House, method: str) -> None:
    example = h.ctl("providers", "methods", "calculator", method).stdout.splitlines()[-1]

    done = h.ctl(*shlex.split(example)[1:])

    assert (done.returncode, done.stderr) == (0, "")
    assert '"result": ' in done.stdout


def test_the_example_of_add_is_the_one_that_everybody_knows(h: House) -> None:
    shown = h.ctl("providers", "methods", "calculator", "add").stdout

    assert "  gleitzeitctl providers invoke calculator add a=5 b=3\n" in shown
    assert '"result": 8' in h.ctl("providers", "invoke", "calculator", "add", "a=5", "b=3").stdout


def test_each_argument_comes_with_its_type(h: House) -> None:
    given = ("prompt=5", "heat=1", "seed=7", "--model", "gpt-4")

    assert h.ctl("providers", "invoke", "speaker", "told", *given).stdout == "('5', 1.0, 7, 'gpt-4')\n"
    shown = h.ctl("providers", "invoke", "--model", "gpt-4", "told", "prompt=true", "seed=x").stdout
    assert shown == "('true', 0.5, 'x', 'gpt-4')\n"


def test_a_name_may_be_a_model_or_an_instance_and_a_slip_is_pointed_out(h: House) -> None:
    assert "told  " in h.ctl("providers", "methods", "gpt-4").stdout
    assert h.ctl("providers", "list", "gpt-4").stdout.splitlines()[1].startswith("speaker ")
    slip = h.ctl("providers", "methods", "calculater")
    assert (slip.returncode, 'did you mean "calculator"?' in slip.stderr) == (4, True)
    none = h.ctl("providers", "list", "x*")
    assert (none.returncode, none.stderr) == (
        4,
        'gleitzeitctl: there is no provider like "x*": see "gleitzeitctl providers list"\n',
    )


def test_health_is_of_those_that_are_named(h: House) -> None:
    done = h.ctl("providers", "health", "calc*", "sleeper")

    assert done.returncode == 0
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["NAME", "STATE", "HEALTH"],
        ["calculator", "RUNNING", "healthy"],
        ["sleeper", "RUNNING", "-"],
    ]


@pytest.mark.parametrize("seen", [True, False], ids=["terminal", "pipe"])
def test_tokens_are_there_as_they_come(h: House, tmp_path: Path, seen: bool) -> None:
    mark, command = tmp_path / "m", words("stream", "speaker", "slow", f"mark={tmp_path}/m")
    if seen:
        with terminal(command, h.environment, cwd=str(h.root)) as screen:
            assert "second" not in screen.until("first")
            Path(f"{mark}-go").touch()
            screen.until("first second")
            assert screen.ended() == 0
        return
    buffered = {**h.environment, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, env=buffered, cwd=h.root, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"first "
        Path(f"{mark}-go").touch()
        assert process.stdout.read() == b"second\n"


def test_ctrl_c_ends_the_call_at_the_provider(h: House, tmp_path: Path) -> None:
    command = words("stream", "speaker", "slow", f"mark={tmp_path}/m")
    with terminal(command, h.environment, cwd=str(h.root)) as screen:
        screen.until("first")
        screen.press(CTRL_C)

        assert screen.ended() == 130
        assert "Traceback" not in screen.text
    eventually((tmp_path / "m-left").exists, "the provider knows that its caller left")


def test_a_reader_that_stops_slows_the_provider(h: House, tmp_path: Path) -> None:
    """Seen to fail with a client that reads ahead of what it prints."""
    sent = tmp_path / "m-sent"
    command = words("stream", "speaker", "endless", f"mark={tmp_path}/m")
    with subprocess.Popen(command, env=h.environment, cwd=h.root, stdout=subprocess.PIPE) as process:
        assert process.stdout
        stands = _at_rest(sent)
        assert stands < 3000  # 30 MB: the buffers of the sockets and the window of the stream, and no more

        process.stdout.read(20_000_000)
        assert _at_rest(sent) > stands  # it goes on as soon as somebody reads

        process.stdout.close()
        assert process.wait(20) == 141
    eventually((tmp_path / "m-left").exists, "the provider knows that its reader left")


def _at_rest(path: Path) -> int:
    """The number in the file once it has stood for half a second."""
    seen: list[tuple[str, float]] = []

    def rests() -> bool:
        said = path.read_text() if path.exists() else ""
        if not said or not seen or seen[-1][0] != said:
            seen.append((said, time.monotonic()))
        return bool(said) and time.monotonic() - seen[-1][1] > 0.5

    eventually(rests, "the provider waits for its reader")
    return int(path.read_text())


def test_what_came_before_an_error_stays(h: House) -> None:
    done = h.ctl("providers", "stream", "speaker", "breaks")

    assert (done.returncode, done.stdout) == (6, "half\n")
    assert done.stderr == (
        'gleitzeitctl: "speaker" said: ValueError: the rest is lost (see "gleitzeitctl logs")\n'
    )


@pytest.mark.parametrize("call", [("invoke", "speaker", "escapes"), ("stream", "speaker", "escaping")])
def test_nothing_in_a_result_moves_the_cursor_of_a_terminal(h: House, call: tuple[str, ...]) -> None:
    with terminal(words(*call), h.environment, cwd=str(h.root)) as screen:
        assert screen.ended() == 0

        assert screen.lines[:2] == ["?[2Jred", "?1mblue"]
