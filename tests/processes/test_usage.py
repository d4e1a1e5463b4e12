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


def test_a_look_soon_after_another_is_compared_with_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([(100.0, 10.0), (101.0, 11.0), (101.1, 11.1), (200.0, 20.0)])

    def look(pid: int) -> usage._Look:
        now, busy = next(looks)
        return usage._Look(now, 50.0, busy, 4096)

    monkeypatch.setattr(usage, "_look", look)
    usages = Usages()
    seen = [usages.of(1) for _ in range(4)]
    told = [round(one.cpu, 3) for one in seen if one]
    # its life so far, the last second, that second still, and its life, since the last look was long ago
    assert told == [0.2, 1.0, 1.0, round(20 / 150, 3)]


def test_another_process_with_the_same_number_has_not_used_what_the_first_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([usage._Look(100.0, 50.0, 40.0, 1), usage._Look(102.0, 101.0, 0.5, 1)])
    monkeypatch.setattr(usage, "_look", lambda pid: next(looks))
    usages = Usages()
    usages.of(1)
    assert usages.of(1) == usage.Usage(0.5, 1)


def test_who_is_gone_uses_nothing() -> None:
    assert Usages().of(NOBODY) is None
