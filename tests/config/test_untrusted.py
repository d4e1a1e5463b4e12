"""Whatever somebody put in the file's place is refused in a sentence, soon, and without eating the memory."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gleitzeitd.config.source import LARGEST

MEMORY = 400 * 2**20
SECONDS = 30
LOADER = """
import os, resource, signal, sys
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.config.load import load
for line in sys.stdin:
    path, out, err = line.rstrip().split("\\t")
    child = os.fork()
    if not child:
        for number, file in ((1, out), (2, err)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            load(path)
        except ConfigError as exc:
            print(exc)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Loader = subprocess.Popen[str]


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    """A process that forks for each file, so that what it takes to understand one is imported once."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADER.replace("SECONDS", str(SECONDS)).replace("MEMORY", str(MEMORY))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    ) as process:
        yield process


def told(loader: Loader, path: Path) -> str:
    """What a child with little memory and little time says of the file."""
    assert loader.stdin
    assert loader.stdout
    out, err = path.with_name("out"), path.with_name("err")
    print(path, out, err, sep="\t", file=loader.stdin, flush=True)
    assert (loader.stdout.readline(), err.read_text()) == ("0\n", "")
    return out.read_text()


def bomb(path: Path) -> None:
    """A file of a few lines that stands for ten to the ninth texts."""
    levels = [f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)]
    path.write_text("".join(["providers:\n", "  a0: &a0 text\n", *levels]))


def merging_bomb(path: Path) -> None:
    """The same with merges, each of which has all of the one before, and twice."""
    levels = [f"  a{n}: &a{n} {{<<: *a{n - 1}, b{n}: *a{n - 1}}}\n" for n in range(1, 40)]
    path.write_text("".join(["providers:\n", "  a0: &a0 {x: 1}\n", *levels]))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def deep(path: Path) -> None:
    """A file that is flat to look at, in which each list has the one before in it."""
    levels = [f"  - &a{n} [*a{n - 1}]\n" for n in range(1, 2000)]
    path.write_text("".join(["providers:\n", "  - &a0 [x]\n", *levels]))


def deep_merges(path: Path) -> None:
    levels = [f"  a{n}: &a{n} {{<<: {{a: *a{n - 1}}}}}\n" for n in range(1, 500)]
    path.write_text("".join(["providers:\n", "  a0: &a0 {x: 1}\n", *levels]))


def providers(block: str, count: int) -> str:
    blocks = [f"  p{n}: {{class: a.B, {block}}}\n".replace("N", str(n)) for n in range(count)]
    return "".join(["providers:\n", *blocks])


TOLD: dict[str, tuple[Callable[[Path], object], str]] = {
    "an alias bomb": (bomb, "with its aliases the file has more than 1,000,000 values"),
    "a bomb of merges": (merging_bomb, "with its aliases the file has more than 1,000,000 values"),
    "100 MB": (huge, "is larger than the 8 MiB that it may have"),
    "lists without end": (
        lambda path: path.write_text("a: " + "[" * 100_000),
        "is nested more than 100 deep",
    ),
    "mappings without end": (lambda path: path.write_text("{a: " * 100_000), "is nested more than 100 deep"),
    "a block without end": (lambda path: path.write_text("- " * 100_000), "is nested more than 100 deep"),
    "one long word": (
        lambda path: path.write_text("x" * (LARGEST // 32)),
        "must be a mapping of keys to values",
    ),
    "one long line": (
        lambda path: path.write_text("x " * (LARGEST // 128)),
        "must be a mapping of keys to values",
    ),
    "bytes": (lambda path: path.write_bytes(bytes(range(256)) * 100), "is not UTF-8: save the file as UTF-8"),
    "a program": (lambda path: path.write_bytes(Path("/bin/true").read_bytes()), "is not UTF-8"),
    "NULs": (lambda path: path.write_bytes(b"\0" * 1000), "this is not YAML that can be read"),
    "UTF-16": (lambda path: path.write_text("providers: {}\n", "utf-16"), "is not UTF-8"),
    "UTF-32": (lambda path: path.write_text("providers: {}\n", "utf-32"), "is not UTF-8"),
    "UTF-16 without a mark": (lambda path: path.write_text("providers: {}\n", "utf-16-le"), "not YAML"),
    "a directory": (lambda path: path.mkdir(), "this is not a regular file: name a file of text"),
    "a socket": (unix_socket, "this is not a regular file: name a file of text"),
    "zeros without end": (lambda path: path.symlink_to("/dev/zero"), "this is not a regular file"),
    "digits without end": (
        lambda path: path.write_text(f"global: {{parallel_starts: {'9' * 100_000}}}"),
        "is a number of more than 1000 digits: write it as text",
    ),
    "hexadecimal digits without end": (
        lambda path: path.write_text(f"providers: {{p: {{class: a.B, config: {{n: 0x{'f' * 5000}}}}}}}"),
        "providers.p.config.n: is a number of more than 1000 digits: write it as text",
    ),
    "aliases that are deep together": (deep, "is nested more than 100 deep"),
    "merges that are deep together": (deep_merges, "is nested more than 100 deep"),
    "names of nobody": (
        lambda path: path.write_text(providers("depends_on: [ghostN]", 500)),
        "and 400 more mistakes",
    ),
    "rings": (
        lambda path: path.write_text(
            "providers:\n"
            + "".join(
                f"  x{n}: {{class: a.B, depends_on: y{n}}}\n  y{n}: {{class: a.B, depends_on: x{n}}}\n"
                for n in range(500)
            )
        ),
        "these wait for each other: x19 -> y19 -> x19",
    ),
    "mistakes beside what was put in": (
        lambda path: path.write_text(
            "providers: {p: {class: a.B, config: {"
            + ", ".join(f"a{n}: '${{HOME:-x}}'" for n in range(1500))
            + "}, env: {"
            + ", ".join(f"b{n}: []" for n in range(1500))
            + "}}}"
        ),
        "and 1400 more mistakes",
    ),
    "unknown keys without end": (
        lambda path: path.write_text("".join(f"k{n}: 1\n" for n in range(1000))),
        "unknown key",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), TOLD.values(), ids=TOLD)
def test_it_is_refused_soon(
    loader: Loader, tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    path = tmp_path / "p.yaml"
    make(path)
    said = told(loader, path)

    assert said.startswith(f"{path}:")
    assert sentence in said


def test_many_aliases_that_are_not_too_many_are_no_bomb(loader: Loader, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "providers:\n  p:\n    class: module.Class\n    config:\n      a: &a [1, 2, 3]\n"
        + "".join(f"      b{number}: *a\n" for number in range(1000))
    )

    assert told(loader, path) == ""
