"""A machine that has Gleitzeit as users install it: the wheel, in an environment of Debian's Python."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.systemd.machine import Machine, lacking, machine

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "build" / "debian"
"""`make test-services` makes it."""
PLACE = "/opt/gleitzeit"
OURS = ("/etc/gleitzeit", "/var/lib/gleitzeit", "/var/log/gleitzeit", "/var/cache/gleitzeit")
"""What a daemon that was tried on this very machine may have left."""


@contextmanager
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One on which it is installed; skips the test where that cannot be."""
    with booted(tmp_path_factory) as made:
        # what lies below our /tmp is not seen in there
        moved = made.shared / "installed"
        shutil.copytree(BUILT, moved, symlinks=True)
        for file in (*(moved / "bin").iterdir(), moved / "pyvenv.cfg"):
            _tell_its_place(file)
        made.run("cp", "-a", str(moved), PLACE)
        yield made


@contextmanager
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One on which nothing of ours is; skips the test where none can be."""
    if why := lacking():
        pytest.skip(f"no machine with a systemd of its own: {why}")
    # /tmp is another in there
    place = Path("/var/lib", "-".join(("gleitzeit", *tmp_path_factory.getbasetemp().parts[-2:])))
    shutil.rmtree(place, ignore_errors=True)
    try:
        with machine(place) as made:
            made.run("rm", "-rf", *OURS)
            yield made
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _tell_its_place(file: Path) -> None:
    """An environment knows its own place, by the first lines of its commands."""
    if file.is_symlink() or str(BUILT).encode() not in file.read_bytes():
        return
    file.write_bytes(file.read_bytes().replace(str(BUILT).encode(), PLACE.encode()))


def ctl(m: Machine, *words: str) -> str:
    """What the command line says there; it has to succeed."""
    done = m.run(f"{PLACE}/bin/gleitzeitctl", *words)
    return done.stdout + done.stderr
