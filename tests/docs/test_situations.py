"""What docs/troubleshooting.md says that one sees is what one sees: each reason is brought about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_troubleshooting import ON_THE_PAGE
from tests.house import House, house

CLASSES = """
from gleitzeit_extensions import SocketIOProviderClient

number = 5

class Takes(SocketIOProviderClient):
    def __init__(self, model, **kwargs):
        super().__init__(**kwargs)

class Raises(SocketIOProviderClient):
    def __init__(self, **kwargs):
        raise ValueError("the key is too short")

class Other(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "name": "somebody"})

class Bare:
    pass
"""
ONCE = {"max_retry_attempts": 1, "start_seconds": 1}
SITUATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no-program": ({"command": ["./none"]}, 'there is no program "..."'),
    "not-executable": ({"command": ["./text"]}, '"..." may not be executed'),
    "no-interpreter": ({"command": ["./bare"]}, '"..." is not a program: its first line may lack "#!"'),
    "unset": (
        {"command": ["true"], "env": {"KEY": "${NO_SUCH_VARIABLE}"}},
        "the environment variable ... is not set: ...",
    ),
    "no-secret": ({"command": ["true"], "env": {"KEY": "${file:none}"}}, "the secret cannot be read: ..."),
    "no-credential": (
        {"command": ["true"], "env": {"KEY": "${cred:none}"}},
        "...: name ... with LoadCredential= in the unit of systemd",
    ),
    "no-env-file": ({"command": ["true"], "env_file": "none"}, "...: the env_file cannot be read: ..."),
    "directory": (
        {"command": ["true"], "env_file": "empty"},
        "...: this is not a regular file: name a file of text",
    ),
    "mistake": ({"command": ["sh", "-c", "exit 78"]}, "exited with 78"),
    "gives-up": ({"command": ["false"], **ONCE}, "... starts in a row that never became ready"),
    "falls": (
        {"command": ["false"], "start_seconds": 0, "restart": {"intensity": 1, "initial": 0}},
        "... failures within ... s",
    ),
    "silent": (
        {"command": ["sleep", "60"], "ready": {"kind": "provider"}, "connection_timeout": 0.3, **ONCE},
        "did not register within ... s",
    ),
    "not-ready": (
        {
            "command": ["sleep", "60"],
            "ready": {"kind": "exec", "command": ["false"]},
            "start_timeout": 0.3,
            **ONCE,
        },
        "was not ready within ... s: ...",
    ),
    "unwell": (
        {
            "command": ["sleep", "60"],
            "health": {"kind": "exec", "command": ["false"], "interval": 0.1, "failures": 2},
            "start_seconds": 0,
            "restart": {"intensity": 1, "initial": 0},
        },
        "... health checks in a row failed: ...",
    ),
    "no-module": ({"class": "none.None"}, "there is no module ...: looked in ..."),
    "no-class": ({"class": "classes.Takez"}, "... has no class ..."),
    "no-type": ({"class": "classes.number"}, "... in ... is a ..., not a class"),
    "no-provider": ({"class": "classes.Bare"}, "... is not a provider: ... (...)"),
    "required": ({"class": "classes.Takes"}, "cannot make ...: config.... is required..."),
    "misspelt": (
        {"class": "classes.Raises", "config": {"x": 1}},
        "cannot make ...: ...",
    ),
    "otherwise": (
        {"class": "classes.Other"},
        '... calls itself "...", but the config calls it "...": '
        'name the block "...", or let the class take its name from there',
    ),
}


@pytest.fixture(scope="module")
def misery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("misery")
    files = {"classes.py": CLASSES, "text": "", "bare": "echo\n", "empty/keep": ""}
    providers = {name: settings for name, (settings, _) in SITUATIONS.items()}
    with house(root, providers, files, started=False) as h:
        (root / "bare").chmod(0o755)
        h.start()
        yield h


def expression(span: str) -> str:
    """Of four points the first is the sentence's own."""
    return ".*".join(re.escape(piece) for piece in re.split(r"\.\.\.(?!\.)", span))


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_seen_is_what_the_page_has(misery: House, name: str) -> None:
    span = SITUATIONS[name][1]
    assert span in ON_THE_PAGE

    view = misery.until(name, "FATAL")

    assert re.search(expression(span), view["reason"], re.DOTALL), view["reason"]


@pytest.mark.parametrize(
    ("words", "status", "span"),
    [
        (("providers", "invoke", "mistake", "x"), 5, '"..." is ...'),
        (("--socket", "/none/gleitzeitd.sock", "status"), 3, "no daemon at ...: start it with ..."),
    ],
)
def test_the_command_line_says_what_the_page_has(
    misery: House, words: tuple[str, ...], status: int, span: str
) -> None:
    misery.until("mistake", "FATAL")

    done = misery.ctl(*words)

    assert done.returncode == status
    assert re.search(expression(span), done.stderr), done.stderr


def test_a_second_daemon_says_what_the_page_has(misery: House, tmp_path: Path) -> None:
    done = misery.ctl("serve", "--provider-config", str(misery.config))

    span = "a daemon (pid ...) runs at ... already: stop it, or choose another place with --socket"
    assert span in ON_THE_PAGE
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(expression(span), done.stderr), done.stderr
