"""Whoever else is on the machine, and each provider, tries to get at what is not theirs."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.control.asking import ask
from tests.house import House, eventually, house

SAID = "what-is-said-in-a-call"
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
NOBODY = 65534
SECRET, WRITTEN, WORD = "sk-of-the-daemons-environment", "a-password-in-the-file", "a-word-of-its-environment"
TRY = 'try() { n=$1; shift; if "$@" >/dev/null 2>&1; then echo "$n: yes"; else echo "$n: no"; fi; }\n'
KEEPER = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Keeper(SocketIOProviderClient):
    def __init__(self, api_key, **options):
        super().__init__(**options)
        self.api_key = api_key

    async def knows(self):
        return len(self.api_key)

    async def hears(self, word):
        return word

    async def fails(self, word):
        raise ValueError("it cannot")
"""


@contextmanager
def bare(root: Path, providers: dict[str, Any], umask: int = 0o022, **files: str) -> Iterator[House]:
    """A daemon without root's rights over files and processes; providers of its user have none either."""
    with house(root, providers, {f"{name}.py": text for name, text in files.items()}, started=False) as h:

        def started(printed: int) -> subprocess.Popen[bytes]:
            without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if IS_ROOT else []
            return subprocess.Popen(
                [*without, sys.executable, "-m", "gleitzeitd", "--config", str(h.config)],
                env={**h.environment, "OPENAI_API_KEY": SECRET},
                cwd=h.root,
                umask=umask,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )

        h._started = started  # type: ignore[method-assign]
        h.start()
        yield h


def said_by(h: House, name: str) -> dict[str, str]:
    """What the script found out, once it has said that this is all."""

    def told() -> list[str] | None:
        try:
            text = (h.root / "logs" / f"{name}.log").read_text()
        except FileNotFoundError:
            return None
        lines = [line.split(" ", 3)[3] for line in text.splitlines()]
        return lines if "that is all" in lines else None

    lines = eventually(told, f"{name} has tried everything")
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def script(*lines: str) -> list[str]:
    return ["sh", "-c", TRY + "\n".join(lines) + "\necho that is all\nexec sleep 1000"]


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# Providers that run as the daemon's user.

SPY = script(
    "try environ cat /proc/$PPID/environ",
    "try memory cat /proc/$PPID/maps",
    "try files readlink /proc/$PPID/fd/0",
    "echo parent: $PPID",
    "echo descriptors: $(ls /proc/self/fd)",
    "try key printenv OPENAI_API_KEY",
)


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=lambda umask: f"umask {umask:03o}")
def test_a_daemon_keeps_what_is_its_own_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    providers = {
        "spy": {"command": SPY, "start_seconds": 0},
        "keeper": {"class": "keeper.Keeper", "config": {"api_key": "${OPENAI_API_KEY}", "password": WRITTEN}},
        "neighbour": {"command": ["sleep", "1000"], "env": {"PASSWORD": WORD}, "start_seconds": 0},
    }
    with bare(tmp_path, providers, umask, keeper=KEEPER) as h:
        for name in providers:
            h.until(name, "RUNNING")
        tried = said_by(h, "spy")
        assert h.invoke("keeper", "knows", {}) == len(SECRET)
        assert h.invoke("keeper", "hears", {"word": SAID}) == SAID
        with suppress(CallError):
            h.invoke("keeper", "fails", {"word": SAID})
        token = h.ctl("token", "create", "ci", "--scope", "observe").stdout.strip()
        assert token.startswith("gz_")

        assert tried == {
            "environ": "no",
            "memory": "no",
            "files": "no",
            "parent": str(h.daemon.pid),
            # the last is that by which ls reads the directory
            "descriptors": "0 1 2 3",
            "key": "no",
        }
        assert h.ctl("run", "--name", "more", "--", "sleep", "1000").returncode == 0
        assert modes(tmp_path) == MODES
        for secret in (SECRET, WRITTEN, WORD, SAID, token):
            assert_hidden(h, secret)


MODES = {
    "run": "0o711" if IS_ROOT else "0o700",
    "run/gleitzeitd.sock": "0o660",
    "run/lock": "0o600",
    "run/token": "0o640",
    "run/children": "0o600",
    "run/transient": "0o700",
    "run/transient/more.yaml": "0o600",
    "run/hub": "0o711",
    "run/hub/hub.sock": "0o666",
    "logs": "0o750",
    "logs/*.log": "0o640",
    "state": "0o750",
    "state/tokens": "0o700",
    "state/tokens/*.json": "0o600",
    "state/history": "0o700",
    "state/history/*": "0o700",
    "state/history/*/1.json": "0o600",
}


def modes(root: Path) -> dict[str, str]:
    """Of all that the daemon made; one of each kind, where all of that kind are equal."""
    found = dict[str, str]()
    for path in (one for top in ("run", "logs", "state") for one in (root / top, *(root / top).rglob("*"))):
        kind = path.relative_to(root)
        parts = list(kind.parts)
        if parts[0] in ("logs", "state") and path.suffix in (".log", ".json") and parts[1] != "history":
            parts[-1] = f"*{path.suffix}"
        if parts[:2] == ["state", "history"] and len(parts) > 2:
            parts[2] = "*"
        mode = oct(stat.S_IMODE(path.lstat().st_mode))
        assert found.setdefault("/".join(parts), mode) == mode, path
    return found


