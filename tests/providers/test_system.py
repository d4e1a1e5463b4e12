"""Commands of real processes: what they are given, what they may use, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest
from gleitzeit_extensions.testing import serving
from providers.system_commands import ENDED_WITHIN
from providers.system_provider import SystemProvider
from tests.house import eventually
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

PYTHON = [sys.executable, "-ISc"]


def provider(**config: Any) -> SystemProvider:
    return SystemProvider(name="system", **config)


def python(script: str, *words: str) -> dict[str, list[str]]:
    """A command called `it`."""
    return {"it": [*PYTHON, script, *words]}


async def executed(commands: dict[str, list[str]], **config: Any) -> dict[str, Any]:
    arguments = config.pop("arguments", {})
    stdin = config.pop("stdin", "")
    answer = await provider(commands=commands, **config).invoke(
        "execute", command="it", arguments=arguments, stdin=stdin
    )
    assert isinstance(answer, dict)
    return answer


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_command_is_given_its_arguments_and_input_and_tells_how_it_ended() -> None:
    script = "import sys; print(sys.argv[1:], sys.stdin.read()); print('oh', file=sys.stderr); sys.exit(3)"
    answer = await executed(
        python(script, "--n={n}", "{what}"), arguments={"n": 5, "what": "a b"}, stdin="read me"
    )

    assert answer.pop("seconds") > 0
    assert answer == {
        "exit_code": 3,
        "stdout": "['--n=5', 'a b'] read me\n",
        "stderr": "oh\n",
        "truncated": False,
    }


async def test_one_that_a_signal_ended_says_which() -> None:
    answer = await executed(python("import os; os.kill(os.getpid(), 9)"))
    assert answer["signal"] == signal.SIGKILL
    assert "exit_code" not in answer


SHELL = [
    "; touch x",
    "$(touch x)",
    "`touch x`",
    "| cat",
    "&& true",
    "> x",
    "*",
    "~",
    "'\"",
    "a\nb",
    "$HOME",
    "\\",
]


@pytest.mark.parametrize("text", SHELL)
async def test_no_shell_reads_an_argument(text: str, tmp_path: Path) -> None:
    script = "import sys; print(ascii(sys.argv[1]))"
    answer = await executed(python(script, "{text}"), arguments={"text": text}, cwd=str(tmp_path))
    assert answer["stdout"] == f"{text!a}\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "arguments", "sentence"),
    [
        (["{a}"], {"a": "--help"}, "would make it an option"),
        (["{a}{b}"], {"a": "", "b": "-x"}, "would make it an option"),
        (["{a}"], {"a": "x\0y"}, "zero byte"),
        (["{a}"], {"a": "x" * 200_000}, "more than 100,000 bytes"),
        (["{a}"], {"a": "\ud800"}, "half a character"),
        (["{a}"], {}, '"it" takes a, not none'),
        (["{a}"], {"a": 1, "b": 2}, '"it" takes a, not a, b'),
        ([], {"a": 1}, '"it" takes no arguments, not a'),
        (["--", "rm", "{a}"], {"a": "-rf"}, "would make it an option"),
        (["-{b}", "{a}"], {"a": "-rf", "b": "-"}, "would make it an option"),
    ],
)
async def test_what_would_change_the_command_is_refused(
    words: list[str], arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        await executed({"it": ["echo", *words]}, arguments=arguments)


async def test_behind_two_dashes_nothing_is_an_option() -> None:
    answer = await executed({"it": ["printf", "--", "{text}"]}, arguments={"text": "-n"})
    assert answer["stdout"] == "-n"
    answer = await executed(
        {"it": ["nice", "--", "printf", "--", "{how}", "{text}"]}, arguments={"how": "-%s", "text": "-n"}
    )
    assert answer["stdout"] == "--n"


async def test_only_what_the_config_allows_is_run() -> None:
    with pytest.raises(InvalidRequest, match='does not run "sh": it may run it'):
        await provider(commands={"it": ["true"]}).invoke("execute", command="sh")
    with pytest.raises(InvalidRequest, match="it may run nothing, as its config has no `commands`"):
        await provider().invoke("execute", command="sh")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "config.commands.it is empty"),
        (["no-such-program"], "config.commands.it: there is no program no-such-program"),
        (["{program}"], "config.commands.it: the program is fixed"),
    ],
)
def test_a_command_that_cannot_run_is_told_at_the_start(words: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        provider(commands={"it": words})


def test_a_directory_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"config\.cwd: there is no directory /nowhere"):
        provider(cwd="/nowhere")


@pytest.mark.parametrize(
    "config", [{"timeout": 0}, {"timeout": -1.0}, {"max_output": -1}, {"max_output": 0}, {"max_memory": -1}]
)
def test_a_limit_that_is_none_is_told_at_the_start(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"config\.{next(iter(config))} is "):
        provider(**config)


async def test_a_program_is_looked_for_where_the_commands_path_leads(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\necho I am\n")
    (tmp_path / "mine").chmod(0o755)

    answer = await executed({"it": ["mine"]}, env={"PATH": str(tmp_path)})

    assert answer["stdout"] == "I am\n"
    with pytest.raises(ValueError, match="there is no program true"):
        provider(commands={"it": ["true"]}, env={"PATH": str(tmp_path)})


async def test_no_variable_of_the_providers_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hidden")
    script = "import os; print(sorted(os.environ))"
    answer = await executed(python(script), env={"MINE": "1"})
    assert "'MINE'" in answer["stdout"]
    assert "'PATH'" in answer["stdout"]
    assert "OPENAI_API_KEY" not in answer["stdout"]


async def test_a_flood_of_output_is_cut() -> None:
    script = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('y' * 2_000_000)"
    answer = await executed(python(script), max_output=1000)
    assert (answer["stdout"], answer["stderr"]) == ("x" * 1000, "y" * 1000)
    assert answer["truncated"] is True
    assert answer["exit_code"] == 0


async def test_memory_beyond_its_limit_is_not_given() -> None:
    answer = await executed(python("b'x' * 500_000_000"), max_memory=200_000_000)
    assert "MemoryError" in answer["stderr"]
    assert answer["exit_code"] == 1


STRAYS = """
import os, subprocess, sys, time
def child(script):
    return subprocess.Popen([sys.executable, "-ISc", script], stdout=subprocess.PIPE)
