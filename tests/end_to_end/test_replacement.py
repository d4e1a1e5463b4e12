"""A provider's settings change while it is used: a new life takes over once it is ready, or the old stays."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import House, eventually, house
from tests.scenarios.common import becomes, views
from tests.scenarios.saves import beside, coming, failures, pids, reload
from tests.scenarios.subjects import FILES, Steady, made, sleeper, subject, text


def in_flight(h: House, name: str, calls: int) -> None:
    becomes(lambda: h.view(name)["in_flight"], calls, f"calls of {name}")


def test_calls_go_over_to_the_new_life_and_those_in_flight_end_on_the_old(tmp_path: Path) -> None:
    # Killed at once when it is asked to end: what ends well did so before.
    killed = {"stop": {"timeout": 0}}
    with ThreadPoolExecutor(1) as pool, house(tmp_path, text({"used": subject(1, **killed)}), FILES) as h:
        old = h.until("used", "RUNNING")["pid"]
        slow: Future[Any] = pool.submit(h.invoke, "used", "hold", {"until": "let go"})
        body = {"method": "stream", "args": {"until": "let go"}}
        stream = h.client.follow("/v1/providers/used/stream", body=body)
        assert next(stream) == {"item": 1}
        in_flight(h, "used", 2)
        with Steady(h, "used") as steady:
            h.config.write_text(text({"used": subject(2)}))
            steady.until(2)
            steady.goes_on()
            (left,) = beside(h, "used")
            assert (left["role"], left["pid"], left["in_flight"]) == ("leaving", old, 2)
            assert not slow.done()

            (tmp_path / "let go").touch()
            assert slow.result(20) == 1
            assert next(stream) == {"item": 1}
            assert next(stream) == {"end": {"frames": 2}}
            eventually(lambda: not beside(h, "used"))
            assert not Path(f"/proc/{old}").exists()
        assert steady.answers == sorted(steady.answers)
        assert set(steady.answers) == {1, 2}
        assert made(h) == list(range(len(steady.answers)))
        assert h.view("used")["restarts"] == 0


def test_a_call_that_outlasts_the_drain_is_cut_with_a_clear_error(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, house(tmp_path, text({"used": subject(1)}), FILES) as h:
        old = h.until("used", "RUNNING")["pid"]
        slow: Future[Any] = pool.submit(h.invoke, "used", "hold", {"until": "never"})
        in_flight(h, "used", 1)
        h.config.write_text(text({"used": subject(2, update_drain=0.1)}))
        with pytest.raises(CallError) as failure:
            slow.result(20)
        assert failure.value.code == "instance_lost"
        assert failure.value.message == '"used" was stopped while "hold" ran'
        assert h.invoke("used", "get", {}) == 2
        eventually(lambda: not beside(h, "used"))
        assert not Path(f"/proc/{old}").exists()


FAULTS = {
    "raises": "there is no such model",
    "exits": "the licence has run out",
    "hangs": "did not register within 0.7 s",
}


def test_a_new_life_that_fails_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    """Each way to fail after the other; the last good settings can be taken over at any time."""
    with house(tmp_path, text({"used": subject(1)}), FILES) as h, Steady(h, "used") as steady:
        old = h.until("used", "RUNNING")["pid"]
        for fault, words in FAULTS.items():
            h.config.write_text(text({"used": subject(2, fault=fault, connection_timeout=0.7)}))
            answer = h.ctl("reload")
            assert answer.returncode == 1, answer
            assert 'could not change "used"' in answer.stderr
            assert words in answer.stderr
            assert "its old settings are kept" in answer.stderr
            assert words in failures(h)["used"]
            assert h.view("used")["pid"] == old
        (tmp_path / "hangs").unlink()
        h.ctl("reload")
        assert (tmp_path / "hangs").exists()

        steady.goes_on()
        eventually(lambda: not beside(h, "used"))
        assert set(steady.answers) == {1}
        h.config.write_text(text({"used": subject(3)}))
        steady.until(3)
        assert failures(h) == {}
        assert set(steady.answers) == {1, 3}


def test_what_an_operator_stopped_stays_stopped(tmp_path: Path) -> None:
    with house(tmp_path, text({"off": subject(1), "on": subject(1), "c": sleeper()}), FILES) as h:
        h.client.post("/v1/stop", {"names": ["off", "c"]})
        h.config.write_text(text({"off": subject(2), "on": subject(2), "c": sleeper(1001)}))
        eventually(lambda: h.invoke("on", "get", {}) == 2)
        assert all(result["ok"] for result in reload(h)["results"])
        assert (h.view("off")["state"], h.view("c")["state"]) == ("STOPPED", "STOPPED")
        h.client.post("/v1/start", {"names": ["off"]}, 30)
        assert h.invoke("off", "get", {}) == 2


def test_instances_are_replaced_and_become_more_and_fewer_without_a_failed_call(tmp_path: Path) -> None:
    with house(tmp_path, text({"used": subject(1)}), FILES) as h, Steady(h, "used"):
        h.until("used", "RUNNING")
        h.config.write_text(text({"used": subject(1, instances=3)}))
        becomes(lambda: list(views(h)), ["used#1", "used#2", "used#3"], "instances")
        for name in views(h):
            h.until(name, "RUNNING")
        eventually(lambda: len(h.left_behind()) == 3)

        h.config.write_text(text({"used": subject(1, instances=2)}))
        becomes(lambda: list(views(h)), ["used#1", "used#2"], "instances")
        before = pids(h)
        answer = h.client.post("/v1/restart", {"names": ["used"], "rolling": True}, 30)
        assert [(result["name"], result["ok"]) for result in answer["results"]] == [
            ("used#1", True),
            ("used#2", True),
        ]
        assert set(pids(h).values()).isdisjoint(before.values())
        for name in before:
            assert f"name={name} was=STARTING now=RUNNING role=coming" in h.said()

        h.config.write_text(text({"used": subject(1)}))
        becomes(lambda: list(views(h)), ["used"], "instances")
        eventually(lambda: len(h.left_behind()) == 1)


def test_a_stop_during_a_replacement_stops_both(tmp_path: Path) -> None:
    with house(tmp_path, text({"used": subject(1)}), FILES) as h:
        h.until("used", "RUNNING")
        h.config.write_text(text({"used": subject(2, waits_for="ready", connection_timeout=60)}))
        coming(h, "used")
        answer = h.client.post("/v1/stop", {"names": ["used"]}, 30)
        assert answer["results"][0]["ok"]
        eventually(lambda: not beside(h, "used"))
        assert h.left_behind() == []
        (tmp_path / "ready").touch()
        h.client.post("/v1/start", {"names": ["used"]}, 30)
        assert h.invoke("used", "get", {}) == 2


def test_a_life_that_is_killed_during_a_replacement_is_either_put_back_or_followed(tmp_path: Path) -> None:
    waiting = subject(2, waits_for="ready", connection_timeout=60)
    with house(tmp_path, text({"used": subject(1)}), FILES) as h:
        old = h.until("used", "RUNNING")["pid"]
        with Steady(h, "used") as steady:
            h.config.write_text(text({"used": waiting}))
            os.kill(coming(h, "used")["pid"], signal.SIGKILL)
            eventually(lambda: "SIGKILL" in failures(h).get("used", ""))
            assert h.view("used")["pid"] == old
            steady.goes_on()
        reloading = threading.Thread(target=reload, args=(h,))
        reloading.start()
        new = coming(h, "used")["pid"]
        os.kill(old, signal.SIGKILL)
        eventually(lambda: h.view("used")["pid"] not in (old, None))
        (tmp_path / "ready").touch()
        reloading.join(20)
        assert h.view("used")["pid"] == new
        assert h.invoke("used", "get", {}) == 2
        eventually(lambda: len(h.left_behind()) == 1)


def test_the_daemon_ends_at_once_in_the_middle_of_replacements(tmp_path: Path) -> None:
    """One that has not come up yet, and one that would drain for ten minutes."""
    quick = {"stop": {"drain_timeout": 0.1}}
    blocks = {"drains": subject(1, **quick), "starts": subject(1, **quick)}
    with ThreadPoolExecutor(1) as pool, house(tmp_path, text(blocks), FILES) as h:
        for name in blocks:
            h.until(name, "RUNNING")
        slow: Future[Any] = pool.submit(h.invoke, "drains", "hold", {"until": "never"})
        in_flight(h, "drains", 1)
        waiting = subject(2, waits_for="never", connection_timeout=60, **quick)
        h.config.write_text(text({"drains": subject(2, **quick), "starts": waiting}))
        coming(h, "starts")
        eventually(lambda: [other for other in beside(h, "drains") if other["role"] == "leaving"])
        began = time.monotonic()
        assert h.stop() == 0
        assert time.monotonic() - began < 8
        assert h.left_behind() == []
        with pytest.raises(CallError):
            slow.result(20)
