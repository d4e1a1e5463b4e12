"""Every example of every command's help is carried out as it stands, on a real daemon, and again in JSON."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.app import TREE
from gleitzeitctl.session import Session
from gleitzeitctl.tree import root
from tests.ctl.prepared import FILES, PROVIDERS, prepared
from tests.house import House, eventually
from tests.warm import ROOT, run

Names = tuple[str, ...]
Completed = subprocess.CompletedProcess[str]
ENDLESS: dict[Names, str] = {("logs",): "-f", ("events",): "-f", ("monitor",): "", ("serve",): ""}
"""What goes on until Ctrl-C, and the option that makes it so."""

ELSEWHERE = ("setup",)
"""What is about the machine that the tests run on: the tests of services carry it out."""

NEVER = {"aiohttp", "engineio", "psutil", "pydantic", "ruamel", "socketio", "structlog"}
"""What no command of a client imports: each takes longer than most commands last."""

SELDOM = {"asyncio", "rich"}
"""What only the commands that cannot do without import."""

IMPORTS: dict[Names, tuple[set[str], str]] = {
    ("serve",): (NEVER | SELDOM, "it is the daemon"),
    ("config",): (NEVER | SELDOM, "it understands the file as the daemon does"),
    ("monitor",): ({"rich"}, "it draws the whole screen"),
    ("batch",): (SELDOM, "it makes many calls at once, and draws how far it is"),
}
"""What a command, or those of a group, may import of these, and why."""

RUN_AND_TELL = """
import sys
from gleitzeitctl.app import main
status = main()
with open("modules", "w") as file:
    print(*sys.modules, file=file)
sys.exit(status)
"""

FOR_PEOPLE_ONLY: dict[Names, str] = {("serve",): "what it shows is its providers' own output"}

LONGEST_LINE = 80


def paths(tree: dict[str, Any]) -> Iterator[Names]:
    for name, entry in tree.items():
        if isinstance(entry, dict):
            yield from ((name, *rest) for rest in paths(entry))
        elif name:
            yield (name,)


def examples(path: Names) -> list[str]:
    """The lines of the example, with those that go on in the next joined."""
    group: Any = root(TREE, has_completion=False)
    with group.make_context("gleitzeitctl", list(path), obj=Session()) as context:
        for name in path:
            group = group.get_command(context, name)
    text = group.help.partition("Example:")[2].partition("\n\n")[0].replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


EVERY = [(path, line) for path in paths(TREE) if path[0] not in ELSEWHERE for line in examples(path)]
CASES = [pytest.param(path, line, id=line.replace("/", "-")) for path, line in EVERY]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house, after a few changes of its config."""
    with prepared(tmp_path_factory.mktemp("examples")) as h:
        for number in range(5):
            changed = {**PROVIDERS, "echo": {**PROVIDERS["echo"], "description": f"the {number}th"}}
            h.config.write_text(config(changed))
            h.client.post("/v1/reload", {"wait": True}, 60)
        yield h


def config(providers: dict[str, Any]) -> str:
    return json.dumps(
        {"global": {"default_server_url": "http://localhost:0"}, "providers": providers}, indent=2
    )


@pytest.fixture
def place(full: House, tmp_path: Path) -> Iterator[Path]:
    """A directory with the files that examples name, and its own /etc; afterwards everything runs again."""
    for name in ("providers.yaml", "my-providers.yaml", "config/providers.yaml"):
        directory = (tmp_path / name).parent
        directory.mkdir(exist_ok=True)
        (tmp_path / name).write_text(config(PROVIDERS))
        for file, text in FILES.items():
            (directory / file).write_text(text)
    other = tmp_path / "etc/supervisor/supervisord.conf"
    other.parent.mkdir(parents=True)
    other.write_text("[program:sleeper]\ncommand=sleep 1000\n")
    yield tmp_path
    if full.daemon.poll() is not None or not full.socket.exists():
        full.daemon.wait(20)
        full.start()
    if any(one["state"] != "RUNNING" for one in full.client.get("/v1/status")["instances"]):
        full.client.post("/v1/start", {"names": ["all"], "wait": True, "timeout": 20}, 30)


def environment(full: House, place: Path, path: Names) -> dict[str, str]:
    home = {"HOME": str(place), "XDG_CONFIG_HOME": f"{place}/c", "XDG_STATE_HOME": f"{place}/s"}
    found = {"PYTHONPATH": str(ROOT), "GLEITZEIT_CONFIG": str(place / "providers.yaml")}
    known = {**full.environment, **home, **found, "PATH": f"{place}/bin:{os.environ['PATH']}"}
    if path == ("serve",):  # a daemon of its own, beside ours
        known |= {f"{kind}_DIRECTORY": f"{place}/{kind}" for kind in ("RUNTIME", "STATE", "LOGS")}
        known["GLEITZEIT_SOCKET"] = ""
    return known


def _a_token(h: House, place: Path, line: str) -> None:
    h.ctl("token", "create", "ci", "--scope", "invoke:*")


