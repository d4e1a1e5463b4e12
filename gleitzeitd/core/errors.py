"""The errors that a user can act on. Each is one or more whole sentences."""

from __future__ import annotations


class GleitzeitError(Exception):
    """What the user asked for cannot be; the text says what, where and what to do."""


class ConfigError(GleitzeitError):
    """The configuration cannot be used. `problems` has one sentence for each mistake, in file order."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = tuple(_harmless(problem) for problem in problems)
        super().__init__("\n".join(self.problems))


class OccupiedError(GleitzeitError):
    """An address that the daemon needs is taken, or may not be taken."""


def _harmless(sentence: str) -> str:
    """The sentence with what a file may hold but a terminal should not get written as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in sentence)
