"""The rules that types alone cannot state.

Each is one function that gives problems. They look at the file as it is, so that a wrong type elsewhere hides
none of them; what has a wrong type itself is validation's to complain about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gleitzeitd.config import checks, commands, dependencies, environment, rights
from gleitzeitd.config.block import Block
from gleitzeitd.config.document import Document, Problem
from gleitzeitd.config.schema import DEFAULT_SERVER_URL
from gleitzeitd.core.spec import NAME_RULE, is_name


def review(document: Document) -> Iterator[Problem]:
    yield from _server_url(document)
    providers = _section(document, "providers")
    blocks = [Block(document, name, given) for name, given in providers.items() if isinstance(given, dict)]
    for name in providers:
        yield from _name(document, name)
    for block in blocks:
        for rule in (*RULES, *OF_THIS_MACHINE) if block.is_enabled else RULES:
            yield from rule(block)
    yield from dependencies.problems(blocks, providers)


def _section(document: Document, name: str) -> Mapping[str, Any]:
    section = document.data.get(name) if isinstance(document.data, dict) else None
    return section if isinstance(section, dict) else {}


def _server_url(document: Document) -> Iterator[Problem]:
    url = _section(document, "global").get("default_server_url", DEFAULT_SERVER_URL)
    if isinstance(url, str) and not _is_address(url):
        sentence = f"must look like {DEFAULT_SERVER_URL}"
        yield document.problem(("global", "default_server_url"), sentence)


def _name(document: Document, name: str) -> Iterator[Problem]:
    if not is_name(name):
        sentence = f"a provider's name is made of {NAME_RULE}"
        yield document.problem(("providers", name), sentence, key=True)


def _target(block: Block) -> Iterator[Problem]:
    given = sum(block.get(key) is not None for key in ("class", "command"))
    if given != 1:
        has = "has both `class` and `command`" if given else "has neither `class` nor `command`"
        yield block.problem((), f"{has}: give exactly one of them", key=True)


def _command(block: Block) -> Iterator[Problem]:
    if sentence := commands.wrong_with(block.get("command")):
        yield block.problem(("command",), sentence)


def _told_twice(block: Block) -> Iterator[Problem]:
    """What the class is told in `config` and what the daemon knows must agree."""
    config = block.section("config")
    if (told := config.get("name", block.name)) != block.name:
        shown = "empty" if told is None else f'"{told}"'
        sentence = f'is {shown}, but the block is called "{block.name}": make them equal'
        yield block.problem(("config", "name"), sentence)
    url = _section(block.document, "global").get("default_server_url", DEFAULT_SERVER_URL)
    told = config.get("server_url", url)
    if "class" in block.given and isinstance(url, str) and str(told).rstrip("/") != url.rstrip("/"):
        sentence = f'is "{told}", but this daemon listens at "{url}": make them equal or leave it out'
        yield block.problem(("config", "server_url"), sentence)


def _cwd(block: Block) -> Iterator[Problem]:
    cwd = block.get("cwd")
    if isinstance(cwd, str) and not os.path.isdir(block.beside(cwd)):
        yield block.problem(("cwd",), f'there is no directory "{cwd}"')


Rule = Callable[[Block], Iterator[Problem]]
RULES: tuple[Rule, ...] = (
    _target,
    _command,
    _told_twice,
    environment.variables,
    environment.inherited,
    checks.ready,
    checks.health,
)
OF_THIS_MACHINE: tuple[Rule, ...] = (
    _cwd,
    environment.files,
    rights.user,
    rights.group,
    rights.nice,
    rights.nofile,
)
"""What a block that is not enabled has no need of: it may be there for another machine, or another day."""


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return parts.scheme == "http" and bool(host) and parts.path in ("", "/")
