"""Links that somebody laid where a daemon writes lead it nowhere, and nobody else can lay one there.

What refuses a directory that others may change is in `test_premises.py`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import House, eventually, house

NOBODY = 65534
PROVIDERS = {"says": {"command": ["sh", "-c", "echo said; exec sleep 1000"], "start_seconds": 0}}
PRECIOUS = "precious\n"


def renewed(h: House) -> list[str]:
    """Files that a daemon writes as a whole."""
    tokens, history = (hashlib.sha256(os.fsencode(one)).hexdigest()[:16] for one in (h.socket, h.config))
    return [
        *("run/token", "run/children", "run/transient/more.yaml", "run/transient/.more.yaml"),
        *(f"state/tokens/{tokens}.json.draft", f"state/history/{history}/1.json"),
    ]


def lay(h: House, names: list[str], link: Callable[[Path, Path], None]) -> dict[Path, os.stat_result]:
    """In the place of each of these; what they lead to, as it is."""
    before = {}
    for number, name in enumerate(names):
        path, target = h.root / name, h.root / f"precious-{number}"
        target.write_text(PRECIOUS)
        target.chmod(0o604)
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        link(path, target)
        before[target] = target.stat()
    return before


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_no_link_is_written_through(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    """A log is continued, so that is true of symbolic ones: only the daemon's user could lay others."""
    with house(tmp_path, PROVIDERS, started=False) as h:
        tokens = Path(renewed(h)[-2]).with_suffix("")
        is_symbolic = link is Path.symlink_to
        before = lay(h, renewed(h) + ["logs/says.log"] * is_symbolic, link)
        (h.root / tokens).symlink_to("not-there")
        h.start()
        h.until("says", "RUNNING")
        assert h.ctl("run", "--name", "more", "--", "sleep", "1000").returncode == 0
        assert h.ctl("token", "create", "ci", "--scope", "observe").returncode == 0
        if is_symbolic:
            eventually(lambda: "output is dropped" in h.said(), "the log is not written elsewhere")
        assert h.stop() == 0

        assert not (h.root / tokens).is_symlink()
        assert not (h.root / tokens.parent / "not-there").exists()
    for target, was in before.items():
        assert target.read_text() == PRECIOUS
        now = target.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid), target


# Who else is on the machine.

PLACES = ("run", "run/hub", "run/transient", "logs", "state", "state/tokens", "state/history")
TRIES = (
    "ln -s /etc/passwd {}/laid",
    "ln own/file {}/laid",
    "mkdir {}/laid",
    "touch {}/laid",
    "mv {} own/taken",
    "rm -rf {}",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("group", [NOBODY, 0], ids=["a stranger", "who is in the daemon's group"])
def test_nobody_else_lays_a_link_or_takes_a_place(open_directory: Path, group: int) -> None:
    own = open_directory / "own"
    own.mkdir()
    (own / "file").touch()
    for path in (own, own / "file"):
        os.chown(path, NOBODY, NOBODY)
    with house(open_directory, PROVIDERS) as h:
        h.until("says", "RUNNING")
        lines = ["touch own/more", *(line.replace("{}", place) for place in PLACES for line in TRIES)]
        done = subprocess.run(
            ["sh", "-c", "\n".join(f"{line} 2>/dev/null && echo {line!r}" for line in lines)],
            user=NOBODY,
            group=group,
            extra_groups=[],
            cwd=open_directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "touch own/more\n", "and nothing else"
        assert h.view("says")["state"] == "RUNNING"
