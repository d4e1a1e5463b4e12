"""What `docs/security.md` does not promise: providers of the daemon's own user get at what is that user's.

Whoever keeps one of these from them tells it on that page as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import DEVNULL, Popen

from tests.house import House, eventually, house

TRIED = {
    "signal the daemon": "kill -0 $PPID",
    "own the control socket": "curl -sf --unix-socket run/gleitzeitd.sock http://d/v1/tokens",
    "read the token of this machine": "grep . run/token",
    "read the config": "grep in-the-file providers.yaml",
    "read what was applied": "grep -r in-the-file state/history",
    "read what others print": "grep loud logs/neighbour.log",
    "look into others": "grep -z PASSWORD /proc/$(cat pid)/environ",
    "look into the daemon": "cat /proc/$PPID/environ",
}
SCRIPT = "until [ -e go ]; do sleep 0.01; done\n" + "\n".join(
    f'if {line} >/dev/null 2>&1; then echo "{name}: yes"; else echo "{name}: no"; fi'
    for name, line in {**TRIED, "all": "true"}.items()
)
PROVIDERS = {
    "neighbour": {
        "command": ["sh", "-c", "echo loud; exec sleep 1000"],
        "env": {"PASSWORD": "in-the-file"},
        "start_seconds": 0,
    },
    "prober": {"command": ["sh", "-c", f"{SCRIPT}\nexec sleep 1000"], "start_seconds": 0},
}


class Bare(House):
    """Neither the daemon nor its providers have root's rights over files and processes of others."""

    def _started(self, printed: int) -> Popen[bytes]:
        without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        return Popen(
            [*without, sys.executable, "-m", "gleitzeitd", "--config", str(self.config)],
            env=self.environment,
            cwd=self.root,
            stdin=DEVNULL,
            stdout=printed,
            stderr=printed,
        )


def test_providers_of_one_user_have_to_trust_each_other(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, started=False) as h:
        h.__class__ = Bare
        h.start()
        (tmp_path / "pid").write_text(str(h.until("neighbour", "RUNNING")["pid"]))
        eventually(lambda: "loud" in read(tmp_path / "logs/neighbour.log"), "it has said something")
        eventually(lambda: list(tmp_path.glob("state/history/*/1.json")), "what was applied is kept")
        (tmp_path / "go").touch()
        log = tmp_path / "logs/prober.log"
        eventually(lambda: "all: yes" in read(log), "everything was tried")

    said = dict(line.split(" ", 3)[3].split(": ") for line in read(log).splitlines())
    assert said == {**dict.fromkeys(TRIED, "yes"), "look into the daemon": "no", "all": "yes"}


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
