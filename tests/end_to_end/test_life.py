"""A provider's life under a real daemon: up, killed, back; stopped, gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import eventually, house

CALCULATOR = {"class": "providers.calculator_provider.CalculatorProvider"}


def test_a_killed_provider_is_back_and_a_call_made_meanwhile_waits_for_it(tmp_path: Path) -> None:
    with house(tmp_path, {"calculator": CALCULATOR}) as h:
        pid = h.until("calculator", "RUNNING")["pid"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: h.view("calculator")["pid"] != pid)
        assert h.invoke("calculator", "add", {"a": 5, "b": 3})["result"] == 8
        after = h.view("calculator")
        assert (after["state"], after["restarts"]) == ("RUNNING", 1)
        assert after["pid"] != pid


def test_a_command_is_started_again_at_once(tmp_path: Path) -> None:
    with house(tmp_path, {"sleeper": {"command": ["sleep", "1000"], "start_seconds": 0.01}}) as h:
        first = h.until("sleeper", "RUNNING")["pid"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: h.view("sleeper")["pid"] not in (first, None))
        second = h.view("sleeper")
        assert second["restarts"] == 1
        # a program that only begins has no arguments yet
        eventually(lambda: "sleep" in Path(f"/proc/{second['pid']}/cmdline").read_text())


def test_false_is_never_running(tmp_path: Path) -> None:
    providers = {"liar": {"command": "/bin/false", "restart": {"initial": 0.01}}}
    with house(tmp_path, providers) as h:
        view = h.until("liar", "FATAL")
        assert view["reason"] == "gave up after 3 starts in a row that never became ready: exited with 1"
        assert "now=RUNNING" not in h.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    # The shell's child is in the group; `setsid` takes another out of it.
    script = "sleep 1000 & setsid sleep 1000 & exec sleep 1000"
    providers = {"calculator": CALCULATOR, "family": {"command": ["sh", "-c", script], "start_seconds": 0.2}}
    with house(tmp_path, providers) as h:
        h.until("calculator", "RUNNING")
        h.until("family", "RUNNING")
        assert len(h.left_behind()) == 4
        assert h.stop(number) == 0
        assert h.left_behind() == []
        assert not h.socket.exists()


def test_who_ignores_the_signal_is_killed_after_its_timeout(tmp_path: Path) -> None:
    stubborn = {
        "command": ["sh", "-c", 'trap "" TERM; while :; do sleep 1000; done'],
        "start_seconds": 0.2,
        "stop": {"timeout": 0.3},
    }
    with house(tmp_path, {"stubborn": stubborn}) as h:
        h.until("stubborn", "RUNNING")
        answer = h.ctl("stop", "stubborn")
        assert (answer.returncode, answer.stdout) == (0, "stubborn  STOPPED\n")
        assert h.left_behind() == []


def test_a_second_signal_does_not_wait_for_the_stubborn(tmp_path: Path) -> None:
    stubborn = {
        "command": ["sh", "-c", 'trap "" TERM; while :; do sleep 1000; done'],
        "start_seconds": 0.2,
        "stop": {"timeout": "1h"},
    }
    with house(tmp_path, {"stubborn": stubborn}) as h:
        h.until("stubborn", "RUNNING")
        h.daemon.send_signal(signal.SIGTERM)
        h.until("stubborn", "STOPPING")
        assert h.stop(signal.SIGTERM) == 0


def test_what_a_crashed_process_left_is_gone_before_the_next_starts(tmp_path: Path) -> None:
    script = "setsid sleep 1000 & sleep 1000 & echo $! ; exec sleep 1001"
    with house(tmp_path, {"family": {"command": ["sh", "-c", script], "start_seconds": 0.3}}) as h:
        leader = h.until("family", "RUNNING")["pid"]
        assert len(h.left_behind()) == 3
        os.kill(leader, signal.SIGKILL)
        eventually(lambda: h.view("family")["generation"] == 2)
        h.until("family", "RUNNING")
        assert len(h.left_behind()) == 3


def test_a_call_in_flight_fails_at_once_with_the_evidence(tmp_path: Path) -> None:
    dies = """
import os, sys
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Dies(SocketIOProviderClient):
    async def now(self):
        print("the disk is on fire", file=sys.stderr, flush=True)
        os._exit(7)
"""
    with house(tmp_path, {"dies": {"class": "dies.Dies"}}, {"dies.py": dies}) as h:
        h.until("dies", "RUNNING")
        with pytest.raises(CallError) as failure:
            h.invoke("dies", "now", {})
        assert failure.value.code == "instance_lost"
        assert failure.value.message == (
            '"dies" was lost during the call: exited with 7: the disk is on fire'
        )
        assert failure.value.detail["exit_status"] == 7
        assert failure.value.detail["stderr"][-1] == "the disk is on fire"


def test_an_idempotent_call_is_made_again_and_given_up_after_three_lives(tmp_path: Path) -> None:
    dies = """
import os, pathlib
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Dies(SocketIOProviderClient):
    async def until(self, life):
        path = pathlib.Path(__file__).with_name("lives")
        lives = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(lives))
        if lives < life:
            os._exit(1)
        return lives
"""
    block = {"class": "dies.Dies", "restart": {"initial": 0}}
    with house(tmp_path, {"dies": block}, {"dies.py": dies}) as h:
        assert h.invoke("dies", "until", {"life": 2}, idempotent=True) == 2
        (tmp_path / "lives").unlink()
        with pytest.raises(CallError, match="was lost during the call"):
            h.invoke("dies", "until", {"life": 4}, idempotent=True)
        assert (tmp_path / "lives").read_text() == "3"


def test_a_provider_error_comes_back_in_its_own_words(tmp_path: Path) -> None:
    with house(tmp_path, {"calculator": CALCULATOR}) as h:
        answer = h.ctl("providers", "invoke", "calculator", "divide", "--args", '{"a": 1, "b": 0}')
        assert answer.returncode == 6
        assert "Division by zero is not allowed" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_restart_stop_and_start_return_when_it_is_true(tmp_path: Path) -> None:
    with house(tmp_path, {"calculator": CALCULATOR}) as h:
        pid = h.until("calculator", "RUNNING")["pid"]
        assert h.ctl("restart", "calculator").returncode == 0
        assert h.view("calculator")["pid"] != pid
        assert h.ctl("stop", "calculator").returncode == 0
        refused = h.ctl("providers", "invoke", "calculator", "add")
        assert refused.returncode == 5
        assert 'start it with "gleitzeitctl start calculator"' in refused.stderr
        assert h.ctl("start", "calculator").returncode == 0
        assert h.ctl("status", "calculator").returncode == 0
