"""Completion: what a TAB offers, in the shells themselves and as they ask for it."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.completion.live import Asked, offer_for
from gleitzeitctl.completion.live import offered as offered_live
from gleitzeitctl.completion.scripts import SHELLS
from tests.ctl.conftest import Ctl
from tests.ctl.prepared import prepared
from tests.house import House
from tests.terminal import Terminal, terminal
from tests.warm import ROOT, run

MAIN = "from gleitzeitctl.app import main"
PROGRAMS = ("gleitzeitctl", "gleitzeit")
BREAKS = " \t\n\"'><=;|&(:"
"""What bash breaks words at."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with prepared(tmp_path_factory.mktemp("completion")) as h:
        yield h


def asked(h: House, line: str, shell: str = "fish") -> list[str] | None:
    """What is offered at the end of the line; None when it is for the shell to complete a file."""
    words = [line, BREAKS] if shell == "bash" else [line]
    environment = h.environment | {"_GLEITZEITCTL_COMPLETE": shell}
    done = run("gleitzeitctl", words, h.root, environment)
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    return None if done.returncode else done.stdout.splitlines()


def offered(h: House, line: str) -> list[str] | None:
    """The same without what is said about each word."""
    lines = asked(h, line)
    return None if lines is None else [one.partition("\t")[0] for one in lines]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gleitzeitctl sta", ["status", "start"]),
        ("gleitzeitctl providers i", ["invoke"]),
        ("gleitzeitctl status calc", ["calculator"]),
        ("gleitzeitctl logs ", ["calculator", "echo", "ollama", "worker", "worker#1", "worker#2"]),
        ("gleitzeitctl why worker#", ["worker#1", "worker#2"]),
        ("gleitzeitctl stop a", ["all"]),
        ("gleitzeitctl restart worker#1 echo w", ["worker", "worker#2"]),
        ("gleitzeitctl logs --provider ec", ["echo"]),
        ("gleitzeitctl logs --provider=ec", ["--provider=echo"]),
        ("gleitzeitctl providers invoke calculator po", ["power"]),
        ("gleitzeitctl providers stream llama3.2:3b ", ["stream", "chat"]),
        ("gleitzeitctl providers invoke llama", ["llama3.2:3b"]),
        ("gleitzeitctl providers health e", ["echo"]),
        ("gleitzeitctl route gp", ["gpt-4"]),
        ("gleitzeitctl token create c", []),
        ("gleitzeitctl providers create-template --type l", ["llm"]),
        ("gleitzeitctl config set providers.ca", ["providers.calculator."]),
        (
            "gleitzeitctl config set providers.echo.health.i",
            ["providers.echo.health.interval"],
        ),
        ("gleitzeitctl config set global.hub.max_c", ["global.hub.max_connections"]),
        ("gleitzeitctl status --j", ["--json"]),
        ("gleitzeitctl 'status' ec", ["echo"]),
        ("gleitzeitctl status 'ec", ["echo"]),
        ("gleitzeitctl config validate --config-file et", None),
        ("gleitzeitctl --socket /r", None),
        ("gleitzeitctl nonsense x", []),
        ("gleitzeitctl status --nonsense x", []),
        ("gleitzeitctl", []),
    ],
)
def test_a_tab_offers_what_may_stand_there(full: House, line: str, expected: list[str] | None) -> None:
    assert offered(full, line) == expected


def test_what_a_provider_says_of_itself_reaches_no_shell_unless_it_is_harmless(full: House) -> None:
    named = [one["name"] for one in full.client.get("/v1/models")["models"]]

    assert "$(touch ./pwned)" in named
    assert offered(full, "gleitzeitctl route ") == [
        "calculator",
        "echo",
        "ollama",
        "worker",
        "worker#1",
        "worker#2",
        "gpt-4",
        "llama3.2:3b",
        "arithmetic",
        "logarithms",
        "text",
        "trigonometry",
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"name": "calculator", "method": "add"}, ["a=", "b="]),
        ({"name": "llama3.2:3b", "method": "chat", "pairs": ["prompt=Hello"]}, ["temperature="]),
        ({"name": "calculator", "method": "nothing"}, []),
    ],
)
def test_a_method_is_given_its_arguments(full: House, said: dict[str, Any], expected: list[str]) -> None:
    offer = offer_for(("providers", "invoke"), "KEY=VALUE")

    assert offer
    assert offered_live(offer, Asked(full.client, said, "")) == expected


def test_every_word_has_its_meaning_for_shells_that_show_it(full: House) -> None:
    assert asked(full, "gleitzeitctl start", "fish") == [
        "start\tStart providers, and wait until they are ready."
    ]
    assert asked(full, "gleitzeitctl start", "zsh") == [
        "start:Start providers, and wait until they are ready."
    ]
    assert asked(full, "gleitzeitctl start", "bash") == ["start"]


def test_zsh_and_bash_are_told_of_colons_in_their_own_way(full: House) -> None:
    assert asked(full, "gleitzeitctl route llama3.2:", "zsh") == ["llama3.2\\:3b"]
    assert asked(full, "gleitzeitctl route llama3.2:", "bash") == ["3b"]
    assert asked(full, "gleitzeitctl logs --provider=ec", "bash") == ["echo"]


