"""`gleitzeitctl setup` on a machine that has Debian's Python and nothing of ours but the installed wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator

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


def test_a_unit_that_somebody_else_wrote_is_not_touched(m: Machine) -> None:
    m.write(UNIT, "[Service]\nExecStart=/bin/true\n")
    refused = m.run(f"{PLACE}/bin/gleitzeitctl", "setup", "system", check=False)
    assert refused.returncode == 1
    assert f"{UNIT} is there, and is not of Gleitzeit: move it away" in refused.stderr
    assert not any(exists(m, path) for path in OURS if path != UNIT)
    assert "nothing to do" in ctl(m, "setup", "remove")
    assert m.run("cat", UNIT).stdout == "[Service]\nExecStart=/bin/true\n"


def test_a_user_has_a_service_of_their_own(m: Machine) -> None:
    m.run("useradd", "-m", "ada")
    m.run("loginctl", "enable-linger", "ada")
    m.until("loginctl", "show-user", "ada", "-p", "State", says="lingering")

    def as_ada(*words: str) -> str:
        uid = m.run("id", "-u", "ada").stdout.strip()
        becoming = ("setpriv", "--reuid=ada", "--regid=ada", "--init-groups")
        return m.run(*becoming, "env", "HOME=/home/ada", f"XDG_RUNTIME_DIR=/run/user/{uid}", *words).stdout

    as_ada(f"{PLACE}/bin/gleitzeitctl", "setup", "user")
    as_ada("systemctl", "--user", "start", "gleitzeitd")
    assert "RUNNING" in as_ada(f"{PLACE}/bin/gleitzeitctl", "start", "all")
    as_ada("systemctl", "--user", "reload", "gleitzeitd")
    as_ada(f"{PLACE}/bin/gleitzeitctl", "setup", "remove")
    assert not exists(m, "/home/ada/.config/systemd/user/gleitzeitd.service")
    assert exists(m, "/home/ada/.config/gleitzeit/providers.yaml")
