"""What a provider's process does not load, though it is installed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from gleitzeit_extensions import link, lean
for name in (*lean.BROKERS, *lean.OTHERS):
    assert name not in sys.modules, name
import redis.asyncio
assert redis.asyncio.Redis and lean.socketio.AsyncClient
"""


def test_no_brokers_library_is_loaded_and_each_can_be_imported_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