def _no_token(h: House, place: Path, line: str) -> None:
    for name in ("ci", "gpu-box"):
        h.ctl("token", "revoke", name)


def _no_file(h: House, place: Path, line: str) -> None:
    (place / "my-providers.yaml").unlink()


def _some_calls(h: House, place: Path, line: str) -> None:
    """A line in whatever file of calls is named, unless it is the one that is written."""
    call = {"provider": "calculator", "method": "add", "args": {"a": 5, "b": 3}}
    words = shlex.split(line)
    read = [word for before, word in pairwise(words) if before not in ("-o", "--output")]
    for word in read:
        if word.endswith(".jsonl"):
            (place / word).write_text(json.dumps(call) + "\n")


def _a_transient(h: House, place: Path, line: str) -> None:
    """What `remove` is to take away."""
    (name,) = [word for word in shlex.split(line)[2:] if not word.startswith("-")][:1]
    h.ctl("run", "--name", name, "--", "sleep", "1000")


def _servers(h: House, place: Path, line: str) -> None:
    """What would download a server of tools, were it not ours."""
    _none_of_that_name(h, place, line)
    program = place / "bin" / "uvx"
    program.parent.mkdir(exist_ok=True)
    words = shlex.join([sys.executable, "-m", "tests.providers.mcp_server"])
    server = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {words}"
    program.write_text(f"#!/bin/sh\n{server}\n")
    program.chmod(0o755)


def _none_of_that_name(h: House, place: Path, line: str) -> None:
    words = shlex.split(line)
    for before, word in pairwise(words):
        if before in ("--name", "add"):
            h.ctl("remove", word)


PREPARE: dict[Names, Callable[[House, Path, str], None]] = {
    ("add",): _servers,
    ("batch",): _some_calls,
    ("config", "create"): _no_file,
    ("remove",): _a_transient,
    ("run",): _none_of_that_name,
    ("token", "create"): _no_token,
    ("token", "revoke"): _a_token,
}


@pytest.mark.parametrize("path", [*paths(TREE)], ids=" ".join)
def test_every_command_has_an_example_of_itself(path: Names) -> None:
    lines = examples(path)

    assert any(" ".join(path) in line for line in lines)
    assert [line for line in lines if len(line) + len("    ") > LONGEST_LINE] == []


@pytest.mark.parametrize(("path", "line"), CASES)
def test_every_example_does_what_it_says_and_imports_little(
    full: House, place: Path, path: Names, line: str
) -> None:
    """In a process of its own, from the first import on."""
    done = carried_out(full, place, path, line)

    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    assert "Traceback" not in done.stdout + done.stderr
    packages = {name.partition(".")[0] for name in (place / "modules").read_text().split()}
    allowed, _ = IMPORTS.get(path, IMPORTS.get(path[:1], (set[str](), "")))
    assert packages & (NEVER | SELDOM) - allowed == set()


@pytest.mark.parametrize(("path", "line"), [case for case in CASES if case.values[0] not in FOR_PEOPLE_ONLY])
def test_every_example_answers_in_json(full: House, place: Path, path: Names, line: str) -> None:
    done = carried_out(full, place, path, line, "--json")

    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    assert is_json(done.stdout), done.stdout


def carried_out(h: House, place: Path, path: Names, line: str, *options: str) -> Completed:
    program, *words = shlex.split(line)
    assert program in ("gleitzeitctl", "gleitzeit")
    if prepare := PREPARE.get(path):
        prepare(h, place, line)
    option = ENDLESS.get(path)
    is_endless = option is not None and (not option or option in words) and "--once" not in words
    words = [*options, *(f"{place}{word}" if word.startswith("/etc/") else word for word in words)]
    known = environment(h, place, path)
    if options and not is_endless:
        return run("gleitzeitctl", words, place, known)
    command = [sys.executable, "-c", RUN_AND_TELL, *words]
    out, err = place / "out", place / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        started = subprocess.Popen(
            command,
            cwd=place,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        if is_endless:
            return interrupted(started, out, err)
        return Completed(line, started.wait(60), out.read_text(), err.read_text())
    finally:
        started.kill()


def interrupted(started: subprocess.Popen[bytes], out: Path, err: Path) -> Completed:
    """Ended by Ctrl-C, once it has printed something: that is no failure of its own."""
    eventually(lambda: out.stat().st_size or err.stat().st_size or started.poll() is not None)
    started.send_signal(signal.SIGINT)
    status = started.wait(20)
    return Completed(started.args, 0 if status == 130 else status, out.read_text(), err.read_text())


def is_json(text: str) -> bool:
    """One value, or one in each line."""
    for values in ([text], text.splitlines()):
        try:
            return all(json.loads(value) is not None for value in values) and bool(values)
        except ValueError:
            continue
    return False


def test_nothing_but_one_value_or_lines_of_values_is_json() -> None:
    assert is_json('{\n  "a": 1\n}')
    assert is_json('{"a": 1}\n{"a": 2}\n')
    assert not is_json("")
    assert not is_json('{"a": 1}\nthere are none')
