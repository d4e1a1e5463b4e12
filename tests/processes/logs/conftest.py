from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gleitzeitd.processes.logs.logfile import LogFile


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Once it is set, the disk does what it was asked for."""
    answers = threading.Event()
    append = LogFile.append

    def hang(self: LogFile, records: Any) -> None:
        assert answers.wait(60)
        append(self, records)

    monkeypatch.setattr(LogFile, "append", hang)
    yield answers
    answers.set()
