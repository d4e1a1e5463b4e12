"""The Debian package, from its installation to its purge, on a machine with a systemd of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.services.systemd.machine import Machine
from tests.services.systemd.places import ROOT, booted

CONFIG = "/etc/gleitzeit/providers.yaml"
CALL = ("gleitzeitctl", "providers", "invoke", "calculator", "add", "a=1", "b=2", "--json")


@pytest.fixture
def m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """`make test-services` has built the package."""
    with booted(tmp_path_factory) as made:
        (package,) = (ROOT / "dist").glob("*.deb")
        shutil.copy(package, made.shared / "gleitzeitd.deb")
        yield made


def is_active(m: Machine) -> bool:
    return m.run("systemctl", "is-active", "gleitzeitd", check=False).stdout == "active\n"


def pid(m: Machine) -> str:
    return m.run("systemctl", "show", "-p", "MainPID", "--value", "gleitzeitd").stdout


def left(m: Machine, *paths: str) -> list[str]:
    return [path for path in paths if m.run("test", "-e", path, check=False).returncode == 0]


def test_from_its_installation_to_its_purge(m: Machine) -> None:
    package = str(m.shared / "gleitzeitd.deb")
    m.run("dpkg", "-i", package)
    assert not is_active(m), "nobody has looked at its config yet"
    assert m.run("stat", "-c", "%a %U %G", CONFIG).stdout == "640 root gleitzeit\n"
    assert m.run("dpkg", "--verify", "gleitzeitd").stdout == ""

    m.run("systemctl", "enable", "--now", "gleitzeitd")
    m.run("gleitzeitctl", "start", "all")
    assert json.loads(m.run(*CALL).stdout)["result"]["result"] == 3

    m.run("sh", "-c", f"echo '# mine' >> {CONFIG}")
    first = pid(m)
    m.run("dpkg", "-i", package)
    assert pid(m) != first, "the new one runs"
    m.run("gleitzeitctl", "start", "all")
    assert json.loads(m.run(*CALL).stdout)["result"]["result"] == 3
    assert m.run("tail", "-n", "1", CONFIG).stdout == "# mine\n"

    m.run("dpkg", "-r", "gleitzeitd")
    assert not is_active(m)
    programs = ("/usr/bin/gleitzeitd", "/usr/lib/gleitzeitd", "/usr/lib/systemd/system/gleitzeitd.service")
    kept = (CONFIG, "/var/lib/gleitzeit/history", "/var/log/gleitzeit/calculator.log")
    assert left(m, *programs, *kept) == [*kept]

    m.run("dpkg", "-P", "gleitzeitd")
    assert left(m, *programs, *kept, "/etc/gleitzeit", "/var/lib/gleitzeit", "/var/cache/gleitzeit") == []
