"""`batch`, `Client.batch` and the workflow of docs/workflows.md, at a real daemon, and with real ends."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gleitzeit_extensions.client import Client, SyncClient
from tests.house import House, eventually, house
from tests.terminal import CTRL_C, terminal
from tests.warm import ROOT

PROVIDER = '''
from gleitzeit_extensions import SocketIOProviderClient
class Counter(SocketIOProviderClient):
    """Counts how often it did what it was asked for, in a file."""
    async def add(self, a: int, b: int, slow: float = 0.0) -> dict:
        import asyncio
        await asyncio.sleep(slow)
        if b < 0:
            raise ValueError("it is negative")
        with open("done", "a") as file:
            print(a, b, file=file)
        return {"result": a + b}
'''
PROVIDERS = {"calculator": {"type": "tool", "class": "counter.Counter", "instances": 2}}


@pytest.fixture(scope="module")
def h(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("batch"), PROVIDERS, {"counter.py": PROVIDER}) as h:
        assert h.ctl("start", "all").returncode == 0
        yield h


def calls(path: Path, count: int, **args: float) -> str:
    lines = (
        {"id": n, "provider": "calculator", "method": "add", "args": {"a": n, "b": 1, **args}}
        for n in range(count)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def begun(h: House, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gleitzeitctl", "batch", *words],
        env={**h.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_results_stand_in_the_order_of_the_calls_and_failures_apart(h: House, tmp_path: Path) -> None:
    file, out = tmp_path / "calls.jsonl", tmp_path / "out.jsonl"
    calls(file, 200)
    with file.open("a") as more:
        more.write(
            '{"provider": "calculator", "method": "add", "args": {"a": 1, "b": -1}, "id": "bad"}\nnonsense\n'
        )
    done = h.ctl("batch", str(file), "-o", str(out))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("202 lines are done (202 now, in ")
    assert read(out) == [{"line": n + 1, "id": n, "result": {"result": n + 1}} for n in range(200)]
    failed = read(tmp_path / "out.failed.jsonl")
    assert [(one["line"], one.get("id")) for one in failed] == [(201, "bad"), (202, None)]
    assert failed[0]["error"]["message"] == "ValueError: it is negative"  # type: ignore[index]
    assert f"{file}:202: it is no object of JSON" in failed[1]["error"]["message"]  # type: ignore[index]


def written(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def _has_more(out: Path, least: int) -> bool:
    return written(out) > least


def test_one_that_is_killed_goes_on_with_each_result_once(h: House, tmp_path: Path) -> None:
    file, out = calls(tmp_path / "calls.jsonl", 3000), tmp_path / "out.jsonl"
    for least in (100, 700, 1500):
        batch = begun(h, file, "-o", str(out), "--unordered")
        eventually(partial(_has_more, out, least))
        batch.kill()
        batch.wait(20)
    assert h.ctl("batch", file, "-o", str(out)).returncode == 0
    assert sorted(int(str(one["line"])) for one in read(out)) == list(range(1, 3001))


def test_a_daemon_that_dies_is_waited_for(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, {"counter.py": PROVIDER}) as h:
        assert h.ctl("start", "all").returncode == 0
        file, out = tmp_path / "calls.jsonl", tmp_path / "out.jsonl"
        lines = (
            {
                "provider": "calculator",
                "method": "add",
                "args": {"a": n, "b": 1, "slow": 0.01},
                "idempotent": True,
            }
            for n in range(500)
        )
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        batch = begun(h, str(file), "-o", str(out), "-j", "4")
        eventually(lambda: out.exists() and out.read_bytes().count(b"\n") > 20)
        h.daemon.kill()
        h.daemon.wait(20)
        h.start()
        assert batch.wait(60) == 0
        assert [one["line"] for one in read(out)] == list(range(1, 501))


def test_a_disk_that_is_full_is_told_and_loses_nothing(h: House, tmp_path: Path) -> None:
    file, out = calls(tmp_path / "calls.jsonl", 300), tmp_path / "out.jsonl"
    limits = (5000, resource.RLIM_INFINITY)
    lines = (
        "import resource, runpy, sys, signal",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        f"resource.setrlimit(resource.RLIMIT_FSIZE, {limits})",
        f"sys.argv = ['gleitzeitctl', 'batch', {file!r}, '-o', {str(out)!r}]",
        "runpy.run_module('gleitzeitctl', run_name='__main__')",
    )
    limit = "; ".join(lines)
    env = {**h.environment, "PYTHONPATH": str(ROOT)}
    full = subprocess.run([sys.executable, "-c", limit], env=env, capture_output=True, text=True)
    assert full.returncode == 1
    assert (
        f"{out} cannot be written: File too large: make room, and give the same command again" in full.stderr
    )
    assert out.read_bytes().endswith(b"\n")
    assert h.ctl("batch", file, "-o", str(out)).returncode == 0
    assert [one["line"] for one in read(out)] == list(range(1, 301))


def test_at_a_terminal_it_shows_how_far_it_is_and_ctrl_c_loses_nothing(h: House, tmp_path: Path) -> None:
    file, out = calls(tmp_path / "calls.jsonl", 1000, slow=0.02), tmp_path / "out.jsonl"
    words = [sys.executable, "-m", "gleitzeitctl", "batch", file, "-o", str(out), "-j", "2"]
    with terminal(words, {**h.environment, "PYTHONPATH": str(ROOT)}) as t:
        t.until(lambda text: re.search(r"[1-9]\d*/1000", text) is not None)
        t.press(CTRL_C)
        assert t.ended() == 130
        assert "the same command goes on where this was" in t.text
        assert "Traceback" not in t.text
    done = len(read(out))
    assert 0 < done < 1000
    assert [one["line"] for one in read(out)] == list(range(1, done + 1))


def test_stdin_is_a_file_of_calls(h: House, tmp_path: Path) -> None:
    batch = subprocess.run(
        [sys.executable, "-m", "gleitzeitctl", "batch", "-", "-o", str(tmp_path / "out.jsonl"), "--json"],
        input=Path(calls(tmp_path / "c", 3)).read_bytes(),
        env={**h.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert json.loads(batch.stdout) == {"done": 3, "failed": 0, "now": 3, "complete": True}


@pytest.mark.asyncio
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_program_makes_many_calls(h: House, ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(h.socket))
    many = [{"provider": "calculator", "method": "add", "args": {"a": n, "b": 1}} for n in range(50)]
    async with Client() as client:
        found = [outcome async for outcome in client.batch([*many, {"method": "x"}], ordered=ordered)]
    assert sorted(outcome.index for outcome in found) == list(range(51))
    for outcome in found:
        assert outcome.result == {"result": outcome.index + 1} if outcome.index < 50 else outcome.error


@pytest.mark.parametrize("ordered", [True, False])
def test_a_program_without_a_loop_makes_many_calls(
    h: House, ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(h.socket))
    many = ({"provider": "calculator", "method": "add", "args": {"a": n, "b": 1}} for n in range(50))
    with SyncClient() as client:
        found = {
            outcome.index: outcome.result for outcome in client.batch(many, concurrency=4, ordered=ordered)
        }
        left = client.batch(
            {"provider": "calculator", "method": "add", "args": {"a": n, "b": 1}} for n in range(10**9)
        )
        assert next(left).result == {"result": 1}
        left.close()  # type: ignore[attr-defined]
    assert found == {n: {"result": n + 1} for n in range(50)}


def test_the_workflow_of_the_page_makes_no_call_twice(tmp_path: Path) -> None:
    """Killed in the middle, and started again."""
    page = (ROOT / "docs" / "workflows.md").read_text()
    (script,) = re.findall(r"```python\n# report\.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "report.py").write_text(script.replace("b=number)", "b=number, slow=0.02)"))
    with house(
        tmp_path, {"calculator": {**PROVIDERS["calculator"], "instances": 1}}, {"counter.py": PROVIDER}
    ) as h:
        assert h.ctl("start", "all").returncode == 0
        env = {**h.environment, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "report.py", "monday", "60"]
        with open(tmp_path / "said", "wb") as said:
            first = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=said, stderr=said)
        done = tmp_path / "done"
        eventually(lambda: done.exists() and len(done.read_text().splitlines()) > 10)
        first.kill()
        first.wait(20)
        assert len(done.read_text().splitlines()) < 60
        again = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=50)
        assert again.stdout.splitlines()[-1] == str(sum(range(60)))
        assert len(done.read_text().splitlines()) == 60
