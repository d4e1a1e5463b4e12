"""What a child sees of the daemon's environment: what a program needs, and none of the daemon's secrets."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("name", NEEDED)
def test_what_programs_need_is_inherited(name: str) -> None:
    assert child_environment({name: "value"}, {})[name] == "value"


@pytest.mark.parametrize("name", KEPT_BACK)
def test_anything_else_is_kept_back(name: str) -> None:
    assert child_environment({name: "value"}, {}) == PRESET


def test_what_the_config_adds_wins() -> None:
    own = {"PATH": "/bin", "OPENAI_API_KEY": "the daemon's"}
    added = {"PATH": "/opt", "OPENAI_API_KEY": "its own", "PYTHONUTF8": "0"}

    assert child_environment(own, added) == {"PYTHONUNBUFFERED": "1", **added}


def test_output_is_seen_as_it_happens_and_is_text() -> None:
    assert child_environment({}, {}) == {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
