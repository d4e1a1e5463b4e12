"""docs/performance.md has the defaults and the limits that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from gleitzeit_extensions.protocol import CREDIT_BYTES, MAX_FRAME, WINDOW
from gleitzeitd.config.reference import keys
from gleitzeitd.config.source import LARGEST
from gleitzeitd.hub.callers import MOST_CALLS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()


def test_the_keys_to_tune_are_there_and_have_these_defaults() -> None:
    shown = dict(re.findall(r"^\| `([a-z_.]+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    known = {".".join(key.path): str(key.default) for key in keys("Provider")}
    known |= {f"global.{'.'.join(key.path)}": str(key.default) for key in keys("Global")}

    assert len(shown) > 7
    assert shown == {name: known.get(name) for name in shown}


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{MAX_FRAME // 2**20} MiB of JSON" in PAGE
    assert f"{WINDOW} credits" in PAGE
    assert f"{CREDIT_BYTES // 1024} KiB begun of a frame" in PAGE
    assert f"| {MOST_CALLS:,} at once |" in PAGE
    assert f"| the config file | {LARGEST // 2**20} MiB |" in PAGE
