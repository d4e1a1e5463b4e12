"""What each shell runs at a TAB, and how it is answered.

A shell runs the program with the line up to the cursor as its only word, and its own name in the environment.
Status 0 is for what may stand there, a line each; 1 says that the shell is to complete the name of a file.
"""

from __future__ import annotations

from gleitzeitctl.completion.line import Completion, Item, complete
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup

A_FILE = 1


def answer(tree: LazyGroup, program: str, shell: str, words: list[str]) -> int:
    """Tell the shell what may stand at the end of its line; whatever goes wrong, nothing may."""
    try:
        found = complete(tree, program, words[0], Session(), is_told=shell != "bash")
        lines = _lines(shell, found, breaks=words[1] if len(words) > 1 else "")
    except Exception:
        return 0
    if lines is None:
        return A_FILE
    print(*lines, sep="\n", end="\n" if lines else "")
    return 0


def _lines(shell: str, found: Completion, breaks: str) -> list[str] | None:
    if found.items is None:
        return None
    if shell == "bash":
        known = _known_to_bash(found.typed, breaks)
        return [item.word.removeprefix(known) for item in found.items]
    return [(_zsh if shell == "zsh" else _fish)(item) for item in found.items]


def _known_to_bash(typed: str, breaks: str) -> str:
    """bash completes what stands behind the last of the characters at which it breaks words."""
    return typed[: 1 + max((typed.rfind(mark) for mark in breaks if mark in "=:@"), default=-1)]


def _zsh(item: Item) -> str:
    word = item.word.replace("\\", "\\\\").replace(":", "\\:")
    return f"{word}:{item.meaning}" if item.meaning else word


def _fish(item: Item) -> str:
    return f"{item.word}\t{item.meaning}" if item.meaning else item.word
