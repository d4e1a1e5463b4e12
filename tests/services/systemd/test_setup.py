"""`gleitzeitctl setup` on a machine that has Debian's Python and nothing of ours but the installed wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest

from tests.services.systemd.machine import Machine
from tests.services.systemd.places import PLACE, ctl, fresh

UNIT = "/etc/systemd/system/gleitzeitd.service"
OURS = ("/etc/gleitzeit", "/etc/sysusers.d/gleitzeit.conf", "/etc/tmpfiles.d/gleitzeit.conf", UNIT)


@pytest.fixture
def m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with fresh(tmp_path_factory) as made:
        yield made


def exists(m: Machine, path: str) -> bool:
    return m.run("test", "-e", path, check=False).returncode == 0


def test_from_nothing_to_a_call_and_back(m: Machine) -> None:
    said = ctl(m, "setup", "system", "--dry-run")
    assert [line.split()[:2] for line in said.splitlines()[:2]] == [["would", "write"], ["would", "make"]]
    assert not any(exists(m, path) for path in OURS)

    ctl(m, "setup", "system")
    assert "nothing to do" in ctl(m, "setup", "system")
    modes = m.run("stat", "-c", "%a %U %G", "/etc/gleitzeit", "/etc/gleitzeit/providers.yaml").stdout
    assert modes.splitlines() == ["750 root gleitzeit", "640 root gleitzeit"]

    m.run("systemctl", "enable", "--now", "gleitzeitd")
    told = m.run("journalctl", "-u", "gleitzeitd", "-p", "warning", "-o", "cat", "--no-pager").stdout
    assert told == "", "nothing is amiss"
    ctl(m, "start", "all")
    answer = ctl(m, "providers", "invoke", "calculator", "add", "--args", '{"a": 1, "b": 2}', "--json")
    assert json.loads(answer)["result"]["result"] == 3

    ctl(m, "setup", "remove")
    assert "nothing to do" in ctl(m, "setup", "remove")
    assert m.run("systemctl", "is-active", "gleitzeitd", check=False).stdout.strip() == "inactive"
    assert [exists(m, path) for path in OURS] == [True, False, False, False]
    assert exists(m, "/var/lib/gleitzeit/history")


def test_an_upgrade_writes_the_unit_anew_and_leaves_the_config(m: Machine) -> None:
    ctl(m, "setup", "system")
    m.run(
        "sh", "-c", f"echo '# of the last release' >> {UNIT}; echo '# mine' >> /etc/gleitzeit/providers.yaml"
    )

    said = ctl(m, "setup", "system")
    assert f"write {UNIT} anew" in said
    assert "# of the last release" not in m.run("cat", UNIT).stdout
    assert "# mine" in m.run("cat", "/etc/gleitzeit/providers.yaml").stdout


def failing(m: Machine, program: str, *words: str) -> str:
    """What setup says when that program fails, as if it had been killed there."""
    m.write(f"/tmp/failing/{program}", "#!/bin/sh\necho no more >&2; exit 1\n", 0o755)
    path = "PATH=/tmp/failing:/usr/sbin:/usr/bin:/sbin:/bin"
    done = m.run("env", path, f"{PLACE}/bin/gleitzeitctl", "setup", *words, check=False)
    m.run("rm", f"/tmp/failing/{program}")
    assert done.returncode == 1
    return done.stderr


def is_stale(m: Machine) -> bool:
    asking = ("systemctl", "show", "-p", "NeedDaemonReload", "--value", "gleitzeitd")
    return m.run(*asking).stdout == "yes\n"


def test_what_was_interrupted_is_completed_by_the_next_run(m: Machine) -> None:
    said = failing(m, "systemd-tmpfiles", "system")
    assert said.endswith("systemd-tmpfiles --create /etc/tmpfiles.d/gleitzeit.conf: no more\n")
    ctl(m, "setup", "system")
    assert m.run("stat", "-c", "%a %G", "/etc/gleitzeit").stdout == "750 gleitzeit\n"

    m.run("systemctl", "start", "gleitzeitd")
    m.run("sh", "-c", f"echo '# of the last release' >> {UNIT}")
    failing(m, "systemctl", "system")
    assert is_stale(m)
    assert "run systemctl daemon-reload" in ctl(m, "setup", "system")
    assert not is_stale(m)
    assert "nothing to do" in ctl(m, "setup", "system")

    failing(m, "systemctl", "remove")
    assert exists(m, UNIT), "as long as it runs it is known"
    ctl(m, "setup", "remove")
    assert [exists(m, path) for path in OURS] == [True, False, False, False]
    assert m.run("systemctl", "is-active", "gleitzeitd", check=False).stdout.strip() == "inactive"
    assert "nothing to do" in ctl(m, "setup", "remove")


CARRIES_OUT = """
import os, signal, sys
from gleitzeitctl.commands.setup import _config
from gleitzeitctl.setup import plans

steps = plans.removal() if sys.argv[1] == "remove" else plans.system(_config())
left = int(sys.argv[2])
changed = False
for step in steps:
    if step.pending(changed):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        step.act()
        changed, left = True, left - 1
