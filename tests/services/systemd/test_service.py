"""The unit under a real systemd: from its start to its end, and what goes wrong in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.systemd.machine import Machine
from tests.services.systemd.places import PLACE, ROOT, ctl, fresh

CONFIG = "/etc/gleitzeit/providers.yaml"
UNIT = "/etc/systemd/system/gleitzeitd.service"
SOCKET = "/run/gleitzeit/gleitzeitd.sock"

ESCAPES = "setsid sh -c 'echo $$ > /var/lib/gleitzeit/escaped; exec sleep 1000' & exec sleep 1000"
PROVIDERS = {
    "calculator": {"type": "tool", "class": "providers.calculator_provider.CalculatorProvider"},
    "escaping": {"command": ["sh", "-c", ESCAPES]},
    "keyed": {
        "command": ["sh", "-c", 'printf %s "$KEY" | sha256sum; exec sleep 1000'],
        "env": {"KEY": "${cred:openai}"},
    },
    "stubborn": {"command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], "stop": {"timeout": 1}},
}
KEY = "sk-never-seen"
DROP_IN = """
[Service]
LoadCredential=openai:/etc/gleitzeit/openai.key
LoadCredential=keys:/etc/gleitzeit/keys
WatchdogSec=3
TimeoutAbortSec=1
"""

HAMMER = f"""
import socket, sys
asked = refused = 0
while True:
    for family, place in ((socket.AF_INET, ("127.0.0.1", 8000)), (socket.AF_UNIX, "{SOCKET}")):
        line = socket.socket(family)
        line.settimeout(30)
        try:
            line.connect(place)
        except OSError as exc:
            print("refused", place, exc, flush=True)
            sys.exit(1)
        line.sendall(b"GET /livez HTTP/1.0\\r\\n\\r\\n")
        try:
            asked += b" 200 " in line.recv(1000)
        except ConnectionError:
            pass
        line.close()
    if asked in (1, 2):
        print("asks", flush=True)
    try:
        open("/tmp/enough")
    except OSError:
        continue
    print("never refused, answered", asked)
    break
