"""What depends on what: started after it is ready, stopped before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.house import House, eventually, house

QUICK = {"start_seconds": 0.01, "stop": {"timeout": 1}}
DATABASE = {
    **QUICK,
    "command": "sleep 1000",
    "ready": {"kind": "exec", "command": "test -e there", "interval": 0.02},
}


def web(**more: Any) -> dict[str, Any]:
    return {**QUICK, "command": "sleep 1000", "depends_on": ["database"], **more}


def changes(h: House, name: str) -> list[str]:
    """The states of one instance in their order, by the daemon's own log."""
    lines = [line for line in h.said().splitlines() if f'"process changed" name={name} ' in line]
    return [line.partition(" now=")[2].split()[0] for line in lines]


def order(h: House) -> list[tuple[str, str]]:
    """Each change as name and state, in the order in which they came."""
    lines = [line for line in h.said().splitlines() if '"process changed"' in line]
    return [(line.partition(" name=")[2].split()[0], line.partition(" now=")[2].split()[0]) for line in lines]


def test_a_dependent_waits_until_what_it_needs_is_ready(tmp_path: Path) -> None:
    with house(tmp_path, {"web": web(), "database": {**DATABASE, "cwd": str(tmp_path)}}) as h:
        waiting = h.until("web", "WAITING")
        eventually(lambda: "exited with 1" in h.view("database")["reason"])
        assert "waits for database" in waiting["reason"]
        assert h.view("web")["generation"] == 0

        (tmp_path / "there").touch()
        h.until("web", "RUNNING")

        assert h.view("database")["state"] == "RUNNING"


def test_a_stop_takes_the_dependents_along_first_and_a_start_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    providers = {"database": {**DATABASE, "cwd": str(tmp_path)}, "web": web()}
    with house(tmp_path, providers) as h:
        h.until("web", "RUNNING")

        stopped = h.ctl("stop", "database")
        assert stopped.stdout.splitlines() == ["web       STOPPED", "database  STOPPED"]
        ended = [name for name, state in order(h) if state == "STOPPED"]
        assert ended == ["web", "database"]

        started = h.ctl("start", "web")
        assert [line.split()[:2] for line in started.stdout.splitlines()] == [
            ["database", "RUNNING"],
            ["web", "RUNNING"],
        ]


def test_a_stop_that_takes_along_who_is_stopping_already_leaves_it_its_time(tmp_path: Path) -> None:
    """Seen to fail when any second stop hurried: the dependent was killed in the middle of its work."""
    (tmp_path / "there").touch()
    finishes = "trap 'while ! test -e go; do sleep 0.01; done; touch finished; exit 0' TERM; touch up; "
    slow = web(command=["sh", "-c", f"{finishes} while :; do sleep 0.01; done"], cwd=str(tmp_path))
    slow["stop"] = {"timeout": 20}
    with house(tmp_path, {"database": {**DATABASE, "cwd": str(tmp_path)}, "web": slow}) as h:
        h.until("web", "RUNNING")
        eventually((tmp_path / "up").exists)
        for name in ("web", "database"):
            h.ctl("stop", name, "--no-wait")
            h.until(name, "STOPPING")
        (tmp_path / "go").touch()
        h.until("database", "STOPPED")
        assert (tmp_path / "finished").exists()


def test_one_instance_that_is_started_takes_along_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    providers = {"database": {**DATABASE, "cwd": str(tmp_path)}, "web": web(instances=2)}
    with house(tmp_path, providers, settings={"auto_start": False}) as h:
        assert h.ctl("start", "web#2").returncode == 0
        assert h.view("database")["state"] == "RUNNING"
        assert h.view("web#1")["state"] == "STOPPED"


def test_a_crash_of_what_is_needed_leaves_its_dependents_alone(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with house(tmp_path, {"database": {**DATABASE, "cwd": str(tmp_path)}, "web": web()}) as h:
        pid = h.until("web", "RUNNING")["pid"]
        first = h.view("database")
        subprocess.run(["kill", "-9", str(first["pid"])], check=True)

        eventually(lambda: (view := h.view("database"))["state"] == "RUNNING" and view["generation"] == 2)

        assert h.view("web")["pid"] == pid


def test_what_has_done_its_work_is_no_reason_to_wait(tmp_path: Path) -> None:
    migration = {"command": "true", "restart": {"policy": "never"}}
    with house(tmp_path, {"web": web(depends_on="migration"), "migration": migration}) as h:
        h.until("web", "RUNNING")
        assert h.view("migration")["state"] == "EXITED"
        assert h.ctl("start", "migration").returncode == 0


def test_a_boot_starts_no_more_at_once_than_it_may(tmp_path: Path) -> None:
    is_ready = {"kind": "exec", "command": "true", "interval": 0.02}
    providers = {
        name: {"command": "sleep 1000", "stop": {"timeout": 1}, "ready": is_ready} for name in "abcde"
    }
    with house(tmp_path, providers, settings={"parallel_starts": 2}) as h:
        for name in providers:
            h.until(name, "RUNNING")

        starting, most = 0, 0
        for _, state in order(h):
            starting += {"STARTING": 1, "RUNNING": -1}.get(state, 0)
            most = max(most, starting)
        assert most == 2


def test_the_daemon_stops_dependents_first(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    slow = "trap 'touch web-has-ended; exit 0' TERM; while :; do sleep 0.01; done"
    watches = "trap 'test -e web-has-ended && touch in-order; exit 0' TERM; while :; do sleep 0.01; done"
    providers = {
        "database": {**DATABASE, "command": ["sh", "-c", watches], "cwd": str(tmp_path)},
        "web": web(command=["sh", "-c", slow], cwd=str(tmp_path)),
    }
    with house(tmp_path, providers) as h:
        h.until("web", "RUNNING")
        h.stop()
        assert (tmp_path / "in-order").exists()


def test_a_circle_is_refused_by_its_name(tmp_path: Path) -> None:
    config = tmp_path / "providers.yaml"
    blocks = {name: {"command": "true", "depends_on": [other]} for name, other in ("ab", "bc", "ca")}
    config.write_text(json.dumps({"providers": blocks}))

    done = subprocess.run(
        [sys.executable, "-m", "gleitzeitd", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert "a -> b -> c -> a" in done.stderr
