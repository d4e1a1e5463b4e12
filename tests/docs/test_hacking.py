"""HACKING.md tells every target of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_target_is_told_and_there_is_no_other() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = re.findall(r"^    make ([a-z-]+) ", (ROOT / "HACKING.md").read_text(), re.MULTILINE)

    assert len(told) == len(set(told))
    assert targets - set(told) == {"help", "install"}, "`make` alone and the first `make` say these"
    assert set(told) - targets == set()
