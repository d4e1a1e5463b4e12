"""As whom, where and with what a provider is executed, seen from inside the provider."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.house import PYTHON, House, eventually, house

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a program as another user")


def printed(h: House, name: str) -> list[str]:
    """What it printed, once that is all there."""
    eventually(lambda: "done" in h.ctl("logs", name).stdout)
    return h.ctl("logs", name).stdout.splitlines()[:-1]


def tells(script: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", f"{script}; echo done; exec sleep 1000"], "stop": {"timeout": 1}, **more}


def test_variables_come_from_files_and_env_wins(tmp_path: Path) -> None:
    files = {"secrets.env": 'KEY="of the file"\nOTHER=of the file\n'}
    wanted = tells('echo "$KEY, $OTHER"', env_file="secrets.env", env={"OTHER": "of env"})
    with house(tmp_path, {"p": wanted}, files) as h:
        assert printed(h, "p") == ["of the file, of env"]


def test_an_env_file_that_went_away_is_the_error_of_its_provider(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    with house(tmp_path, {"p": tells("true", env_file="secrets.env")}, {"secrets.env": "A=b"}) as h:
        printed(h, "p")
        path.unlink()
        h.ctl("restart", "p")
        reason = h.until("p", "FATAL")["reason"]
        assert reason == f"{path}: the env_file cannot be read: No such file or directory"


def test_limits_mask_and_niceness_hold_from_the_first_instruction(tmp_path: Path) -> None:
    wanted = tells("ulimit -n; umask; nice", limits={"nofile": 123}, umask="0027", nice=5)
    with house(tmp_path, {"p": wanted}) as h:
        assert printed(h, "p") == ["123", "0027", "5"]


@ROOT
def test_another_user_gets_nothing_of_root(tmp_path: Path) -> None:
    script = "id -u; id -G; echo $HOME; cat /proc/self/status | grep CapEff; ls /proc/self/fd | wc -l"
    with house(tmp_path, {"p": tells(script, user="nobody", cwd="/")}) as h:
        uid, groups, home, capabilities, descriptors = printed(h, "p")
        assert uid == "65534"
        assert "0" not in groups.split()
        assert home == "/nonexistent"
        assert capabilities.split()[1] == "0000000000000000"
        assert int(descriptors) == 4  # 0 to 2, and the one that ls lists with.


def test_one_that_uses_too_much_memory_is_replaced(tmp_path: Path) -> None:
    greedy = "x = bytearray(200 * 2**20); import time; time.sleep(1000)"
    wanted = {
        "command": [*PYTHON, "-c", greedy],
        "limits": {"max_rss": "50MiB"},
        "start_seconds": 0.01,
        "stop": {"timeout": 1},
    }
    with house(tmp_path, {"greedy": wanted}) as h:
        eventually(lambda: h.view("greedy")["generation"] > 1)
        assert "more than its max_rss of 50 MiB" in h.ctl("why", "greedy").stdout
