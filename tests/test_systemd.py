"""What systemd is told, and what it hands over: at a socket like its own."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from gleitzeitctl.commands import reload
from gleitzeitd import listening, vigil
from gleitzeitd.listening import Kept
from gleitzeitd.processes.callbacks import Callbacks
from gleitzeitd.processes.supervisor import Supervisor
from gleitzeitd.service import Service
from gleitzeitd.systemd import Manager, handed_over

pytestmark = pytest.mark.anyio


class Told:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.settimeout(5)
        self._line.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def next(self) -> tuple[list[str], list[int]]:
        data, descriptors, _, _ = socket.recv_fds(self._line, 4096, 8)
        return data.decode().split("\n"), descriptors

    def all(self) -> list[tuple[list[str], list[int]]]:
        """What has come until now."""
        self._line.setblocking(False)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.next())
        return found

    def close(self) -> None:
        self._line.close()


@pytest.fixture(params=["file", "abstract"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Told]:
    made = Told(str(tmp_path / "notify") if request.param == "file" else f"@gleitzeit-{os.getpid()}")
    yield made
    made.close()


def test_the_manager_is_told_in_its_words(told: Told) -> None:
    manager = Manager(told.address)
    manager.ready("2  RUNNING\n")
    manager.reloading()
    manager.extend(1.5)
    manager.lives()

    assert told.next() == (["READY=1", "STATUS=2 RUNNING"], [])
    assert told.next() == (["RELOADING=1"], [])
    assert told.next() == (["EXTEND_TIMEOUT_USEC=1500000"], [])
    assert told.next() == (["WATCHDOG=1"], [])


def test_a_reload_that_fails_leaves_the_service_ready(told: Told) -> None:
    nobody = cast(Supervisor, SimpleNamespace(instances={}, turn=None))
    service = Service(Manager(told.address), nobody, "nowhere.sock")
    with pytest.raises(ZeroDivisionError), service.reloading():
        raise ZeroDivisionError
    assert [words[0] for words, _ in told.all()] == ["RELOADING=1", "READY=1"]


def test_who_has_no_manager_tells_nobody_and_one_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    Manager().stopping()
    Manager(str(tmp_path / "gone")).stopping()


def test_children_have_another_manager() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    manager = Manager.of(environment)

    assert manager == Manager("/run/x", 3.0)
    assert environment == {}


@pytest.mark.parametrize(("microseconds", "pid"), [("3000000", "1"), ("", ""), ("soon", "")])
def test_a_watchdog_that_is_not_ours_is_not_fed(microseconds: str, pid: str) -> None:
    assert Manager.of({"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}).watchdog == 0.0


def test_what_is_kept_is_handed_over_and_listens(told: Told, tmp_path: Path) -> None:
    path = str(tmp_path / "run" / "a.sock")
    with listening.unix_socket(path, 0o660, kept=Kept(Manager(told.address), {})):
        words, (kept,) = told.next()
    assert words == ["FDSTORE=1", "FDNAME=a.sock"]
    assert stat.S_ISSOCK(os.stat(path).st_mode)  # its path stays with it
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(path)  # nobody is there, and nobody is refused

    again = Kept(Manager(told.address), {"a.sock": [socket.socket(fileno=kept)]})
    with waiting, listening.unix_socket(path, 0o660, kept=again) as made:
        made.settimeout(5)
        accepted, _ = made.accept()
        accepted.close()


def test_what_listens_elsewhere_is_given_back(told: Told) -> None:
    old = socket.create_server(("127.0.0.1", 0))
    kept = Kept(Manager(told.address), {"tcp": [old]})
    (made,) = listening.tcp_sockets("http://127.0.0.1:0", kept)
    with made:
        assert old.fileno() == -1
        assert told.next()[0] == ["FDSTOREREMOVE=1", "FDNAME=tcp"]
        words, (barrier,) = told.next()
        os.close(barrier)
        assert words == ["BARRIER=1"]
        words, descriptors = told.next()
        assert words == ["FDSTORE=1", "FDNAME=tcp"]
        (stored,) = descriptors
        os.close(stored)


def test_what_listens_where_it_should_is_taken(told: Told) -> None:
    old = socket.create_server(("127.0.0.1", 0))
    port = old.getsockname()[1]
    (made,) = listening.tcp_sockets(f"http://127.0.0.1:{port}", Kept(Manager(told.address), {"tcp": [old]}))
    with made:
        assert made is old


def test_what_nobody_listens_at_any_more_is_given_back(told: Told) -> None:
    """As when the control socket has moved: who connects to the old one would wait for ever."""
    old = socket.create_server(("127.0.0.1", 0))
    kept = Kept(Manager(told.address), {"old.sock": [old]})
    kept.drop_the_rest()
    assert old.fileno() == -1
    assert told.next()[0] == ["FDSTOREREMOVE=1", "FDNAME=old.sock"]


def test_a_path_that_is_gone_is_bound_anew(told: Told, tmp_path: Path) -> None:
    old = socket.socket(socket.AF_UNIX)
    path = str(tmp_path / "run" / "a.sock")
    os.mkdir(tmp_path / "run")
    old.bind(path)
    old.listen()
    os.unlink(path)
    with listening.unix_socket(path, 0o600, kept=Kept(Manager(told.address), {"a.sock": [old]})) as made:
        assert made is not old
        assert stat.S_ISSOCK(os.stat(path).st_mode)


JOURNAL = """
import os, sys

