"""What the benchmarks find in log files of what a child has printed."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import flood
from benchmarks.births import Births, tick
from benchmarks.deaths import kill_tick

LINES = [b"%012d %086d\n" % (number, 7) for number in range(10)]
SIZE = flood.LINE * len(LINES)
DEADLINE = 10


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "flood.log"


@pytest.fixture
def births(tmp_path: Path) -> Iterator[Births]:
    births = Births(tmp_path / "births")
    yield births
    births.close()


def test_nothing_is_lost_of_lines_in_rotated_stamped_and_compressed_files(log: Path) -> None:
    stamped = [b"2026-11-22T10:00:00.000000000Z stdout F " + line for line in LINES]
    with gzip.open(f"{log}.2.gz", "wb") as oldest:
        oldest.writelines(stamped[:4])
    Path(f"{log}.1").write_bytes(b"".join(stamped[4:8]))
    log.write_bytes(b"".join(stamped[8:]))
    assert flood.account(log, SIZE) == (0, 0)


def test_a_line_that_is_torn_by_a_rotation_is_not_lost(log: Path) -> None:
    text = b"".join(LINES)
    for name, part in ((f"{log}.10", text[:250]), (f"{log}.2", text[250:750]), (str(log), text[750:])):
        Path(name).write_bytes(part)
    assert flood.account(log, SIZE) == (0, 0)


def test_a_line_that_is_missing_or_damaged_is_lost(log: Path) -> None:
    log.write_bytes(b"".join([*LINES[:3], LINES[4][:40] + b"\n", *LINES[5:]]))
    assert flood.account(log, SIZE) == (2 * flood.LINE, 0)


def test_a_line_that_is_there_twice_is_doubled_and_makes_up_for_none(log: Path) -> None:
    log.write_bytes(b"".join([*LINES[:3], *LINES[4:], LINES[0], LINES[5]]))
    assert flood.account(log, SIZE) == (flood.LINE, 2 * flood.LINE)


def test_a_file_that_was_being_compressed_counts_once(log: Path) -> None:
    whole = gzip.compress(b"".join(LINES))
    for name, part in ((f"{log}.2.gz", whole[: len(whole) // 2]), (f"{log}.gz.tmp", whole)):
        Path(name).write_bytes(part)
    Path(f"{log}.2").write_bytes(b"".join(LINES[:5]))
    log.write_bytes(b"".join(LINES[5:]))
    assert flood.account(log, SIZE) == (0, 0)


def test_a_torn_compressed_file_does_not_hide_the_others(log: Path) -> None:
    whole = gzip.compress(b"".join(LINES))
    Path(f"{log}.2.gz").write_bytes(whole[: len(whole) // 2])
    log.write_bytes(b"".join(LINES[5:]))
    assert flood.account(log, SIZE).lost <= 5 * flood.LINE


@pytest.mark.parametrize("chunk", [flood.LINE, 3 * flood.LINE])
def test_a_child_prints_each_line_once_when_it_is_told_to(log: Path, births: Births, chunk: int) -> None:
    orders = flood.orders(SIZE, chunk, rate=1_000_000)[flood.NAME]
    with (
        log.open("wb") as out,
        subprocess.Popen([tick(), log.parent / "births", flood.NAME, *orders], stdout=out) as child,
    ):
        try:
            assert births.wait([flood.NAME], DEADLINE)
            assert log.read_bytes() == b""
            kill_tick(child.pid, signal.SIGUSR1)
            assert births.wait([f"{flood.NAME}-done"], DEADLINE)
            assert log.read_bytes() == b"".join(LINES)
        finally:
            child.kill()


def test_a_stubborn_child_and_its_grandchild_ignore_sigterm(births: Births, tmp_path: Path) -> None:
    with subprocess.Popen([tick(), tmp_path / "births", "stubborn", "stubborn"]) as child:
        born = births.wait(["stubborn", "stubborn-grandchild"], DEADLINE)
        try:
            assert os.getsid(born["stubborn-grandchild"].pid) == born["stubborn-grandchild"].pid
            for birth in born.values():
                kill_tick(birth.pid, signal.SIGTERM)
                assert ignores(birth.pid, signal.SIGTERM)
        finally:
            for birth in born.values():
                kill_tick(birth.pid)
            child.kill()


def ignores(pid: int, number: signal.Signals) -> bool:
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(fields["SigIgn"], 16) >> (number - 1) & 1)
