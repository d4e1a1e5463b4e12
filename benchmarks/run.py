"""Measure Gleitzeit beside its peers, in turn, on this machine.

Children are trivial and everything stays on loopback and in temporary directories; the peers are
installed into benchmarks/.peers. SIGTERM and Ctrl-C end all that was started.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import (
    boot,
    crowd,
    follower,
    gateway,
    idle,
    intake,
    loading,
    logs,
    monitor,
    relay,
    reload,
    report,
    respawn,
    status,
    stop,
    storm,
    streams,
)
from benchmarks.ending import ending
from benchmarks.server import Server
from benchmarks.stats import Line, Plan, Row, machine

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
RESULTS = HERE / "results"


class Benchmark(Protocol):
    """What a module that measures something has."""

    @property
    def KINDS(self) -> tuple[type[Server], ...]: ...  # noqa: N802 (a module's constant)

    def measure(self, plan: Plan) -> Iterator[Row]: ...

    def lines(self, rows: Sequence[Row]) -> list[Line]: ...


BENCHMARKS: dict[str, Benchmark] = {
    "respawn": respawn,
    "storm": storm,
    "intake": intake,
    "follower": follower,
    "reload": reload,
    "loading": loading,
    "stop": stop,
    "boot": boot,
    "idle": idle,
    "relay": relay,
    "streams": streams,
    "crowd": crowd,
    "gateway": gateway,
    "status": status,
    "monitor": monitor,
    "logs": logs,
}
RELAYED = ("python-socketio", "aiohttp")
LIBRARIES = {"relay": RELAYED, "streams": RELAYED, "crowd": RELAYED, "loading": ("ruamel.yaml",)}


def main() -> None:
    options = arguments()
    ending.listen()
    lines: list[Line] = []
    versions: list[str] = []
    for name in options.only or BENCHMARKS:
        plan, found = prepared(name, options)
        rows = list(watched(name, plan))
        lines += BENCHMARKS[name].lines(rows)
        versions += found
        if not options.quick and not options.beside:
            about = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "versions": found}
            report.keep(RESULTS / f"{name}.jsonl", [about, *rows])
    print(f"\n{report.table(lines)}\n\n{report.conditions(machine(), versions)}")
    if options.write:
        write()


def arguments() -> argparse.Namespace:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    add = parser.add_argument
    add("--only", type=words, metavar="NAME,...", help=f"of {', '.join(BENCHMARKS)}; else all")
    add("--beside", type=words, metavar="PROGRAM,...", help="only these programs; nothing is kept")
    add("--quick", action="store_true", help="a few rounds, to see that it works; nothing is kept")
    add("--rounds", type=int, metavar="N", help="so many rounds of each")
    add("--write", action="store_true", help="then print the table of all that is kept into README.md")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if options.write and (options.quick or options.beside):
        parser.error("--write needs a whole run, without --quick and --beside")
    return options


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def prepared(name: str, options: argparse.Namespace) -> tuple[Plan, list[str]]:
    """Install what it measures: the plan without what this machine cannot have, and the versions."""
    wanted = [kind for kind in BENCHMARKS[name].KINDS if not options.beside or kind.name in options.beside]
    absent = [kind.name for kind in wanted if not kind.is_available()]
    if absent:
        print(f"not measured, since it is not installed: {', '.join(absent)}", file=sys.stderr)
    plan = Plan(options.rounds, options.quick, options.beside or (), tuple(absent))
    libraries = [f"{library} {version(library)}" for library in LIBRARIES.get(name, ())]
    return plan, [*(kind.version() for kind in wanted if plan.wants(kind.name)), *libraries]


def watched(name: str, plan: Plan) -> Iterator[Row]:
    """The rows of a benchmark, shown as they come."""
    for row in BENCHMARKS[name].measure(plan):
        print(f"{name}: {report.short(row)}", file=sys.stderr)
        yield row


def write() -> None:
    """Print the table of the last kept run of each benchmark into the README."""
    lines: list[Line] = []
    versions: list[str] = []
    about: Row = {}
    for name, benchmark in BENCHMARKS.items():
        if kept := report.kept(RESULTS / f"{name}.jsonl"):
            about, *rows = kept
            lines += benchmark.lines(rows)
            versions += about["versions"]
    block = f"{report.table(lines)}\n\n{report.conditions(about['machine'], versions)}"
    README.write_text(report.replace_block(README.read_text(), block))


if __name__ == "__main__":
    main()
