"""docs/troubleshooting.md leaves out no sentence that somebody may be woken by."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gleitzeit_extensions.protocol import CODES
from gleitzeitd.core.process import State
from tests.docs.sentences import logged, returned, said, sources
from tools.print_codes import MEANS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md").read_text()
CALLED = {
    "gleitzeitd": ("OccupiedError", "explained", "Refused", "MissingError"),
    "gleitzeit_extensions": ("Misconfigured", "CannotMake"),
}
"""By package, what is handed each sentence that keeps a daemon or a provider from starting."""
RETURNING = {
    "gleitzeitd/core/backoff.py": ("excess",),
    "gleitzeitd/core/starting.py": ("overdue",),
    "gleitzeitd/core/standing.py": ("_why_not",),
    "gleitzeitd/listening.py": ("_occupied",),
    "gleitzeitd/processes/refusal.py": ("_why", "refusal"),
}
SAY_IT_THEMSELVES = {
    "ConfigError": "with the file, line and key of a mistake, and what would be right",
    "CallError": "with the code that the table of codes explains",
    "UnreadableError": "a ConfigError about a file that is not there",
    "EditError": "about the words of a `config` command, with what would be right",
    "LostError": "the call error `instance_lost`",
    "RewriteError": "about a file that a `config` command is to change, with the place in it",
}
"""Kinds of errors whose sentences need no more background than their kind has on the page."""
EXPLAINED = {"GleitzeitError", "OccupiedError", "Refused"}


def plain(sentence: str) -> str:
    """With one `...` for all that varies at one place."""
    return re.sub(r"(\.\.\.)+", "...", sentence)


def says_something(sentence: str) -> bool:
    return re.search(r"[a-z]{2}", sentence) is not None


ON_THE_PAGE = {plain(span) for span in re.findall(r"`([^`\n]+)`", PAGE)}


def met() -> Iterator[tuple[str, str]]:
    """What may be met, and where it is said."""
    for path, tree in sources():
        for called in CALLED.get(path.split("/")[0], ()):
            yield from ((path, plain(sentence)) for sentence in said(tree, called))
        for function in RETURNING.get(path, ()):
            yield from ((path, plain(sentence)) for sentence in returned(tree, function))
        if path.startswith("gleitzeitd/"):
            yield from ((path, plain(event)) for event in logged(tree))
        if path.startswith("gleitzeitd/") and not path.startswith("gleitzeitd/config/"):
            yield from ((path, plain(sentence)) for sentence in said(tree, "ConfigError"))


def test_every_sentence_that_can_be_met_is_on_the_page() -> None:
    found = [(path, sentence) for path, sentence in met() if says_something(sentence)]

    assert len(found) > 70
    assert [one for one in found if one[1] not in ON_THE_PAGE] == []


def test_every_kind_of_error_is_explained_or_says_all_by_itself() -> None:
    kinds = {"GleitzeitError", "CallError"}
    classes = [
        node
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        if path.startswith("gleitzeitd/")
    ]
    while (
        more := {
            one.name
            for one in classes
            if {base.id for base in one.bases if isinstance(base, ast.Name)} & kinds
        }
        - kinds
    ):
        kinds |= more
    assert kinds - EXPLAINED - set(SAY_IT_THEMSELVES) == set()


def test_every_state_and_every_code_has_its_row() -> None:
    rows = set(re.findall(r"^\| `?([\w.]+)`? \|", PAGE, re.MULTILINE))
    assert rows >= set(State) | set(CODES)
    assert set(MEANS) == set(CODES)
