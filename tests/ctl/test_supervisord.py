"""`config import`: what a supervisord.conf becomes, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.complaint import Complaint
from gleitzeitctl.supervisord import Taken, as_yaml, read
from gleitzeitd.config.load import load
from gleitzeitd.core.spec import House
from tests.warm import run

PROGRAM = """
[supervisord]
nodaemon=true
[program:web]
command=/srv/bin/web --name "my app" ; the server
environment=A="1,2", B='x y',C=%(ENV_HOME)s/x
directory=%(here)s/%(program_name)s
autorestart=true
startsecs=5
startretries=2
stopsignal=INT
stopwaitsecs=20
numprocs=2
umask=022
stdout_logfile=/var/log/web.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""


def taken(tmp_path: Path, text: str) -> Taken:
    (tmp_path / "supervisord.conf").write_text(text)
    return read(str(tmp_path / "supervisord.conf"))


def loaded(tmp_path: Path, found: Taken) -> House:
    """What the daemon would make of it."""
    (tmp_path / "providers.yaml").write_text(as_yaml(found, "supervisord.conf"))
    return load(str(tmp_path / "providers.yaml"))


def test_what_has_a_counterpart_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    (tmp_path / "web").mkdir()
    found = taken(tmp_path, PROGRAM)
    (spec,) = loaded(tmp_path, found).specs

    assert found.remarks == []
    assert spec.env == {"A": "1,2", "B": "x y", "C": "/home/ada/x"}
    assert found.providers["web"] == {
        "command": ["/srv/bin/web", "--name", "my app"],
        "env": {"A": "1,2", "B": "x y", "C": "${HOME}/x"},
        "cwd": f"{tmp_path}/web",
        "restart": {"policy": "always"},
        "start_seconds": 5,
        "max_retry_attempts": 3,
        "stop": {"signal": "SIGINT", "timeout": 20},
        "instances": 2,
        "umask": "0022",
        "logs": {"size": "5MiB", "files": 3},
    }


@pytest.mark.parametrize(
    ("line", "block"),
    [
        ("autorestart=false", {"restart": {"policy": "never"}}),
        ("autorestart=unexpected", {"restart": {"policy": "on-failure"}}),
        ("", {"restart": {"policy": "on-failure"}}),
        ("autostart=no", {"enabled": False, "restart": {"policy": "on-failure"}}),
        ("autostart=yes", {"restart": {"policy": "on-failure"}}),
        ("stdout_logfile_maxbytes=100", {"logs": {"size": "100"}, "restart": {"policy": "on-failure"}}),
    ],
)
def test_their_defaults_are_kept(tmp_path: Path, line: str, block: dict[str, Any]) -> None:
    found = taken(tmp_path, f"[program:a]\ncommand=sleep 1\n{line}\n")
    assert found.providers == {"a": {"command": ["sleep", "1"], **block}}


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("[program:a]\ncommand=x\npriority=1", "[program:a] priority=1: there are no priorities"),
        ("[program:a]\ncommand=x\nexitcodes=0,\n  2", "under `on-failure`"),
        ("[program:a]\ncommand=x\nnonsense=1", "nonsense=1: there is nothing like it here"),
        ("[program:a]\ncommand=x --port=80%(process_num)02d\nnumprocs=2", "cannot differ by %(process_num)"),
        ("[group:g]\nprograms=a", "[group:g]: there are no groups"),
        ("[eventlistener:e]\ncommand=x", "[eventlistener:e] is not taken over"),
    ],
)
def test_what_has_none_is_told(tmp_path: Path, text: str, remark: str) -> None:
    found = taken(tmp_path, text)
    assert any(remark in one for one in found.remarks)
    assert remark in as_yaml(found, "x")
    loaded(tmp_path, found)


def test_a_dollar_stays_what_it_was(tmp_path: Path) -> None:
    found = taken(tmp_path, "[program:a]\ncommand=sh -c 'echo ${HOME} $PATH 100%%'\n")
    (spec,) = loaded(tmp_path, found).specs
    assert found.providers["a"]["command"] == ["sh", "-c", "echo $${HOME} $PATH 100%"]
    assert spec.target.argv == ("sh", "-c", "echo ${HOME} $PATH 100%")  # type: ignore[union-attr]


def test_included_files_belong_to_it(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "more.conf").write_text("[program:more]\ncommand=sleep 2\n")
    found = taken(tmp_path, "[include]\nfiles=conf.d/*.conf\n[program:a]\ncommand=sleep 1\n")
    assert sorted(found.providers) == ["a", "more"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("command=x", "is no configuration of supervisord"),
        ("[program:a]\ncommand='x", "[program:a] command='x: No closing quotation"),
        ("[program:a]\ncommand=x\nstartsecs=soon", "startsecs=soon: invalid literal"),
        ("[program:a]\ncommand=x\nenvironment=A", "environment=: it is not a list of KEY"),
        ("[program:a]\ncommand=x\nautorestart=maybe", "autorestart=maybe: it is true, false or unexpected"),
    ],
)
def test_nonsense_is_told_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Complaint) as said:
        taken(tmp_path, text)
    assert sentence in str(said.value)
    assert said.value.exit == 2


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text("[program:a]\ncommand=sleep 1\n")
    words = ["config", "import", "s.conf", "--config-file", "p.yaml"]
    created = run("gleitzeitctl", words, tmp_path, {})
    assert (created.returncode, created.stdout.partition(":")[0]) == (0, "created p.yaml with 1 provider")
    again = run("gleitzeitctl", words, tmp_path, {})
    assert again.returncode == 2
    assert "p.yaml is there already" in again.stderr
