"""What a child sees of the daemon's environment: what a program needs, and none of the daemon's secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import CommandTarget, ExtensionTarget, Spec
from gleitzeitd.processes.environment import PRESET, child_environment

NEEDED = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LOG_LEVEL",
    "LC_ALL",
    "LC_CTYPE",
    "http_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CUDA_VISIBLE_DEVICES",
]

KEPT_BACK = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "DATABASE_URL",
    "GLEITZEIT_TOKEN",
    "GLEITZEIT_SOCKET",
    "GLEITZEIT_INSTANCE",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONSTARTUP",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "SSH_AUTH_SOCK",
    "RUNTIME_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "path",
    "USERNAME",
    "MYPATH",
    "PROXY_PASSWORD",
    "LCD",
]


def spec(**more: Any) -> Spec:
    return Spec("p", "tool", CommandTarget(("true",)), **more)


@pytest.mark.parametrize("name", NEEDED)
def test_what_programs_need_is_inherited(name: str) -> None:
    assert child_environment({name: "value"}, spec())[name] == "value"


@pytest.mark.parametrize("name", KEPT_BACK)
def test_anything_else_is_kept_back(name: str) -> None:
    assert child_environment({name: "value"}, spec()) == PRESET


def test_what_the_config_adds_wins() -> None:
    own = {"PATH": "/bin", "OPENAI_API_KEY": "the daemon's"}
    added = {"PATH": "/opt", "OPENAI_API_KEY": "its own", "PYTHONUTF8": "0"}

    assert child_environment(own, spec(env=added)) == {"PYTHONUNBUFFERED": "1", **added}


def test_output_is_seen_as_it_happens_and_is_text() -> None:
    assert child_environment({}, spec()) == {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def test_all_is_inherited_where_that_is_wanted() -> None:
    own = {"OPENAI_API_KEY": "secret", "PYTHONUTF8": "0"}

    assert child_environment(own, spec(inherit_env=True)) == {"PYTHONUNBUFFERED": "1", **own}


def test_names_are_inherited_beside_the_usual_few() -> None:
    own = {"OPENAI_API_KEY": "secret", "AWS_SECRET": "another", "PATH": "/bin"}

    given = child_environment(own, spec(inherit_env=("OPENAI_API_KEY",)))

    assert given == {**PRESET, "OPENAI_API_KEY": "secret", "PATH": "/bin"}


def test_an_env_file_is_read_at_each_spawn_and_env_wins_over_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    wanted = spec(env_file=(str(path),), env={"B": "of env"})
    for key in ("first", "second"):
        path.write_text(f"KEY={key}\nB=of the file\n")
        assert child_environment({"KEY": "own"}, wanted) == {**PRESET, "KEY": key, "B": "of env"}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda path: None, "cannot be read: No such file or directory", id="none"),
        pytest.param(Path.mkdir, "cannot be read: Is a directory", id="a directory"),
        pytest.param(lambda path: os.mkfifo(path), "is not a file", id="a FIFO"),
        pytest.param(lambda path: path.write_bytes(b"A" * (2**20 + 1)), "is larger than 1 MiB", id="large"),
        pytest.param(lambda path: path.write_bytes(b"A=\xff"), "is not UTF-8 text", id="not text"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_named(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "secrets.env"
    make(path)
    before = os.listdir("/proc/self/fd")

    with pytest.raises(ConfigError) as raised:
        child_environment({}, spec(env_file=(str(path),)))

    assert str(raised.value) == f"{path}: the env_file {why}"
    assert os.listdir("/proc/self/fd") == before


def test_an_extension_gets_the_variables_that_it_declares() -> None:
    own = {"OPENAI_API_KEY": "k", "MINE": "m", "OTHERS": "o"}
    target = ExtensionTarget("mine", ("/ext",), env_vars=("MINE", "UNSET"))

    assert child_environment(own, Spec("p", "tool", target)) == {**PRESET, "MINE": "m"}
    assert child_environment(own, Spec("p", "tool", target, inherit_env=("OTHERS",))) == {
        **PRESET,
        "MINE": "m",
        "OTHERS": "o",
    }
    assert child_environment(own, Spec("p", "tool", target, inherit_env=True)) == {**PRESET, **own}
