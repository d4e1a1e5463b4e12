"""`watch: true`: a provider's author saves its source, and the next call is answered by it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.house import eventually, house
from tests.scenarios.saves import failures
from tests.scenarios.subjects import Steady

SOURCE = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Mine(SocketIOProviderClient):
    def count(self, call):
        return 1
"""


def test_a_saved_source_is_what_answers_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """All saves are of one second and one size, by which Python knows whether what it has compiled is old."""
    providers = {"watched": {"class": "mine.Mine", "watch": True}, "left": {"class": "other.Mine"}}
    source = tmp_path / "mine.py"

    def save(answer: str, at: int) -> None:
        draft = tmp_path / "draft"
        draft.write_text(SOURCE.replace("return 1", f"return {answer}"))
        os.utime(draft, ns=(at, at))
        draft.replace(source)

    save("1", 10**18)
    with house(tmp_path, providers, {"other.py": SOURCE}) as h:
        left = h.until("left", "RUNNING")["pid"]
        with Steady(h, "watched") as steady:
            save("2", 10**18 + 1)
            steady.until(2)
            eventually(lambda: not h.view("watched")["beside"])
            pid = h.view("watched")["pid"]

            save("(", 10**18 + 2)
            eventually(lambda: "SyntaxError" in failures(h).get("watched", ""), "the failure is shown")
            steady.goes_on()
            assert h.view("watched")["pid"] == pid

            save("3", 10**18 + 3)
            steady.until(3)
            eventually(lambda: not failures(h))
        assert steady.answers == sorted(steady.answers)
        assert h.view("left")["pid"] == left