"""


def carry_out(m: Machine, what: str, steps: int) -> bool:
    """Do so many steps of it, and be killed; whether there were more."""
    script = f"{m.shared}/carry_out.py"
    m.write(script, CARRIES_OUT)
    return m.run(f"{PLACE}/bin/python", script, what, str(steps), check=False).returncode in (-9, 137)


def state(m: Machine) -> dict[str, object]:
    """Of what a set-up makes: the files with their owners and modes, the user, and what systemd knows."""
    listed = m.run(
        "sh", "-c", f"stat -c '%n %A %U %G %s' {' '.join(OURS)} /etc/gleitzeit/* 2>/dev/null", check=False
    )
    units = m.run(
        "sh", "-c", "ls /etc/systemd/system /etc/sysusers.d /etc/tmpfiles.d | grep gleitzeit", check=False
    )
    known = m.run(
        "systemctl", "show", "-p", "LoadState,NeedDaemonReload,UnitFileState,ActiveState", "gleitzeitd"
    )
    user = m.run("id", "gleitzeit", check=False)
    return {"files": listed.stdout, "units": units.stdout, "known": known.stdout, "user": user.stdout}


def put_back(m: Machine) -> None:
    """As it was before anything was set up."""
    ctl(m, "setup", "remove")
    m.run("rm", "-rf", "/etc/gleitzeit")
    m.run("userdel", "gleitzeit", check=False)


def test_a_setup_that_was_killed_anywhere_is_made_whole_by_the_next(m: Machine) -> None:
    ctl(m, "setup", "system")
    whole = state(m)
    put_back(m)

    steps = 0
    while carry_out(m, "system", steps):
        ctl(m, "setup", "system")
        assert state(m) == whole, f"after {steps} steps"
        assert "nothing to do" in ctl(m, "setup", "system")
        put_back(m)
        steps += 1
    assert steps == 7


def test_an_upgrade_that_was_killed_anywhere_is_made_whole_by_the_next(m: Machine) -> None:
    ctl(m, "setup", "system")
    m.run("systemctl", "start", "gleitzeitd")
    whole = state(m)
    steps = 0
    while True:
        m.run("sh", "-c", f"echo '# of the last release' >> {UNIT}; systemctl daemon-reload")
        if not carry_out(m, "system", steps):
            break
        ctl(m, "setup", "system")
        assert state(m) == whole, f"after {steps} steps"
        steps += 1
    assert steps == 2


def test_a_removal_that_was_killed_anywhere_is_made_whole_by_the_next(m: Machine) -> None:
    def begin() -> None:
        ctl(m, "setup", "system")
        m.run("systemctl", "enable", "--now", "gleitzeitd")

    begin()
    ctl(m, "setup", "remove")
    gone = state(m)
    begin()
    steps = 0
    while carry_out(m, "remove", steps):
        ctl(m, "setup", "remove")
        assert state(m) == gone, f"after {steps} steps"
        assert "nothing to do" in ctl(m, "setup", "remove")
        begin()
        steps += 1
    assert steps == 5


def test_a_unit_that_somebody_else_wrote_is_not_touched(m: Machine) -> None:
    m.write(UNIT, "[Service]\nExecStart=/bin/true\n")
    refused = m.run(f"{PLACE}/bin/gleitzeitctl", "setup", "system", check=False)
    assert refused.returncode == 1
    assert f"{UNIT} is there, and is not of Gleitzeit: move it away" in refused.stderr
    assert not any(exists(m, path) for path in OURS if path != UNIT)
    assert "nothing to do" in ctl(m, "setup", "remove")
    assert m.run("cat", UNIT).stdout == "[Service]\nExecStart=/bin/true\n"


def test_a_directory_that_a_start_missed_is_made_as_it_should_be(m: Machine) -> None:
    ctl(m, "setup", "system")
    m.run("rm", "-r", "/etc/gleitzeit")
    assert m.run("systemctl", "start", "gleitzeitd", check=False).returncode == 1
    said = m.run("systemctl", "status", "gleitzeitd", check=False).stdout
    assert "/etc/gleitzeit/providers.yaml: there is no such file" in said
    ctl(m, "setup", "system")
    assert m.run("stat", "-c", "%a %U %G", "/etc/gleitzeit").stdout == "750 root gleitzeit\n"
    m.run("systemctl", "start", "gleitzeitd")


OWN = ("/home/ada/.config/gleitzeit/providers.yaml", "/home/ada/.config/systemd/user/gleitzeitd.service")


def as_ada(m: Machine, *words: str, session: bool = True) -> CompletedProcess[str]:
    uid = m.run("id", "-u", "ada").stdout.strip()
    becoming = ("setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "env", "HOME=/home/ada")
    place = (f"XDG_RUNTIME_DIR=/run/user/{uid}",) if session else ()
    return m.run(*becoming, *place, *words, check=session)


def test_a_user_has_a_service_of_their_own(m: Machine) -> None:
    m.run("useradd", "-m", "ada")
    refused = as_ada(m, f"{PLACE}/bin/gleitzeitctl", "setup", "user", session=False)
    assert (refused.returncode, "enable-linger" in refused.stderr) == (1, True)
    assert not any(exists(m, path) for path in OWN), "nothing is begun that could not be ended"
    m.run("loginctl", "enable-linger", "ada")
    m.until("loginctl", "show-user", "ada", "-p", "State", says="lingering")

    said = as_ada(m, f"{PLACE}/bin/gleitzeitctl", "setup", "user").stderr
    assert f"edit {OWN[0]}," in said
    as_ada(m, "systemctl", "--user", "start", "gleitzeitd")
    assert "RUNNING" in as_ada(m, f"{PLACE}/bin/gleitzeitctl", "start", "all").stdout
    as_ada(m, "systemctl", "--user", "reload", "gleitzeitd")
    as_ada(m, f"{PLACE}/bin/gleitzeitctl", "setup", "remove")
    assert [exists(m, path) for path in OWN] == [True, False]
    history = as_ada(m, f"{PLACE}/bin/gleitzeitctl", "config", "history", "--config-file", OWN[0])
    assert "the daemon is not running" in history.stderr
    assert "not kept any" not in history.stdout + history.stderr
