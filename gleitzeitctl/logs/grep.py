"""What `--grep` looks for: a regular expression of one line, and what any line that has it must have in it.

Bytes are found at the speed of memory and expressions are not, so only lines with such a needle are tried.
"""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*(?:,\d*)?\}|\((?:\?:?)?|.", re.DOTALL)
OPTIONAL = re.compile(r"[*?]|\{\d*(?:,\d*)?\}")
"""What may say that the character before it need not be there."""
BREAKS = re.compile(r"[+.^$]|\[.*|\\[dDwWsSbBAZ]", re.DOTALL)
"""What says nothing of the character before it, and is none itself."""
SPECIAL = re.compile(r"\(\?|\\[a-zA-Z0-9]")
"""What may mean anything."""


class Search(NamedTuple):
    """`needles`: one of them is in each line that fits; empty when nothing is known of these."""

    pattern: re.Pattern[str]
    needles: tuple[bytes, ...]
    ignores_case: bool

    @classmethod
    def of(cls, text: str) -> Search:
        """Raises re.error."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read in another way
            pattern = re.compile(text)
        found = () if pattern.flags & re.VERBOSE else _needles(text.removeprefix("(?i)"))
        if pattern.flags & re.IGNORECASE:
            # what only Unicode takes for the same letter, as the Kelvin sign, is not worth ten times the time
            found = tuple(needle.lower() for needle in found) if all(map(bytes.isascii, found)) else ()
        return cls(pattern, found, bool(pattern.flags & re.IGNORECASE))

    def fits(self, line: bytes) -> bool:
        return self.pattern.search(line.decode("utf-8", "surrogateescape")) is not None


def _needles(text: str) -> tuple[bytes, ...]:
    """Of each alternative the longest text that it cannot do without."""
    branches, depth = [[""]], 0
    for token in TOKEN.findall(text):
        runs = branches[-1]
        if SPECIAL.fullmatch(token) and not BREAKS.fullmatch(token):
            return ()
        if token in ("(", "(?:"):
            depth += 1
            runs.append("")
        elif token == ")":
            depth -= 1
        elif depth:
            # what is in parentheses may be optional
            continue
        elif token == "|":
            branches.append([""])
        elif OPTIONAL.fullmatch(token):
            runs[-1] = runs[-1][:-1]
            runs.append("")
        elif BREAKS.fullmatch(token):
            runs.append("")
        else:
            runs[-1] += token[-1]
    longest = [max(runs, key=len) for runs in branches]
    return tuple(run.encode("utf-8", "surrogateescape") for run in longest) if all(longest) else ()
