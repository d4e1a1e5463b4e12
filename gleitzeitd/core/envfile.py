"""Files of variables, one NAME=value a line, as shells, systemd and dotenv all understand them. Pure.

A value ends with its line, and nothing in it is substituted. In double quotes \\n, \\r and \\t stand for a
line feed, a return and a tab, and a backslash makes ", $ and itself ordinary; in single quotes nothing is
special.
"""

from __future__ import annotations

import re

from gleitzeitd.core.errors import ConfigError

_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?P<value>.*)")
_SINGLE = re.compile(r"\s*'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_COMMENT = re.compile(r"\s#.*")
_ESCAPE = re.compile(r'\\([nrt"\\$])')
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}


def parse(text: str, path: str) -> dict[str, str]:
    """The variables; the last of a name wins.

    Raises ConfigError with `path:line` for each line that cannot be one. It never shows what stands there,
    which may be a secret.
    """
    variables, problems = dict[str, str](), list[str]()
    # splitlines() would also cut at characters that a value may have.
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            variables.update(_variables(line.strip()))
        except ValueError as exc:
            problems.append(f"{path}:{number}: {exc}")
    if problems:
        raise ConfigError(tuple(problems))
    return variables


def _variables(line: str) -> dict[str, str]:
    """The variable of a line, or none. Raises ValueError with a sentence."""
    if not line or line.startswith("#"):
        return {}
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("must be NAME=value, a comment or empty")
    if "\0" in line:
        raise ValueError("has a character that no variable can have")
    return {match["name"]: _value(match["value"])}


def _value(written: str) -> str:
    if match := _SINGLE.fullmatch(written):
        return match[1]
    if match := _DOUBLE.fullmatch(written):
        return _ESCAPE.sub(lambda escape: _MEANT.get(escape[1], escape[1]), match[1])
    if written.lstrip().startswith(("'", '"')):
        raise ValueError("has a quote that does not close, or more than a comment behind the one that does")
    return _COMMENT.sub("", written).strip()
