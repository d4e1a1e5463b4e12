"""The peers' own environments, in an ignored folder of ours: nothing of them touches the project's .venv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
PYTHON = PEERS / "venv"
LITELLM = PEERS / "litellm"
NODE = PEERS / "node"
REQUIREMENTS = HERE / "peers.txt"
LITELLM_REQUIREMENTS = HERE / "litellm.txt"
PM2 = "pm2@7.0.4"


def program(name: str) -> Path:
    """Where a peer's program lies once it is installed."""
    folders = {"pm2": NODE / "node_modules" / ".bin", "litellm": LITELLM / "bin"}
    return folders.get(name, PYTHON / "bin") / name


def python_peers() -> None:
    """supervisor and circus in a virtual environment, as pinned in peers.txt."""
    _environment(PYTHON, REQUIREMENTS, "supervisor and circus")


def litellm_peer() -> None:
    """LiteLLM in one of its own, as pinned in litellm.txt: 800 MB."""
    _environment(LITELLM, LITELLM_REQUIREMENTS, "litellm")


def _environment(folder: Path, requirements: Path, what: str) -> None:
    if _is_done(folder, wanted := f"{sys.version}\n{requirements.read_text()}"):
        return
    print(f"installing {what} into benchmarks/.peers ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--require-hashes", "--requirement", str(requirements)])
    _done(folder, wanted)


def node_peers() -> None:
    """pm2, where there is npm."""
    if not shutil.which("npm") or _is_done(NODE, PM2):
        return
    print("installing pm2 into benchmarks/.peers ...", file=sys.stderr)
    shutil.rmtree(NODE, ignore_errors=True)
    NODE.mkdir(parents=True)
    quiet = [
        "--no-package-lock",
        "--omit-lockfile-registry-resolved",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]
    _run(["npm", "install", "--prefix", str(NODE), *quiet, PM2])
    _done(NODE, PM2)


def printed(*argv: str | Path) -> str:
    """What a program says, such as its version."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stdout}{done.stderr}\ncannot install the peers")


def _is_done(folder: Path, wanted: str) -> bool:
    mark = folder / "installed"
    return mark.exists() and mark.read_text() == wanted


def _done(folder: Path, wanted: str) -> None:
    (folder / "installed").write_text(wanted)
