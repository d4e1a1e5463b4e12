"""Whatever is wrong with what we are given: a clear sentence, the right exit status, and others live on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.house import House, eventually, house

CALCULATOR = {"class": "providers.calculator_provider.CalculatorProvider"}
DAEMON = ("gleitzeitd", "--config")
SERVE = ("gleitzeitctl", "serve", "--provider-config")


def run(h: House, module: str, *words: str) -> tuple[int, list[str]]:
    """The exit status of a command that is to fail, and the sentences that it tells."""
    answer = warm.run(module, words, h.root, h.environment)
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    return answer.returncode, answer.stderr.splitlines()


# A daemon that cannot start.


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    """A house that nobody has started; where a user would keep a config there is none."""
    with house(tmp_path, "", started=False) as h:
        h.environment |= {"HOME": str(tmp_path), "LOGS_DIRECTORY": str(tmp_path / "logs")}
        yield h
        assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.sock"))


FILES = {
    "not YAML": (
        "providers:\n  p: [\n",
        [
            "{file}:3:1: this is not valid YAML: expected the node content, but found '<stream end>' "
            "(while parsing a flow node)"
        ],
    ),
    "a name twice": (
        "providers:\n  p: {command: sleep 1}\n  p: {command: sleep 2}\n",
        ['{file}:3:3: "p" is defined twice, first above at line 2: remove or rename one'],
    ),
    "several mistakes": (
        "providers:\n  p: {comand: sleep 1, type: robot}\n  q: {command: sleep 1, cwd: 5}\n",
        [
            "{file}:2:3: providers.p: has none of `class`, `extension` and `command`: "
            "give exactly one of them",
            '{file}:2:7: providers.p.comand: unknown key (did you mean "command"?)',
            "{file}:2:30: providers.p.type: must be 'llm', 'tool' or 'extension', not \"robot\"",
            "{file}:3:30: providers.q.cwd: must be text, not 5",
        ],
    ),
}


@pytest.mark.parametrize(("text", "sentences"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_used(empty: House, text: str, sentences: list[str]) -> None:
    empty.config.write_text(text)

    status, said = run(empty, *DAEMON, str(empty.config))
    assert (status, said) == (2, [sentence.format(file=empty.config) for sentence in sentences])


@pytest.mark.parametrize("command", [DAEMON, SERVE], ids=["gleitzeitd", "serve"])
def test_a_file_that_is_not_there(empty: House, command: tuple[str, ...]) -> None:
    assert run(empty, *command, "/nonexistent/p.yaml") == (2, ["/nonexistent/p.yaml: there is no such file"])


@pytest.mark.skipif(os.path.exists("/etc/gleitzeit/providers.yaml"), reason="this machine has a config")
def test_no_file_anywhere(empty: House) -> None:
    empty.config.unlink()
    status, (sentence,) = run(empty, "gleitzeitctl", "serve")

    assert status == 2
    assert sentence.startswith("there is no config file (looked for config/providers.yaml, providers.yaml, ")
    way_out = '): name one with --provider-config FILE, or write one with "gleitzeit config create"'
    assert sentence.endswith(way_out)


def test_a_port_in_use(empty: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        empty.config.write_text(
            f"global: {{default_server_url: 'http://localhost:{port}'}}\nproviders: {{}}\n"
        )
        status, (sentence,) = run(empty, *DAEMON, str(empty.config))

    assert status == 1
    assert sentence.startswith(
        f"cannot listen at http://localhost:{port}: port {port} is in use by pid {os.getpid()} ("
    )
    assert sentence.endswith("): stop that, or set global.default_server_url")


def test_a_log_directory_that_is_none(empty: House) -> None:
    empty.config.write_text("providers: {}\n")
    (empty.root / "logs").touch()

    assert run(empty, *DAEMON, str(empty.config)) == (1, [f"{empty.root}/logs is not a directory"])


# No daemon at all.


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("providers", "invoke", "calculator", "add"),
    ],
    ids=" ".join,
)
def test_no_daemon_to_ask(empty: House, words: tuple[str, ...]) -> None:
    status, (sentence,) = run(empty, "gleitzeitctl", *words)

    assert status == 3
    assert sentence == (
        f"gleitzeitctl: no daemon at {empty.socket}: "
        'start it with "gleitzeit serve" or "systemctl start gleitzeitd"'
    )


# Providers that cannot run, beside one that can.

MODULES = {
    "thing.py": "class Thing:\n    pass\n",
    "breaks.py": "import json\n\nraise RuntimeError('no weights')\n",
    "syntax.py": "def f(:\n",
    "exits.py": "import sys\nsys.exit('I give up')\n",
    "needs.py": "import no_such_package\n",
    "refuses.py": """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Refuses(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        raise ValueError("temperature must be below 2")
class Other(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(name="somebody", **kwargs)
class Takes(SocketIOProviderClient):
    def __init__(self, name, model):
        super().__init__(name=name)
""",
}

MISTAKEN: dict[str, tuple[dict[str, object], str]] = {
    "no-module": ({"class": "nothing.Class"}, "there is no module nothing"),
    "no-class": ({"class": "thing.Thimg"}, "thing.py has no class Thimg (did you mean Thing?)"),
    "no-provider": ({"class": "thing.Thing"}, "thing.Thing is not a provider: let it inherit from "),
    "breaks": ({"class": "breaks.Class"}, "cannot import breaks: breaks.py:3: RuntimeError: no weights"),
    "syntax": ({"class": "syntax.Class"}, "cannot import syntax: syntax.py:1: SyntaxError: "),
    "exits": ({"class": "exits.Class"}, "cannot import exits: exits.py:2: SystemExit: I give up"),
    "needs": ({"class": "needs.Class"}, "needs.py:1: ModuleNotFoundError: No module named 'no_such_package'"),
    "refuses": (
        {"class": "refuses.Refuses"},
        "cannot make Refuses: temperature must be below 2 (refuses.py:6)",
    ),
    "other": ({"class": "refuses.Other"}, 'Other calls itself "somebody", but the config calls it "other"'),
    "lacks": ({"class": "refuses.Takes"}, "cannot make Takes: config.model is required (refuses.py:11)"),
    "slip": (
        {"class": "refuses.Takes", "config": {"modle": "x"}},
        "config.modle: Takes does not take it (did you mean model?)",
    ),
    "no-program": ({"command": "no-such-program --flag"}, 'there is no program "no-such-program"'),
    "no-command": ({"command": ["sh", "-c", "no-such-program"]}, "exited with 127: "),
}

LOUD = {
    "garbage": {
        "command": ["sh", "-c", "head -c 300000 /dev/urandom; echo; echo 'garbage ends'; exec sleep 1000"],
        "start_seconds": 0,
    },
    "long-line": {
        "command": [
            "sh",
            "-c",
            "head -c 10485760 /dev/zero | tr '\\0' x; echo; echo 'the long line ends'; exec sleep 1000",
        ],
        "start_seconds": 0,
    },
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A calculator among all that is wrong. Whatever a test does, the calculator answers afterwards."""
    providers = {"calculator": CALCULATOR, **{name: block for name, (block, _) in MISTAKEN.items()}, **LOUD}
    with house(tmp_path_factory.mktemp("full"), providers, MODULES) as h:
        yield h
        assert "Traceback" not in h.said()


@pytest.fixture(autouse=True)
def _the_calculator_answers(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "full" in request.fixturenames:
        h: House = request.getfixturevalue("full")
        assert h.invoke("calculator", "add", {"a": 5, "b": 3})["result"] == 8


@pytest.mark.parametrize(("name", "sentence"), [(name, why) for name, (_, why) in MISTAKEN.items()])
def test_a_provider_that_cannot_run_says_why_and_is_not_tried_again(
    full: House, name: str, sentence: str
) -> None:
    view = full.until(name, "FATAL")

    assert sentence in view["reason"]
    assert view["reason"].isprintable()
    assert (view["generation"], view["restarts"], view["pid"]) == (1, 0, None)


def test_the_status_of_a_provider_that_cannot_run(full: House) -> None:
    full.until("refuses", "FATAL")
    answer = full.ctl("status", "refuses")

    assert answer.returncode == 1
    assert "FATAL" in answer.stdout
    assert "temperature must be below 2 (refuses.py:6)" in answer.stdout


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (
            ("start", "refuses"),
            1,
            'could not start "refuses": it is FATAL: exited with 78: cannot make Refuses',
        ),
        (
            ("providers", "invoke", "refuses", "add"),
            5,
            '"refuses" is FATAL: exited with 78: cannot make Refu',
        ),
        (("providers", "health", "refuses"), 5, '"refuses" is FATAL and not connected to the hub: exited wi'),
        (("status", "nobody"), 4, 'no provider "nobody"'),
        (("stop", "nobody"), 4, 'no provider "nobody"'),
        (("logs", "nobody"), 4, 'no provider "nobody"'),
        (("providers", "invoke", "nobody", "add"), 4, 'no provider "nobody"'),
        (
            ("providers", "invoke", "calculater", "add"),
            4,
            'no provider "calculater" (did you mean "calculator"?)',
        ),
        (("providers", "invoke", "calculator", "ad"), 4, '"calculator" has no method "ad": it has add, '),
        (("providers", "invoke", "calculator", "_answer"), 4, "a name that begins with _ is private"),
        (
            ("providers", "invoke", "calculator", "add", "--args", "[1]"),
            2,
            "--args takes a JSON object, not [1]",
        ),
        (
            ("providers", "invoke", "calculator", "add", "--args", "{a: 1}"),
            2,
            "--args takes a JSON object, not {",
        ),
        (
            ("providers", "invoke", "calculator", "add", "--args", '{"a": 1}'),
            2,
            "b is missing; it takes a, b",
        ),
        (
            ("providers", "invoke", "calculator", "divide", "--args", '{"a": 1, "b": 0}'),
            6,
            "Division by zero is",
        ),
        (("providers", "stream", "calculator", "add"), 2, "add"),
        (("restrat", "calculator"), 2, "restrat"),
        (("logs", "-n", "ten"), 2, "'ten'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_that_cannot_be_done(
    full: House, words: tuple[str, ...], status: int, sentence: str
) -> None:
    got, (said,) = run(full, "gleitzeitctl", *words)

    assert said.startswith("gleitzeitctl: ")
    assert sentence in said
    assert got == status


def test_a_second_daemon_in_the_same_place(full: House) -> None:
    assert run(full, *DAEMON, str(full.config)) == (
        1,
        [
            f"a daemon (pid {full.daemon.pid}) runs at {full.socket} already: "
            "stop it, or choose another place with --socket"
        ],
    )


@pytest.mark.parametrize(("name", "end"), [("garbage", "garbage ends"), ("long-line", "the long line ends")])
def test_whatever_a_provider_prints_it_runs_and_its_lines_are_kept(full: House, name: str, end: str) -> None:
    eventually(lambda: full.ctl("logs", name).stdout.endswith(f"\n{end}\n"))

    assert full.view(name)["state"] == "RUNNING"
