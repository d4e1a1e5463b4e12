"""What the tests of the config share: a file is written, and what is wrong with it is read back."""

from __future__ import annotations

from pathlib import Path

from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError


def mistakes(directory: Path, content: str | bytes) -> list[str]:
    """What is said of a file with this content: sentences, each without the path that it begins with."""
    path = directory / "p.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return mistakes_at(str(path))


def mistakes_at(path: str) -> list[str]:
    try:
        load(path)
    except ConfigError as exc:
        problems = exc.problems
    else:
        return []
    assert all(problem.startswith(f"{path}:") for problem in problems), problems
    return [problem.removeprefix(f"{path}:") for problem in problems]


def setting(path: str, value: str) -> str:
    """A file whose last line gives the setting at `path` (`providers.p.restart.policy`) this value."""
    *sections, key = path.split(".")
    lines = [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
    if path.startswith("providers.p.") and key not in ("class", "extension", "command"):
        lines.insert(2, "    class: module.Class")
    return "\n".join([*lines, f"{'  ' * len(sections)}{key}: {value}\n"])


def place(text: str) -> str:
    """Where the value in the last line of such a file stands: `line:column`."""
    lines = text.splitlines()
    return f"{len(lines)}:{lines[-1].index(': ') + 3}"