@contextmanager
def nobody_answers(path: Path) -> Iterator[None]:
    """A daemon that hangs: it lets in, and says nothing."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield


def test_a_daemon_that_hangs_holds_up_a_tab_for_a_moment_only(ctl: Ctl, tmp_path: Path) -> None:
    path = tmp_path / "hangs"
    with nobody_answers(path):
        began = time.monotonic()
        done = ctl(f"gleitzeitctl --socket {path} status ", env={"_GLEITZEITCTL_COMPLETE": "fish"})
        took = time.monotonic() - began

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # 0.3 s, and what a loaded machine adds; a command waits for 10 s
    assert 0.3 <= took < 3


def test_a_daemon_that_is_down_offers_nothing_and_says_nothing(ctl: Ctl, tmp_path: Path) -> None:
    line = f"gleitzeitctl --socket {tmp_path / 'nowhere'} status "

    done = ctl(line, env={"_GLEITZEITCTL_COMPLETE": "bash"})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_installed_once_however_often_it_is_asked_for(
    ctl: Ctl, tmp_path: Path, program: str, shell: str
) -> None:
    as_program = (
        "-c",
        f"import sys; {MAIN}; sys.argv[0] = {program!r}; sys.exit(main())",
    )
    environment = {"HOME": str(tmp_path), "SHELL": f"/bin/{shell}"}
    rc = tmp_path / (SHELLS[shell].rc.removeprefix("~/") or "none")
    rc.write_text("export A=1")

    shown = ctl.alone("--show-completion", env=environment, run=as_program)
    named = ctl.alone("--install-completion", shell, env=environment, run=as_program)
    once = rc.read_text()
    again = ctl.alone("--install-completion", env=environment, run=as_program)

    path = again.stdout.strip().rpartition(": ")[2]
    assert (named.returncode, again.returncode, named.stderr + again.stderr) == (0, 0, "")
    assert Path(path).read_text() == shown.stdout
    assert f"_{program.upper()}_COMPLETE={shell}" in shown.stdout
    assert rc.read_text() == once
    assert once.splitlines()[0] == "export A=1"
    assert len(once.splitlines()) == (2 if SHELLS[shell].rc else 1)


def test_an_unknown_shell_is_told_of_those_that_are_known(ctl: Ctl) -> None:
    done = ctl("--show-completion", "tcsh")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gleitzeitctl: there is no completion for tcsh: there is for bash, zsh, fish\n"


STARTS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
PROMPT = {
    "bash": "PS1='> '; source {}; echo REA''DY\r",
    "zsh": "PS1='> '; autoload -Uz compinit; compinit -D; source {}; echo REA''DY\r",
    "fish": "function fish_prompt; echo -n '> '; end; source {}; echo REA''DY\r",
}


@pytest.fixture(params=STARTS)
def shell(request: pytest.FixtureRequest, full: House, tmp_path: Path) -> Iterator[Terminal]:
    """A real shell that has sourced the script, at a terminal."""
    name: str = request.param
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed here")
    with installed(full, tmp_path, name) as seen:
        seen.until("READY\n")
        yield seen


@contextmanager
def installed(h: House, home: Path, shell: str) -> Iterator[Terminal]:
    program = home / "bin" / "gleitzeitctl"
    program.parent.mkdir()
    # the path of an interpreter in a first line may have no blank
    code = f"import sys; sys.argv[0] = {str(program)!r}; {MAIN}; sys.exit(main())"
    run = shlex.join([sys.executable, "-c", code])
    program.write_text(f'#!/bin/sh\nexec {run} "$@"\n')
    program.chmod(0o755)
    script = home / "script"
    script.write_text(h.ctl("--show-completion", shell).stdout)
    (home / "a-file.yaml").touch()
    environment = h.environment | {
        "HOME": str(home),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "INPUTRC": "/dev/null",
    }
    with terminal(STARTS[shell], environment, columns=100, cwd=str(home)) as seen:
        seen.press(PROMPT[shell].format(script))
        yield seen


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("gleitzeitctl stat\t", "> gleitzeitctl status "),
        ("gleitzeitctl status calc\t", "> gleitzeitctl status calculator "),
        ("gleitzeitctl providers invoke calculator pow\t", "invoke calculator power "),
        ("gleitzeitctl route llama3.2:\t", "> gleitzeitctl route llama3.2:3b "),
        ("gleitzeitctl logs --provider=ec\t", "> gleitzeitctl logs --provider=echo "),
        ("gleitzeitctl config set providers.ca\t", "config set providers.calculator."),
        ("gleitzeitctl --socket a-f\t", "> gleitzeitctl --socket a-file.yaml "),
    ],
)
def test_a_tab_in_a_real_shell(shell: Terminal, typed: str, becomes: str) -> None:
    shell.press(typed)
    shell.until(becomes.rstrip())
    # where the next letter goes shows whether a space was put
    shell.press("X")
    shell.until(f"{becomes}X")


def test_two_tabs_in_a_real_shell_list_what_there_is(shell: Terminal) -> None:
    shell.press("gleitzeitctl logs worker\t\t")

    shell.until(lambda text: all(name in text for name in ("worker#1", "worker#2")))
