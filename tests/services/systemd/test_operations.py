"""docs/operations.md, typed literally: from a machine with Debian's Python alone to the removal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.services.systemd.machine import Machine
from tests.services.systemd.places import ROOT, booted

PAGE = (ROOT / "docs" / "operations.md").read_text()
WHEELS = ROOT / "build" / "wheels"


@pytest.fixture
def m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory) as made:
        # there is no network in there
        shutil.copytree(WHEELS, made.shared / "wheels")
        made.run("rm", "-rf", "/root/.config/pip", "/root/.pip")
        made.write("/etc/pip.conf", f"[global]\nno-index = true\nfind-links = {made.shared}/wheels\n")
        yield made


def typed_by_root(section: str) -> list[str]:
    """The lines that a section has for root."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("# ") for block in blocks for line in block.splitlines()]


def test_every_line_for_root_works_as_it_stands(m: Machine) -> None:
    def type_all(section: str) -> str:
        lines = typed_by_root(section)
        assert lines
        return "\n".join(m.run("bash", "-c", line).stdout for line in lines)

    type_all("Install")
    assert '"result": 8' in type_all("First start")
    assert "(applied now)" in type_all("Change")
    type_all("Secrets")
    assert m.run("gleitzeitctl", "start", "all").returncode == 0
    type_all("When it crashes, hangs or is upgraded")
    assert m.run("gleitzeitctl", "start", "all").returncode == 0
    m.write("/etc/supervisor/supervisord.conf", "[program:web]\ncommand=sleep 1000\n")
    assert '"web":' in type_all("Coming from supervisord")
    type_all("Take it away")

    left = m.run(
        "sh", "-c", "ls -d /etc/gleitzeit /var/lib/gleitzeit /var/log/gleitzeit /opt/gleitzeit", check=False
    )
    assert left.stdout.split() == ["/etc/gleitzeit", "/var/lib/gleitzeit", "/var/log/gleitzeit"]
    assert m.run("pgrep", "-u", "gleitzeit", check=False).stdout == ""


def test_every_command_for_root_is_typed() -> None:
    sections = re.findall(r"\n## (.*)\n", PAGE)
    with_commands = [section for section in sections if typed_by_root(section)]
    assert with_commands == [
        "Install",
        "First start",
        "Change",
        "Secrets",
        "When it crashes, hangs or is upgraded",
        "Coming from supervisord",
        "Take it away",
    ]