seen = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{seen.st_dev}:{seen.st_ino}"
"""


def priorities(script: str, *words: str) -> set[str]:
    """How serious the journal takes what is said to be, line by line."""
    command = [sys.executable, "-c", JOURNAL + script, *words]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    assert said
    return {line[:3] for line in said.splitlines()}


def test_a_config_that_is_refused_is_an_error_in_the_journal(tmp_path: Path) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text("providers: {a: {comand: [true]}, b: {comand: [true]}}")
    script = "from gleitzeitd.main import main; sys.exit(main())"
    assert priorities(script, "--config", str(config)) == {"<3>"}


def test_a_mistake_of_ours_is_an_error_in_the_journal() -> None:
    script = "from gleitzeitd import logging; logging.configure(for_people=False); 1 / 0"
    assert priorities(script) == {"<3>"}


def test_what_of_the_log_is_missing_is_a_warning_in_the_journal() -> None:
    script = """
from gleitzeitd import logging
logging.MOST_LINES = 1
logging.configure(for_people=False)
log = logging.structlog.get_logger()
for _ in range(1000):
    log.error("too much")
"""
    assert priorities(script) == {"<3>", "<4>"}


def test_descriptors_of_another_process_are_left_alone() -> None:
    environment = {"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b"}
    assert handed_over(environment) == {}
    assert environment == {}


async def test_the_watchdog_is_fed_while_every_part_gives_a_sign(told: Told) -> None:
    asked_again = anyio.Event()
    asked = 0

    async def sign() -> None:
        nonlocal asked
        asked += 1
        if asked == 4:
            asked_again.set()
        if asked >= 3:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(vigil.keep, Manager(told.address, 0.2), {"part": sign})
        with anyio.fail_after(10):
            await asked_again.wait()
        tasks.cancel_scope.cancel()

    assert [words for words, _ in told.all()] == [["WATCHDOG=1"], ["WATCHDOG=1"]]


@pytest.mark.parametrize("unit", ["gleitzeitd.service", "gleitzeitd.user.service"])
def test_a_reload_says_what_it_waited_for_before_systemd_ends_it(unit: str) -> None:
    text = (Path(__file__).parents[1] / "systemd" / unit).read_text()
    (most,) = (line.partition("=")[2] for line in text.splitlines() if line.startswith("TimeoutStartSec="))
    waits = signature(reload.reload).parameters["timeout"].default
    assert float(most) > reload.READING + waits


async def fed(told: Told, monkeypatch: pytest.MonkeyPatch, silent: str) -> bool:
    """Whether a daemon of which one part gives no sign feeds the watchdog."""
    asked = Counter[str]()
    asked_again = anyio.Event()

    def sign(part: str) -> Callable[..., Awaitable[None]]:
        async def give(*_: object) -> None:
            asked[part] += 1
            if len(asked) == 4 and asked[part] == 2:
                asked_again.set()
            if part == silent:
                await anyio.sleep_forever()

        return give

    monkeypatch.setattr(vigil, "the_dead_are_reaped", sign("reaper"))
    monkeypatch.setattr(vigil, "answers", sign("control socket"))
    monkeypatch.setattr("gleitzeitd.service._somebody_writes", sign("output"))
    supervisor = cast(Supervisor, SimpleNamespace(instances={}, turn=sign("supervisor")))
    service = Service(Manager(told.address, 0.8), supervisor, "nowhere.sock")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.feed_the_watchdog)
        with anyio.fail_after(10):
            await asked_again.wait()
        tasks.cancel_scope.cancel()
    return (["WATCHDOG=1"], []) in told.all()


@pytest.mark.parametrize("silent", ["supervisor", "reaper", "output", "control socket"])
async def test_a_part_that_hangs_starves_the_watchdog(
    told: Told, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    assert not await fed(told, monkeypatch, silent)


async def test_parts_that_all_get_on_feed_the_watchdog(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fed(told, monkeypatch, "none of them")


async def test_a_supervisor_whose_loop_stands_still_gives_no_sign(tmp_path: Path) -> None:
    callbacks = cast(Callbacks, SimpleNamespace())
    with anyio.move_on_after(0.2) as scope:
        await Supervisor({}, tmp_path, callbacks).turn()
    assert scope.cancelled_caught


LEAVES_NO_WRITER = """
import os, threading, anyio
from gleitzeitd import service
from gleitzeitd.processes.logs.writer import WRITER