SLEEP = "import time; print(flush=True); time.sleep(1000)"
in_session = child(SLEEP)
away = child("import os; os.setsid(); " + SLEEP)
# its own parent ends, so that nobody's it is
orphan = child("import os; os.environ.clear(); pid = os.fork(); "
               "pid and (print(pid, flush=True), os._exit(0)); os.setsid(); import time; time.sleep(1000)")
for one in (in_session, away):
    one.stdout.readline()
print(in_session.pid, away.pid, int(orphan.stdout.readline()), flush=True)
"""


async def test_what_it_started_ends_with_it() -> None:
    answer = await executed(python(STRAYS), timeout=20.0)
    pids = [int(pid) for pid in answer["stdout"].split()]
    assert len(pids) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


async def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    script = f"{STRAYS}\nopen({str(told)!r}, 'w').write(f'{{in_session.pid}} {{away.pid}}')\ntime.sleep(1000)"
    told.touch()
    for seconds in (0.5, 2, 8, 32):  # until it comes as far on this machine
        with pytest.raises(CallError, match=f'"it" took longer than {seconds} s, and was ended') as late:
            await executed(python(script), timeout=seconds)
        assert late.value.code == "deadline_exceeded"
        if pids := told.read_text().split():
            break
    assert len(pids) == 2
    assert [pid for pid in map(int, pids) if not is_gone(pid)] == []


async def test_one_that_multiplies_is_ended_to_the_last() -> None:
    marker = f"GLEITZEIT_TEST_{os.getpid()}"
    bomb = f"import os, time; {marker!r}\nfor _ in range(6): os.fork()\nwhile True: time.sleep(1), os.fork()"
    with pytest.raises(CallError, match="took longer"):
        await executed(python(bomb), timeout=0.5)
    left = [one for one in psutil.process_iter(["cmdline"]) if marker in " ".join(one.info["cmdline"] or ())]
    assert [one for one in left if not is_gone(one.pid)] == []


async def test_output_comes_as_it_is_printed_and_a_caller_that_leaves_ends_the_command() -> None:
    script = "import os, time; print(os.getpid(), 'ä', flush=True); time.sleep(1000)"
    it = provider(commands=python(script))
    async with serving(it) as client:
        async with client.stream("system", "stream", command="it") as items:
            first = await anext(aiter(items))
        pid, letter = first["text"].split()
        assert (first["stream"], letter) == ("stdout", "ä")
        await asyncio.to_thread(eventually, lambda: is_gone(int(pid)))


async def test_a_stream_ends_with_how_the_command_did() -> None:
    it = provider(commands=python("print('x' * 100)"), max_output=10)
    async with aclosing(it.stream("it")) as items:  # type: ignore[type-var]
        got = [item async for item in items]
    assert "".join(item["text"] for item in got) == "x" * 10
    assert got[-1] == {"stream": "stdout", "text": "", "done": True, "exit_code": 0, "truncated": True}


async def test_output_that_just_fits_is_not_called_cut() -> None:
    it = provider(commands=python("print('x' * 9)"), max_output=10)
    async with aclosing(it.stream("it")) as items:  # type: ignore[type-var]
        got = [item async for item in items]
    assert got[-1]["truncated"] is False
    assert (await it.invoke("execute", command="it"))["truncated"] is False


FLOOD = "import os; print(os.getpid(), flush=True)\nwhile True: print('x' * 100_000)"


async def test_a_slow_reader_of_a_stream_is_told_that_the_time_is_over() -> None:
    it = provider(commands=python(FLOOD), timeout=1.0, max_output=2**40)
    async with aclosing(it.stream("it")) as items:  # type: ignore[type-var]
        pid = int((await anext(items))["text"].split()[0])
        await asyncio.to_thread(eventually, lambda: is_gone(pid))
        with pytest.raises(CallError, match="took longer than 1 s"):
            async for _ in items:
                pass


async def test_who_leaves_in_a_flood_is_rid_of_it_at_once() -> None:
    it = provider(commands=python(FLOOD), max_output=2**40)
    async with asyncio.timeout(ENDED_WITHIN / 2):
        async with aclosing(it.stream("it")) as items:  # type: ignore[type-var]
            pid = int((await anext(items))["text"].split()[0])
    assert is_gone(pid)


WATCHED = """
import os, subprocess, time
away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(os.getpid(), away.pid, flush=True)
os.kill(os.getppid(), 9)
time.sleep(1000)
"""


async def test_a_command_whose_watcher_was_killed_ends_too_and_its_call_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it started is left to the daemon, which finds it by its mark."""
    monkeypatch.setenv("GLEITZEIT_INSTANCE", "its:mark")
    it = provider(commands=python(WATCHED))
    async with asyncio.timeout(ENDED_WITHIN / 2), aclosing(it.stream("it")) as items:  # type: ignore[type-var]
        pid, away = map(int, (await anext(items))["text"].split())
        left = psutil.Process(away)
        try:
            with pytest.raises(CallError, match="killed together with what watches over it"):
                await anext(items)
            assert left.environ()["GLEITZEIT_INSTANCE"] == "its:mark"
            await asyncio.to_thread(eventually, lambda: is_gone(pid))
        finally:
            left.kill()