"""


@pytest.fixture(scope="module")
def m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with fresh(tmp_path_factory) as made:
        install(made)
        yield made


def install(m: Machine) -> None:
    unit = (ROOT / "systemd" / "gleitzeitd.service").read_text().replace("/usr/bin/", f"{PLACE}/bin/")
    m.write(UNIT, unit)
    m.write(f"{UNIT}.d/test.conf", DROP_IN)
    m.write("/etc/sysusers.d/gleitzeit.conf", (ROOT / "systemd" / "gleitzeit.sysusers.conf").read_text())
    m.write("/etc/gleitzeit/openai.key", f"{KEY}\n", 0o600)
    m.write("/etc/gleitzeit/keys", f"KEY={KEY}\n", 0o600)
    m.run("systemd-sysusers")
    configure(m, PROVIDERS)
    m.run("systemctl", "daemon-reload")


def configure(m: Machine, providers: dict[str, Any]) -> None:
    m.write(CONFIG, json.dumps({"providers": providers}))


@pytest.fixture
def service(m: Machine) -> Iterator[Machine]:
    """The service runs, with every provider."""
    configure(m, PROVIDERS)
    try:
        m.run("systemctl", "start", "gleitzeitd")
        ctl(m, "start", "all", "--timeout", "30")
        yield m
    finally:
        m.run("systemctl", "stop", "gleitzeitd")
        m.run("systemctl", "reset-failed", "gleitzeitd", check=False)


def shown(m: Machine, *properties: str) -> dict[str, str]:
    printed = m.run("systemctl", "show", "gleitzeitd", "-p", ",".join(properties)).stdout
    return dict(line.partition("=")[::2] for line in printed.splitlines())


def pids(m: Machine) -> list[int]:
    """Of all that is in the service."""
    command = "cat $(find /sys/fs/cgroup/system.slice/gleitzeitd.service -name cgroup.procs)"
    return sorted(map(int, m.run("sh", "-c", command, check=False).stdout.split()))


def journal(m: Machine, *words: str) -> str:
    return m.run("journalctl", "-u", "gleitzeitd", "-o", "cat", "--no-pager", *words).stdout


def test_nothing_is_wrong_with_the_unit(m: Machine) -> None:
    verified = m.run("systemd-analyze", "verify", "gleitzeitd.service")
    assert verified.stdout + verified.stderr == ""

    report = m.run("systemd-analyze", "security", "--no-pager", "gleitzeitd.service").stdout
    exposure = float(report.splitlines()[-1].partition(": ")[2].split()[0])
    assert exposure <= 2.0


def test_a_start_comes_back_when_it_is_ready_and_status_tells_of_the_providers(service: Machine) -> None:
    assert shown(service, "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}
    service.until("systemctl", "status", "gleitzeitd", says='Status: "4 RUNNING"')
    assert '"result": 3' in ctl(
        service, "providers", "invoke", "calculator", "add", "--args", '{"a": 1, "b": 2}'
    )


def test_the_daemon_is_not_root_and_has_no_way_to_be(service: Machine) -> None:
    pid = shown(service, "MainPID")["MainPID"]
    status = service.run("cat", f"/proc/{pid}/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = service.run("id", "-u", "gleitzeit").stdout.strip()
    assert set(fields["Uid"].split()) == {user}
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def test_what_runs_as_the_same_user_cannot_look_into_the_daemon(service: Machine) -> None:
    """A provider is what runs as the same user."""
    main = shown(service, "MainPID")["MainPID"]
    sleeper = service.run("pgrep", "-u", "gleitzeit", "-x", "sleep").stdout.split()[0]

    def read(path: str) -> int:
        becoming = ("setpriv", "--reuid=gleitzeit", "--regid=gleitzeit", "--clear-groups")
        return service.run(*becoming, "head", "-c", "1", path, check=False).returncode

    assert read(f"/proc/{sleeper}/environ") == 0
    assert read(f"/proc/{main}/environ") == 1
    assert read(f"/proc/{main}/mem") == 1


def test_a_reload_fails_when_the_file_is_refused(service: Machine) -> None:
    configure(service, {**PROVIDERS, "more": {"command": ["sleep", "1000"]}})
    service.run("systemctl", "reload", "gleitzeitd")
    assert "RUNNING" in ctl(service, "status", "more")

    service.write(CONFIG, "providers: [")
    refused = service.run("systemctl", "reload", "gleitzeitd", check=False)
    assert refused.returncode != 0
    assert "RUNNING" in ctl(service, "status", "more")
    assert shown(service, "ActiveState")["ActiveState"] == "active"


def test_an_unusable_config_is_not_tried_again(m: Machine) -> None:
    m.write(CONFIG, "providers: [")
    started = m.run("systemctl", "start", "gleitzeitd", check=False)
    assert started.returncode != 0
    m.until("systemctl", "show", "gleitzeitd", "-p", "ActiveState", says="failed")
    assert shown(m, "NRestarts", "ExecMainStatus") == {"NRestarts": "0", "ExecMainStatus": "2"}
    assert f"{CONFIG}:1:" in journal(m, "-n", "20", "-p", "err")
    assert f"{CONFIG}:1:" in m.run("systemctl", "status", "gleitzeitd", check=False).stdout


def test_a_daemon_that_hangs_is_killed_by_the_watchdog_and_nothing_of_it_stays(service: Machine) -> None:
    before = pids(service)
    service.run("kill", "-STOP", shown(service, "MainPID")["MainPID"])
    service.until("systemctl", "show", "gleitzeitd", "-p", "NRestarts", says="NRestarts=1")
    service.until("systemctl", "status", "gleitzeitd", says="4 RUNNING")

    assert not set(before) & set(pids(service))
    assert (
        "watchdog" in service.run("journalctl", "-u", "gleitzeitd", "--no-pager", "-o", "cat").stdout.lower()
    )


def test_a_daemon_that_nobody_reaches_is_killed_by_the_watchdog_and_reached_again(service: Machine) -> None:
    service.run("rm", SOCKET)
    service.until("systemctl", "show", "gleitzeitd", "-p", "NRestarts", says="NRestarts=1")
    service.until("systemctl", "status", "gleitzeitd", says="4 RUNNING")
    assert "RUNNING" in ctl(service, "status", "calculator")
    assert "silent=\"['control socket']\"" in journal(service, "-p", "err")


def test_a_daemon_that_is_killed_is_back_with_its_providers(service: Machine) -> None:
    before = pids(service)
    service.run("kill", "-KILL", shown(service, "MainPID")["MainPID"])
    service.until("systemctl", "show", "gleitzeitd", "-p", "NRestarts", says="NRestarts=1")
    service.until("systemctl", "status", "gleitzeitd", says="4 RUNNING")
    assert not set(before) & set(pids(service))


def test_a_stop_is_bounded_and_leaves_nothing(service: Machine) -> None:
    escaped = service.run("cat", "/var/lib/gleitzeit/escaped").stdout.strip()
    service.run("test", "-d", f"/proc/{escaped}")
    service.run("systemctl", "stop", "gleitzeitd")

    assert pids(service) == []
    assert service.run("test", "-d", f"/proc/{escaped}", check=False).returncode == 1
    assert shown(service, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    assert service.run("test", "-e", "/run/gleitzeit", check=False).returncode == 1


def test_a_stop_has_the_time_that_its_providers_need(m: Machine) -> None:
    """Seen to fail without asking for it: systemd kills what is left after TimeoutStopSec."""
    m.write(f"{UNIT}.d/hasty.conf", "[Service]\nTimeoutStopSec=1\n")
    m.run("systemctl", "daemon-reload")
    says = "trap 'sleep 3; echo its work is saved; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    configure(m, {"thorough": {"command": ["sh", "-c", says], "start_seconds": 0, "stop": {"timeout": 30}}})
    try:
        m.run("systemctl", "start", "gleitzeitd")
        m.until(f"{PLACE}/bin/gleitzeitctl", "logs", "thorough", says="up")
        m.run("systemctl", "stop", "gleitzeitd")
        assert "its work is saved" in m.run("cat", "/var/log/gleitzeit/thorough.log").stdout
        assert shown(m, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    finally:
        m.run("rm", f"{UNIT}.d/hasty.conf")
        m.run("systemctl", "daemon-reload")


def test_a_provider_is_in_a_cgroup_of_its_own_from_which_nothing_escapes(service: Machine) -> None:
    escaped = service.run("cat", "/var/lib/gleitzeit/escaped").stdout.strip()
    group = service.run("cat", f"/proc/{escaped}/cgroup").stdout
    assert "/gleitzeitd.service/" in group
    assert ":escaping:" in group

    ctl(service, "stop", "escaping")
    assert service.run("test", "-d", f"/proc/{escaped}", check=False).returncode == 1


def test_who_connects_during_a_restart_waits_and_is_answered(service: Machine) -> None:
    service.write("/tmp/hammer.py", HAMMER)
    service.run("rm", "-f", "/tmp/enough")
    service.run(
        "systemd-run",
        "--unit=hammer",
        "--collect",
        "-p",
        "StandardOutput=file:/tmp/hammered",
        "/usr/bin/python3",
        "/tmp/hammer.py",
    )
    service.until("cat", "/tmp/hammered", says="asks")
    for _ in range(3):
        service.run("systemctl", "restart", "gleitzeitd")
    service.run("kill", "-KILL", shown(service, "MainPID")["MainPID"])
    service.until("systemctl", "show", "gleitzeitd", "-p", "NRestarts", says="NRestarts=1")
    service.until("systemctl", "show", "gleitzeitd", "-p", "SubState", says="running")
    service.run("touch", "/tmp/enough")
    assert "never refused" in service.until("cat", "/tmp/hammered", says="refused")


def test_a_port_that_was_left_is_listened_at_no_more(service: Machine) -> None:
    def answer(port: int) -> str:
        asking = (
            f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/livez', timeout=5).read())"
        )
        done = service.run("/usr/bin/python3", "-c", asking, check=False)
        return done.stdout.strip() or done.stderr.splitlines()[-1]

    assert answer(8000) == "b'ok\\n'"
    moved = {"global": {"default_server_url": "http://127.0.0.1:8010"}, "providers": {}}
    service.write(CONFIG, json.dumps(moved))
    service.run("systemctl", "restart", "gleitzeitd")
    assert answer(8010) == "b'ok\\n'"
    assert "Connection refused" in answer(8000)


def test_a_control_socket_that_moved_is_listened_at_no_more(service: Machine) -> None:
    words = f"{PLACE}/bin/gleitzeitd --config {CONFIG} --socket /run/gleitzeit/moved.sock"
    service.write(f"{UNIT}.d/moved.conf", f"[Service]\nExecStart=\nExecStart={words}\n")
    asking = f"import socket; socket.socket(socket.AF_UNIX).connect('{SOCKET}')"
    try:
        service.run("systemctl", "daemon-reload")
        service.run("systemctl", "restart", "gleitzeitd")
        assert "refused" in service.run("/usr/bin/python3", "-c", asking, check=False).stderr
    finally:
        service.run("rm", f"{UNIT}.d/moved.conf")
        service.run("systemctl", "daemon-reload")


def test_a_connection_starts_it_where_that_is_wanted(m: Machine) -> None:
    configure(m, PROVIDERS)
    m.write("/etc/systemd/system/gleitzeitd.socket", (ROOT / "systemd" / "gleitzeitd.socket").read_text())
    assert m.run("systemd-analyze", "verify", "gleitzeitd.socket").stderr == ""
    m.run("systemctl", "start", "gleitzeitd.socket")
    try:
        assert shown(m, "ActiveState")["ActiveState"] == "inactive"
        asking = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/livez').read())"
        assert m.run("/usr/bin/python3", "-c", asking).stdout == "b'ok\\n'\n"
        assert shown(m, "ActiveState")["ActiveState"] == "active"
        assert "http://127.0.0.1:8000" in ctl(m, "status", "--json")
    finally:
        m.run("systemctl", "stop", "gleitzeitd.socket", "gleitzeitd.service")
        m.run("rm", "/etc/systemd/system/gleitzeitd.socket")
        m.run("systemctl", "daemon-reload")


def test_the_journal_knows_what_is_serious(service: Machine) -> None:
    service.write(CONFIG, "providers: [")
    service.run("systemctl", "reload", "gleitzeitd", check=False)
    errors = journal(service, "-p", "err", "-b")
    assert "config is refused" in errors
    assert "process changed" not in errors
    assert "process changed" in journal(service, "-p", "info", "-b")


def test_a_credential_reaches_its_provider_and_nobody_else(service: Machine) -> None:
    digest = service.run("sh", "-c", f"printf %s {KEY} | sha256sum").stdout.split()[0]
    assert digest in ctl(service, "logs", "keyed")
    everything = ctl(service, "status", "--json") + ctl(service, "why", "--json", "keyed") + journal(service)
    assert KEY not in everything
    main = shown(service, "MainPID")["MainPID"]
    assert KEY not in service.run("cat", f"/proc/{main}/environ", f"/proc/{main}/cmdline").stdout


def test_a_file_of_keys_is_a_credential_too(m: Machine) -> None:
    shows = ["sh", "-c", 'printf %s "$KEY" | sha256sum; exec sleep 1000']
    configure(m, {"keyed": {"command": shows, "env_file": "${CREDENTIALS_DIRECTORY}/keys"}})
    try:
        m.run("systemctl", "start", "gleitzeitd")
        digest = m.run("sh", "-c", f"printf %s {KEY} | sha256sum").stdout.split()[0]
        m.until(f"{PLACE}/bin/gleitzeitctl", "logs", "keyed", says=digest)
    finally:
        m.run("systemctl", "stop", "gleitzeitd")
