"""Nobody takes the place of a user's own daemon, to hear what is asked of it and to answer.

Who has no `XDG_RUNTIME_DIR` has it in a place where anybody may make directories.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleitzeit_extensions import places

NOBODY = 65534
SOMEBODY = 1_000_000 + os.getpid()
"""A user that there is not."""


@pytest.fixture
def laid(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What somebody else has made in the place of a user's own daemon, and listens in."""
    owner = os.geteuid() or NOBODY
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "GLEITZEIT_SOCKET", "GLEITZEIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("gleitzeit_extensions.places.os.geteuid", lambda: SOMEBODY)
    directory = Path(places.own_run_directory())
    assert directory == Path(f"/tmp/gleitzeit-{SOMEBODY}")
    directory.mkdir(0o755)
    try:
        (directory / places.TOKEN).write_text("of an impostor\n")
        with socket.socket(socket.AF_UNIX) as impostor:
            impostor.bind(str(directory / places.CONTROL))
            impostor.listen()
            if os.getuid() == 0:
                os.chown(directory, owner, -1)
            yield directory
    finally:
        shutil.rmtree(directory)


def test_a_daemon_in_a_directory_of_another_user_is_not_ones_own(laid: Path) -> None:
    assert places.control_socket() == os.path.join(places.SYSTEM_RUN, places.CONTROL)
    assert places.local_token() != "of an impostor"


def test_one_in_a_directory_of_ones_own_is(laid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = laid.stat().st_uid
    monkeypatch.setattr("gleitzeit_extensions.places._place_for_all", lambda: str(laid))
    monkeypatch.setattr("gleitzeit_extensions.places.os.geteuid", lambda: owner)
    assert places.control_socket() == str(laid / places.CONTROL)
    assert places.local_token() == "of an impostor"
