"""What `docs/security.md` promises is tried: each promise names its tests, and each of these is there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/security.md"
TABLE = re.compile(r"^\| promise \| +\|\n\| --- \| --- \|\n((?:\|.*\n)+)", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]*?) \| (.*) \|$", re.MULTILINE)
TRIED = re.compile(r"^- \*\*(.+)\*\*:\n((?: +.*\n?)*)", re.MULTILINE)
REFERENCE = re.compile(r"`(tests/[^`]*\.py[^`]*)`")


def mistakes(page: str) -> Iterator[str]:
    """What is wrong with the promises of a page, each in a sentence."""
    promised = Counter(name for table in TABLE.findall(page) for name, _ in ROW.findall(table))
    tried = Counter(name for name, _ in TRIED.findall(page))
    if not promised:
        yield "nothing is promised"
    for name in promised + tried:
        if promised[name] > 1 or tried[name] > 1:
            yield f"{name} is there more than once"
        elif not tried[name]:
            yield f"{name} is promised and not tried"
        elif not promised[name]:
            yield f"{name} is tried and not promised"
    for name, tests in TRIED.findall(page):
        if not REFERENCE.findall(tests):
            yield f"{name} names no test"
    for reference in REFERENCE.findall(page):
        file, _, test = reference.partition("::")
        if test not in known(ROOT / file):
            yield f"{reference} is no test"


@cache
def known(file: Path) -> frozenset[str]:
    """The names of a file's tests; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = (node.name for node in ast.parse(file.read_text()).body if isinstance(node, functions))
    return frozenset(name for name in found if name.startswith("test_"))


def test_every_promise_names_tests_that_there_are() -> None:
    assert list(mistakes(PAGE.read_text())) == []


GOOD = """
| promise | |
| --- | --- |
| one | This. |
| two | That. |

- **one**:
  `tests/test_security_claims.py::test_a_promise_that_is_not_tried_is_found`,
  `tests/test_premises.py::test_a_port_is_free_again_at_once`
- **two**:
  `tests/hub/test_drips.py::test_a_body_that_never_ends_is_not_waited_for`
"""


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("| promise |", "| claim |", "nothing is promised"),
        ("| one |", "| three |", "three is promised and not tried"),
        ("- **two**:", "- **three**:", "two is promised and not tried"),
        ("| two | That. |", "| one | That. |", "one is there more than once"),
        ("- **two**:", "- **one**:", "one is there more than once"),
        ("| two | That. |\n", "", "two is tried and not promised"),
        ("  `tests/hub", "  tests/hub", "two names no test"),
        ("test_drips.py", "test_drops.py", "tests/hub/test_drops.py::test_a_body"),
        ("_at_once", "_at_all", "tests/test_premises.py::test_a_port_is_free_again_at_all is no test"),
        ("::test_a_port_is_free_again_at_once", "", "tests/test_premises.py is no test"),
        ("::test_a_port_is_free_again_at_once", "::mode", "tests/test_premises.py::mode is no test"),
    ],
)
def test_a_promise_that_is_not_tried_is_found(right: str, wrong: str, sentence: str) -> None:
    assert list(mistakes(GOOD)) == []
    assert right in GOOD
    assert any(one.startswith(sentence) for one in mistakes(GOOD.replace(right, wrong)))