ASKED = [
    *("/v1/status", "/v1/why", "/v1/providers", "/v1/models", "/v1/events", "/v1/config/history"),
    *("/v1/logs?n=100", "/v1/logs/files", "/metrics", "/v1/tokens", "/v1/version"),
]


def assert_hidden(h: House, secret: str) -> None:
    """It is in no answer, no log, no arguments, no other's environment, and no file that others may read."""
    its_own = {h.view("neighbour")["pid"]} if secret == WORD else set()
    for pid in {h.daemon.pid, *children(h.daemon.pid)}:
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        if pid not in its_own and pid != h.daemon.pid:
            assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes(), pid
    assert secret not in h.said()
    for path in ASKED:
        assert secret not in str(answer(h, path)), path
    shown = h.ctl("config", "show")
    assert shown.returncode == 0, shown.stderr
    assert secret not in shown.stdout
    for file in h.root.rglob("*"):
        is_ours = file.is_file() and file != h.config
        if is_ours and secret.encode() in file.read_bytes():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            assert file.relative_to(h.root).parts[:2] == ("state", "history"), file


def answer(h: House, path: str) -> bytes:
    got = ask(str(h.socket), "GET", path)
    assert got.status == 200, (path, got.body)
    return got.body


def test_a_daemon_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    """Its memory has the secrets of all providers."""
    with house(tmp_path, {"sleeper": {"command": ["sleep", "1000"], "start_seconds": 0}}, started=False) as h:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        try:
            h._started = lambda printed: subprocess.Popen(  # type: ignore[method-assign]
                [sys.executable, "-m", "gleitzeitd", "--config", str(h.config)],
                env=h.environment,
                cwd=h.root,
                stdout=printed,
                stderr=printed,
            )
            h.start()
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        h.until("sleeper", "RUNNING")
        h.daemon.send_signal(signal.SIGSEGV)
        ended = os.waitid(os.P_PID, h.daemon.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_status, ended.si_code) == (signal.SIGSEGV, os.CLD_KILLED), "not CLD_DUMPED"
        eventually(
            lambda: h.daemon.poll() is not None and not h.left_behind(), "the guardian has ended the rest"
        )
        assert not list(tmp_path.glob("core*"))


# A provider with a user of its own.

STRANGER = (
    "try control curl -sf --unix-socket run/gleitzeitd.sock http://d/livez",
    "try token cat run/token",
    "try logs ls logs",
    "try tokens ls state/tokens",
    "try history ls state/history",
    "try transient ls run/transient",
    "try environ cat /proc/$(cat pid)/environ",
    "try neighbour cat /proc/$(cat other)/environ",
    "try kill kill -0 $(cat pid)",
    "try hub curl -sf --unix-socket run/hub/hub.sock http://localhost/livez",
    "try status curl -sf --unix-socket run/hub/hub.sock http://localhost/v1/status",
)


@needs_root
def test_a_provider_of_another_user_gets_at_nothing_of_the_daemon(open_directory: Path) -> None:
    providers = {
        "neighbour": {"command": ["sleep", "1000"], "env": {"WORD": WORD}, "start_seconds": 0},
        "stranger": {
            "command": script("until [ -e go ]; do sleep 0.01; done", *STRANGER, *INSIDE),
            "user": "nobody",
            "cwd": str(open_directory),
            "start_seconds": 0,
        },
    }
    with house(open_directory, providers) as h:
        (open_directory / "pid").write_text(str(h.daemon.pid))
        (open_directory / "other").write_text(str(h.until("neighbour", "RUNNING")["pid"]))
        (open_directory / "go").touch()
        tried = said_by(h, "stranger")

    assert tried == {
        **dict.fromkeys((line.split()[1] for line in STRANGER), "no"),
        "hub": "yes",
        "groups": str(NOBODY),
        "capabilities": "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        "descriptors": "0 1 2 3",
        "root again": "no",
    }


INSIDE = (
    'echo "groups: $(id -G)"',
    'echo "capabilities:" $(grep -E "^Cap(Inh|Prm|Eff|Amb)" /proc/self/status | cut -f2)',
    'echo "descriptors:" $(ls /proc/self/fd)',
    'if setpriv --reuid=0 true 2>/dev/null; then echo "root again: yes"; else echo "root again: no"; fi',
)


# Local users who are nobody.


@needs_root
def test_a_local_user_who_is_nobody_gets_at_nothing(open_directory: Path) -> None:
    providers = {"neighbour": {"command": ["sleep", "1000"], "env": {"WORD": WORD}, "start_seconds": 0}}
    with house(open_directory, providers) as h:
        (open_directory / "pid").write_text(str(h.daemon.pid))
        (open_directory / "other").write_text(str(h.until("neighbour", "RUNNING")["pid"]))
        lay = ("run", "run/hub", "run/transient", "logs", "state", "state/tokens")
        tries = [*STRANGER, *(f"try {place} ln -s /etc/passwd {place}/laid" for place in lay)]
        told = subprocess.run(
            ["sh", "-c", TRY + "\n".join(tries)],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=open_directory,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        tried = dict(line.split(": ") for line in told.splitlines())

    assert tried == {**dict.fromkeys(tried, "no"), "hub": "yes"}
    assert set(lay) < set(tried)
