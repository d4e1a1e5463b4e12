"""What `${...}` in a text stands for. Pure: variables and secrets are looked up by whoever calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OPENS = "${"
_TOKEN = re.compile(
    r"""
    (?P<escape> \$\$\{ )
    | \$\{ (?: (?P<kind> file | cred ) : (?P<secret> [^{}]+ )
             | (?P<name> [A-Za-z_][A-Za-z0-9_]* ) (?: (?P<way> :- | - | :\? ) (?P<other> [^{}]* ) )?
           ) \}
    | (?P<odd> \$\{ )
    """,
    re.VERBOSE,
)
_ODD = (
    "has a ${ that is none of ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${file:/path} "
    "and ${cred:NAME}: write $${ where the two signs are meant"
)


class OddError(ValueError):
    """The text has a `${` that means nothing; the sentence says what would."""


class MissingError(Exception):
    """What a text needs is not there; the sentence says what, and the way out."""


class UnsetError(MissingError):
    """The variable of this name."""

    def __init__(self, name: str) -> None:
        way_out = f"set it, or write ${{{name}:-default}}"
        super().__init__(f"the environment variable {name} is not set: {way_out}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Lookups:
    """`file` and `credential` raise MissingError; `count` is told of each part of a text that is made."""

    variable: Callable[[str], str | None]
    file: Callable[[str], str]
    credential: Callable[[str], str]
    count: Callable[[str], None] = lambda part: None


@dataclass(slots=True)
class Used:
    """What a text was made of."""

    variables: set[str] = field(default_factory=set)
    is_secret: bool = False


def substitute(text: str, lookups: Lookups, used: Used) -> str:
    """The text with all of it replaced, once: what comes in is not read again.

    Raises OddError, and MissingError; `used` is told of everything the text names up to there.
    """
    parts = list[str]()
    for part in _parts(text, lookups, used):
        lookups.count(part)
        parts.append(part)
    return "".join(parts)


def with_defaults(text: str) -> set[str]:
    """The variables for which the text says what they are otherwise, as good a place for a secret as any."""
    return {match["name"] for match in _TOKEN.finditer(text) if match["other"]}


def without(text: str) -> str:
    """The text with nothing in the place of each substitution."""
    return cut_out(text, "")[0]


def cut_out(text: str, hole: str) -> tuple[str, list[str]]:
    """The text with a hole in the place of each substitution, and what stood there."""
    return _TOKEN.sub(lambda _: hole, text), [match[0] for match in _TOKEN.finditer(text)]


def _parts(text: str, lookups: Lookups, used: Used) -> Iterator[str]:
    at = 0
    for match in _TOKEN.finditer(text):
        yield text[at : match.start()]
        yield _value(match, lookups, used)
        at = match.end()
    yield text[at:]


def _value(match: re.Match[str], lookups: Lookups, used: Used) -> str:
    if match["escape"]:
        return OPENS
    if match["odd"]:
        raise OddError(_ODD)
    if match["kind"]:
        used.is_secret = True
        return (lookups.file if match["kind"] == "file" else lookups.credential)(match["secret"])
    return _variable(match["name"], match["way"], match["other"], lookups, used)


def _variable(name: str, way: str | None, other: str | None, lookups: Lookups, used: Used) -> str:
    used.variables.add(name)
    value = lookups.variable(name)
    if value is None and way is None:
        raise UnsetError(name)
    if way == ":?" and not value:
        is_empty = "empty" if value == "" else "not set"
        why = other or "it is needed here"
        raise MissingError(f"the environment variable {name} is {is_empty}: {why}")
    use_other = (way == ":-" and not value) or (way == "-" and value is None)
    return (other or "") if use_other else (value or "")
