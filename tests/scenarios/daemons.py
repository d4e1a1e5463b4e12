"""What is done to the daemon itself: killed, and stopped for a while."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.house import House, house
from tests.observer import observed
from tests.scenarios.common import AT_ONCE, all_are, becomes, never_running, only_legal, room, views
from tests.scenarios.storm import Storm, sleepers

FAMILY = {
    "command": ["sh", "-c", "sleep 1000 & setsid sleep 1000 & exec sleep 1000"],
    "start_seconds": 0,
    **AT_ONCE,
}


def killed_at_random(root: Path, *, instances: int, rounds: int) -> None:
    """Within a deadline nothing of a dead daemon's is left, and the next one starts nothing twice."""
    chance = random.Random(11)
    providers = {**sleepers(instances), "family": FAMILY}
    with house(root, providers) as h, observed(h, room(len(providers))) as seen:
        storm = Storm(seen)
        for _ in range(rounds):
            all_are(h, "RUNNING")
            storm.rage(chance.randrange(1, 30))
            _kill(h)
            h.start()
        all_are(h, "RUNNING")


def _kill(h: House) -> None:
    h.daemon.kill()
    h.daemon.wait()
    becomes(h.left_behind, [], f"what is left of the killed daemon {h.daemon.pid}")


def killed_and_started_at_once(root: Path, *, instances: int, rounds: int) -> None:
    """The next daemon does not wait for anybody to clear away what the last one left."""
    providers = {**sleepers(instances), "family": FAMILY}
    with house(root, providers) as h, observed(h, room(len(providers))):
        for _ in range(rounds):
            all_are(h, "RUNNING")
            last = h.daemon
            last.kill()
            last.wait()
            h.start()
        all_are(h, "RUNNING")


def stopped_for_a_while(root: Path, *, seconds: float) -> None:
    """Time in which the daemon itself stood still is nobody's failure.

    The liar ends while nobody looks, and its deadline passes as well: its end came first.
    """
    providers = {
        "calculator": {"class": "providers.calculator_provider.CalculatorProvider"},
        "sleeper": {"command": ["sleep", "1000"], "start_seconds": 0},
        "liar": {
            "command": ["sh", "-c", "[ -e armed ] || exit 0; until [ -e go ]; do sleep 0.01; done; exit 1"],
            "cwd": ".",
            "start_seconds": 0.6 * seconds,
            "restart": {"policy": "never"},
        },
    }
    with house(root, providers, settings={"health_check_interval": 0.2}) as h, observed(h) as seen:
        all_are(h, "RUNNING", ["calculator", "sleeper"])
        h.until("liar", "EXITED")
        (h.root / "armed").touch()
        h.client.post("/v1/start", {"names": ["liar"], "wait": False})
        h.until("liar", "STARTING")
        before = {name: view["pid"] for name, view in views(h).items() if name != "liar"}
        h.daemon.send_signal(signal.SIGSTOP)
        (h.root / "go").touch()
        # Standing still is a matter of time alone: there is no fact to wait for.
        time.sleep(seconds)
        h.daemon.send_signal(signal.SIGCONT)
        h.until("liar", "EXITED")
        assert h.invoke("calculator", "add", {"a": 5, "b": 3})["result"] == 8
        after = views(h)
        assert {name: after[name]["pid"] for name in before} == before
        assert {name: (after[name]["state"], after[name]["restarts"]) for name in before} == dict.fromkeys(
            before, ("RUNNING", 0)
        )
        never_running(h, seen, ["liar"])
        only_legal(h)
