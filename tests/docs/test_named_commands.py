"""A command that a page or a rule names can be typed: it is there, and so are its options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.app import HEADINGS, TREE
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup, root

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "HACKING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = re.compile(r"(?:`|\*\*|: )(?:gleitzeitctl|gleitzeit) ([a-z][^`\n|\"]*)(?:`|\")")


def mistake(typed: str) -> str:
    """What is wrong with the words and the options behind `gleitzeitctl`."""
    words = typed.split(" -- ")[0].split()
    tree = root(TREE, has_completion=False, headings=HEADINGS)
    with tree.make_context("gleitzeitctl", ["status"], obj=Session()) as context:
        command: Any = tree
        while isinstance(command, LazyGroup) and words:
            name = words.pop(0)
            if name.isupper() or name == "...":
                return ""
            if name not in command.commands:
                return f"no command {name}"
            command = command.get_command(context, name)
        known = {option for param in command.params for option in param.opts}
        asked = [word.partition("=")[0] for word in words if re.match("--?[a-z]", word)]
        return ", ".join(option for option in asked if option not in known | {"--help"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_can_be_typed(page: Path) -> None:
    wrong = {typed: what for typed in NAMED.findall(page.read_text()) if (what := mistake(typed))}
    assert wrong == {}


def test_what_is_wrong_is_found() -> None:
    assert mistake("status calculator --json") == ""
    assert mistake("config show --provider NAME") == "--provider"
    assert mistake("config shew") == "no command shew"
    assert NAMED.findall('see `gleitzeit logs -f`: gleitzeitctl why a"') == ["logs -f", "why a"]