PROVIDER = """
import asyncio, sys
from providers.system_provider import SystemProvider
script = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
async def main():
    it = SystemProvider(name="system", commands={"it": [sys.executable, "-ISc", script]})
    async for item in it.stream("it"):
        print(item["text"], flush=True)
asyncio.run(main())
"""


async def test_nothing_outlives_a_provider_that_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROVIDER, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    pid = int(await process.stdout.readline())
    assert not is_gone(pid)
    process.kill()
    await process.wait()
    await asyncio.to_thread(eventually, lambda: is_gone(pid))


async def test_a_disk_that_does_not_answer_holds_up_no_other_call_and_no_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, hanging = threading.Event(), list[threading.Thread]()

    def hang(path: str) -> None:
        hanging.append(threading.current_thread())
        over.wait(30)
        raise OSError

    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [SimpleNamespace(mountpoint="/mnt")])
    monkeypatch.setattr(psutil, "disk_usage", hang)
    it = provider()
    asked = [asyncio.ensure_future(it.invoke("disks")) for _ in range(40)]
    await asyncio.to_thread(eventually, lambda: len(hanging) == 40)

    assert all(thread.daemon for thread in hanging)
    over.set()
    assert await asyncio.gather(*asked) == [[]] * 40


async def test_the_machine_is_told() -> None:
    it = provider()
    found = await it.invoke("processes", sort="pid", name="python", limit=1000)
    mine = [one for one in found["processes"] if one["pid"] == os.getpid()]
    assert mine, (os.getpid(), psutil.Process().name(), found)
    assert mine[0]["memory"] > 1_000_000
    assert "cmdline" not in mine[0]
    page = await it.invoke("processes", sort="pid", name="python", limit=1, offset=1)
    assert page["processes"][0]["pid"] == found["processes"][1]["pid"]

    memory = await it.invoke("memory")
    assert memory["total"] > memory["available"] > 0
    cpu = await it.invoke("cpu")
    assert cpu["count"] == len(cpu["used"]) == psutil.cpu_count()
    assert "lo" in [one["name"] for one in await it.invoke("network")]
    assert all(disk["total"] >= disk["free"] for disk in await it.invoke("disks"))
    assert await it.invoke("commands") == []


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(SystemProvider, words=["it", "memory", "text"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    await answered(provider(commands={"it": ["cat", "--", "{text}"]}, timeout=10.0), call)
