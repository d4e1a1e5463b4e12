"""node, from the wheel of that name, with the packages of `package-lock.json` beside this file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = Path(__file__).parent / "node_modules"


@asynccontextmanager
async def node(script: str, *arguments: str, **variables: str) -> AsyncIterator[Process]:
    """node runs a script of the project; what it prints to stdout can be read."""
    if not MODULES.exists():
        raise AssertionError("the JavaScript packages are missing: run `make install`")
    running = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("node")),
        str(ROOT / script),
        *arguments,
        env={**os.environ, "NODE_PATH": str(MODULES), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
