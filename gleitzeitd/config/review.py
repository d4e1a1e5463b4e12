"""The rules that types alone cannot state.

Each is one method that gives problems. They look at the file as it is, so that a wrong type elsewhere hides
none of them; what has a wrong type itself is validation's to complain about.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gleitzeitd.config.document import Document, Problem
from gleitzeitd.config.schema import DEFAULT_SERVER_URL
from gleitzeitd.core.spec import NAME_RULE, is_name

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_OF_A_SHELL = re.compile(r"[|&;<>()`]")


@dataclass(frozen=True)
class Review:
    document: Document

    def problems(self) -> Iterator[Problem]:
        yield from self._server_url()
        for name, block in self._section("providers").items():
            yield from self._name(name)
            if isinstance(block, dict):
                for rule in (self._target, self._command, self._environment, self._told_twice, self._cwd):
                    yield from rule(name, block)

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.document.data.get(name) if isinstance(self.document.data, dict) else None
        return section if isinstance(section, dict) else {}

    def _server_url(self) -> Iterator[Problem]:
        url = self._section("global").get("default_server_url", DEFAULT_SERVER_URL)
        if isinstance(url, str) and not _is_address(url):
            sentence = f"must look like {DEFAULT_SERVER_URL}"
            yield self.document.problem(("global", "default_server_url"), sentence)

    def _name(self, name: str) -> Iterator[Problem]:
        if not is_name(name):
            sentence = f"a provider's name is made of {NAME_RULE}"
            yield self.document.problem(("providers", name), sentence, key=True)

    def _target(self, name: str, block: Mapping[str, Any]) -> Iterator[Problem]:
        given = sum(block.get(key) is not None for key in ("class", "command"))
        if given != 1:
            has = "has both `class` and `command`" if given else "has neither `class` nor `command`"
            sentence = f"{has}: give exactly one of them"
            yield self.document.problem(("providers", name), sentence, key=True)

    def _command(self, name: str, block: Mapping[str, Any]) -> Iterator[Problem]:
        command = block.get("command")
        sentence = _wrong_with(command) if _is_command(command) else None
        if sentence:
            yield self.document.problem(("providers", name, "command"), sentence)

    def _environment(self, name: str, block: Mapping[str, Any]) -> Iterator[Problem]:
        variables = block.get("env")
        for key, value in variables.items() if isinstance(variables, dict) else ():
            path = ("providers", name, "env", key)
            if "=" in key or not _can_be_given(key):
                yield self.document.problem(path, "no variable can have this name", key=True)
            elif isinstance(value, str) and not _can_be_given(value):
                yield self.document.problem(path, "has a character that no variable can have")

    def _told_twice(self, name: str, block: Mapping[str, Any]) -> Iterator[Problem]:
        """What the class is told in `config` and what the daemon knows must agree."""
        config = block.get("config")
        if not isinstance(config, dict):
            return
        path = ("providers", name, "config")
        if (told := config.get("name", name)) != name:
            shown = "empty" if told is None else f'"{told}"'
            sentence = f'is {shown}, but the block is called "{name}": make them equal'
            yield self.document.problem((*path, "name"), sentence)
        url = self._section("global").get("default_server_url", DEFAULT_SERVER_URL)
        told = config.get("server_url", url)
        if "class" in block and isinstance(url, str) and str(told).rstrip("/") != url.rstrip("/"):
            sentence = f'is "{told}", but this daemon listens at "{url}": make them equal or leave it out'
            yield self.document.problem((*path, "server_url"), sentence)

    def _cwd(self, name: str, block: Mapping[str, Any]) -> Iterator[Problem]:
        cwd = block.get("cwd")
        if isinstance(cwd, str) and not os.path.isdir(beside(self.document.path, cwd)):
            yield self.document.problem(("providers", name, "cwd"), f'there is no directory "{cwd}"')


def argv_of(command: list[str] | str) -> tuple[str, ...]:
    """The words of a command. Raises ValueError when text cannot be split into words."""
    return tuple(shlex.split(command) if isinstance(command, str) else command)


def beside(path: str, other: str) -> str:
    """`other` as seen from the config file's directory."""
    return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(other))


def _is_command(command: object) -> bool:
    return isinstance(command, str) or (
        isinstance(command, list) and all(isinstance(word, str) for word in command)
    )


def _wrong_with(command: Any) -> str | None:
    try:
        argv = argv_of(command)
    except ValueError as exc:
        return f"cannot be split into words: {str(exc).lower()}"
    if isinstance(command, str) and _OF_A_SHELL.search(_QUOTED.sub("", command)):
        return f"is not run by a shell: write command: [sh, -c, {shlex.quote(command)}]"
    if not argv or not argv[0]:
        return "is empty: name a program"
    if any("\0" in word for word in argv):
        return "has a NUL character, which no argument can have"
    if not all(map(_can_be_given, argv)):
        return "has a character that no argument can have"
    return None


def _can_be_given(text: str) -> bool:
    """Whether the kernel takes it as an argument or a variable."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return parts.scheme == "http" and bool(host) and parts.path in ("", "/")