WRITER.begin()
anyio.run(service._somebody_writes)
print("writes")
WRITER._writing._jobs.put(lambda: exec("raise SystemExit"))
WRITER._writing._thread.join(10)
try:
    anyio.run(service._somebody_writes)
except OSError as exc:
    print(exc)
"""


def test_output_that_nobody_writes_gives_no_sign() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES_NO_WRITER], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["writes", "the thread that writes what providers print is gone"]


LEAVES_ONE_DEAD = """
import os, anyio
from gleitzeitd import vigil

async def main():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with anyio.move_on_after(0.2) as scope:
        await vigil.the_dead_are_reaped()
    print(scope.cancelled_caught)
    os.waitpid(pid, 0)
    with anyio.fail_after(5):
        await vigil.the_dead_are_reaped()
    print("reaped")

anyio.run(main)
"""


def test_a_child_that_nobody_reaps_is_a_part_without_a_sign() -> None:
    """In a process of its own: this one has children of other tests."""
    done = subprocess.run([sys.executable, "-c", LEAVES_ONE_DEAD], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["True", "reaped"], "")


async def test_a_control_socket_that_does_not_answer_gives_no_sign(tmp_path: Path) -> None:

    path = str(tmp_path / "c.sock")
    with pytest.raises(OSError, match="No such file"):
        await vigil.answers(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    with listener, anyio.move_on_after(0.2) as scope:
        await vigil.answers(path)
    assert scope.cancelled_caught


async def test_a_control_socket_that_lets_nobody_speak_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")

    async def hang_up(line: anyio.abc.ByteStream) -> None:
        await line.aclose()

    listener = await anyio.create_unix_listener(path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, hang_up)
        for _ in range(20):
            with pytest.raises(OSError, match="closed without an answer"):
                await vigil.answers(path)
        tasks.cancel_scope.cancel()
