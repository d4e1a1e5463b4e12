"""Prints into the docs what the code knows better; `make docs` writes, a test compares.

A block stands between `<!-- printed: NAME -->` and `<!-- end -->`; some have a second name, of what they are
about. Some files are printed as a whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from gleitzeit_extensions.catalog import manifest_keys
from gleitzeit_extensions.protocol import CODES
from gleitzeitctl.complaint import INTERRUPTED, UNREACHABLE, USAGE
from gleitzeitctl.edge import NOBODY_READS
from gleitzeitd.config import json_schema
from gleitzeitd.config.reference import keys
from gleitzeitd.config.template import template
from gleitzeitd.control.metrics import METRICS
from gleitzeitd.core.process import MEANING
from tools import print_codes, print_commands, print_providers
from tools.print_life import endings, ways

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- printed: (\w+)(?: (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *([str(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def states() -> str:
    return table(("state", "meaning"), ((state, meaning) for state, meaning in MEANING.items()))


def codes() -> str:
    rows = (
        (f"`{name}`", code.http, code.exit, "yes" if code.retryable else "no") for name, code in CODES.items()
    )
    return table(("code", "HTTP status", "exit status", "may be tried again"), rows)


EXITS = {
    0: "it is done, and what was asked about is well",
    1: "it failed, or what was asked about is not well",
    USAGE: "the command or the config cannot be understood",
    UNREACHABLE: "no daemon can be reached",
    4: "there is no such thing",
    5: "it is not ready for that, or has too much to do",
    6: "the provider failed",
    7: "it took too long",
    8: "not permitted",
    INTERRUPTED: "ended by Ctrl-C",
    NOBODY_READS: "whoever read the output has left, as `head` does",
}


def exits() -> str:
    stands_for: dict[int, list[str]] = {status: [] for status in EXITS}
    for name, code in CODES.items():
        stands_for[code.exit].append(f"`{name}`")
    rows = ((status, meaning, ", ".join(stands_for[status])) for status, meaning in EXITS.items())
    return table(("exit status", "meaning", "codes of the errors it stands for"), rows)


def metrics() -> str:
    rows = (
        (f"`{name}`", metric.kind, ", ".join(metric.labels), metric.sentence)
        for name, metric in METRICS.items()
    )
    return table(("metric", "type", "labels", "meaning"), rows)


def settings(definition: str) -> str:
    rows = (
        (
            f"`{'.'.join(key.path)}`",
            key.kind,
            "" if key.default is None else f"`{key.default}`",
            key.reload,
            key.sentence,
        )
        for key in keys(definition)
    )
    return table(("key", "what it is", "default", "a change", ""), rows)


PRINTERS: dict[str, Callable[[], str]] = {
    "states": states,
    "ways": lambda: table(("from", "when", "to", "and"), ways()),
    "providers": lambda: table(("provider", "", "methods", "needs the extra"), print_providers.overview()),
    "endings": lambda: table(("what ended", "to", "and"), endings()),
    "codes": codes,
    "what_helps": lambda: table(
        ("code", "HTTP", "exit", "again", "what it means", "what helps"), print_codes.codes()
    ),
    "exits": exits,
    "commands": lambda: "".join(print_commands.reference()),
    "metrics": metrics,
    "global_keys": lambda: settings("Global"),
    "provider_keys": lambda: settings("Provider"),
}
ABOUT: dict[str, Callable[[str], str]] = {
    "block": print_providers.block,
    "settings": lambda name: table(("key", "what it is", "default", ""), print_providers.settings_of(name)),
    "methods": lambda name: "".join(print_providers.methods_of(name)),
}
"""What is printed about a provider that comes along."""
FILES: dict[Path, Callable[[], str]] = {
    json_schema.SHIPPED: json_schema.text,
    manifest_keys.SHIPPED: manifest_keys.text,
    # Without a word of where the schema is: the file is installed elsewhere than it stands here.
    ROOT / "etc/providers.yaml": template,
}
"""What is printed as a whole."""


def printed(text: str) -> str:
    """The text with each of its blocks as the code has it now."""

    def print_block(block: re.Match[str]) -> str:
        opening, name, about, end = block.groups()
        return opening + (ABOUT[name](about) if about else PRINTERS[name]()) + end

    return _BLOCK.sub(print_block, text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    for page in pages():
        page.write_text(printed(page.read_text()))
    for path, text in FILES.items():
        path.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
