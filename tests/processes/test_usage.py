"""What real processes use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gleitzeitd.processes import usage
from gleitzeitd.processes.memory import resident
from gleitzeitd.processes.usage import Usages
from tests.house import eventually

NOBODY = 2**22 + 1


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has come as far as printing a line; at the end it is killed, with what it started."""
    with subprocess.Popen(
        [sys.executable, "-ISc", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


BUSY = "print(flush=True)\nwhile True: pass"
QUIET = "print(flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-ISc', {BUSY!r}])"


def test_one_that_computes_is_told_from_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "SHORTEST", 0.1)
    with running(BUSY) as busy, running(QUIET) as quiet:
        usages = Usages()

        def told() -> bool:
            busily, quietly = usages.of(busy.pid), usages.of(quiet.pid)
            return bool(busily and quietly and busily.cpu > 0.2 and quietly.cpu < 0.05)

        assert eventually(told)


def test_what_descends_from_it_counts() -> None:
    with running(PARENT) as parent:
        usages = Usages()
        used = usages.of(parent.pid)
        assert used is not None
        assert used.memory > resident([parent.pid])
        assert eventually(lambda: (found := usages.of(parent.pid)) is not None and found.cpu > 0.1)


CROWD = """
import os, signal
for _ in range(1000):
    if not os.fork():
        signal.pause()
print(flush=True)
input()
"""


def test_a_thousand_children_are_all_seen() -> None:
    with running(CROWD) as parent:
        look = usage._look(parent.pid)
    assert look is not None
    assert len(look.busy) == 1001


def looks(*seen: tuple[float, dict[str, tuple[float, float]]]) -> list[usage._Look]:
    """At a leader `a`, which started at 50, and at others, which started at the time in their names."""
    return [
        usage._Look(
            at,
            50.0,
            {
                (ord(name[0]), float(name[1:] or 50)): usage._Busy(own, waited)
                for name, (own, waited) in busy.items()
            },
            4096,
        )
        for at, busy in seen
    ]


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        pytest.param({"a": (5, 0), "b60": (40, 0)}, {"a": (5, 41)}, 1, id="waited for"),
        pytest.param({"a": (5, 0), "b60": (40, 0)}, {"a": (6, 0)}, 1, id="nobody waited for it"),
        pytest.param({"a": (5, 0)}, {"a": (5, 0), "b100.5": (1, 0)}, 1, id="new"),
        pytest.param({"a": (5, 0)}, {"a": (6, 0), "b60": (40, 0)}, 1, id="not seen before"),
        pytest.param({"a": (5, 0), "b60": (40, 0)}, {"a": (5, 0), "b101": (1, 0)}, 1, id="the same number"),
        pytest.param({"a": (5, 0)}, {"a": (5, 1)}, 1, id="came and went"),
    ],
)
def test_what_children_had_counts_once_and_only_for_the_time_between(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], seconds: float
) -> None:
    earlier, later = looks((100.0, before), (102.0, after))
    assert usage._between(earlier, later) == seconds


def test_a_look_soon_after_another_is_compared_with_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [(100.0, 10.0), (101.0, 11.0), (101.1, 11.1), (200.0, 20.0)]
    coming = iter(looks(*((at, {"a": (busy, 0.0)}) for at, busy in seen)))
    monkeypatch.setattr(usage, "_look", lambda pid: next(coming))
    usages = Usages()
    found = [usages.of(1) for _ in range(4)]
    told = [round(one.cpu, 3) for one in found if one]
    # its life so far, the last second, that second still, and its life, since the last look was long ago
    assert told == [0.2, 1.0, 1.0, round(20 / 150, 3)]


def test_another_process_with_the_same_number_has_not_used_what_the_first_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = usage._Look(100.0, 50.0, {(1, 50.0): usage._Busy(40.0, 0.0)}, 1)
    second = usage._Look(102.0, 101.0, {(1, 101.0): usage._Busy(0.5, 0.0)}, 1)
    coming = iter([first, second])
    monkeypatch.setattr(usage, "_look", lambda pid: next(coming))
    usages = Usages()
    usages.of(1)
    assert usages.of(1) == usage.Usage(0.5, 1)


def test_who_is_gone_uses_nothing() -> None:
    assert Usages().of(NOBODY) is None
