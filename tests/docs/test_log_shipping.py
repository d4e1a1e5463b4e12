"""What docs/operations.md tells a log shipper to read is what its stock parser reads."""

from __future__ import annotations

import glob
import gzip
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.house import PYTHON, eventually, house

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
CRI = re.compile(r"^(?P<time>.+?) (?P<stream>stdout|stderr) (?P<part>F|P) (?P<log>.*)$")
"""Fluent Bit's own, of its multiline parser `cri`, but for how Python names groups."""
SPEAKS = """
import sys, time
for number in range(300):
    print("line", number, "of 300: é", "x" * 50, flush=True)
    if number % 100 == 0:
        print("an error", number, "y" * 40000, file=sys.stderr, flush=True)
print("done", flush=True)
time.sleep(1000)
"""


def records(files: list[Path]) -> Iterator[re.Match[str]]:
    """Those of all files of an instance, the oldest first; each has to be one."""
    for file in files:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for line in data.decode().splitlines():
            found = CRI.match(line)
            assert found, line
            yield found


def lines(found: list[re.Match[str]], stream: str) -> list[str]:
    """As the shipper has them: parts of a line are put together."""
    whole, begun = list[str](), ""
    for record in found:
        if record["stream"] == stream:
            begun += record["log"]
            if record["part"] == "F":
                whole.append(begun)
                begun = ""
    return whole


def test_a_stock_parser_reads_every_line_over_rotations(tmp_path: Path) -> None:
    logs = {"size": "64KiB", "files": 100}
    name, provider = "speaker", {"command": [*PYTHON, "-c", SPEAKS], "start_seconds": 0, "logs": logs}
    with house(tmp_path, {name: provider}):
        directory = tmp_path / "logs"
        # what was printed last to the other stream may have moved it into an older one
        said = [directory / f"{name}.log", directory / f"{name}.log.1"]
        eventually(lambda: any("F done\n" in newest(log) for log in said), "it has said all")
        eventually(lambda: is_packed(directory), "all but the newest of the older ones are compressed")
        older = sorted(directory.glob(f"{name}.log.*"), key=lambda path: -int(path.name.split(".")[2]))
        shipped = glob.glob(pattern().replace("/var/log/gleitzeit", str(directory)))

        assert shipped == [str(directory / f"{name}.log")], "and none of the older ones once more"
        assert older
        found = list(records([*older, directory / f"{name}.log"]))

    assert lines(found, "stdout") == [*(f"line {n} of 300: é {'x' * 50}" for n in range(300)), "done"]
    assert lines(found, "stderr") == [f"an error {n} {'y' * 40000}" for n in (0, 100, 200)]
    assert any(record["part"] == "P" for record in found)
    assert all(moment(record["time"]).utcoffset() is not None for record in found)


def is_packed(directory: Path) -> bool:
    older = [path.name for path in directory.glob("*.log.*") if not path.name.endswith(".log.1")]
    return all(name.endswith(".gz") and ".log.1." not in name for name in older)


def newest(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def pattern() -> str:
    """The files that the page has it read."""
    (path,) = re.findall(r"path: (/var/log/gleitzeit/\S+)\n", PAGE)
    return str(path)


def moment(time: str) -> datetime:
    """By Fluent Bit's format, where the fraction is %L; Python takes six digits of it."""
    return datetime.strptime(re.sub(r"(\.\d{6})\d*", r"\1", time), "%Y-%m-%dT%H:%M:%S.%f%z")
