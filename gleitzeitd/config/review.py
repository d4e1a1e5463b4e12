"""The rules that types alone cannot state.

Each is one function that gives problems. They look at the file as it is, so that a wrong type elsewhere hides
none of them; what has a wrong type itself is validation's to complain about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from urllib.parse import urlsplit

from gleitzeitd.config import checks, commands, dependencies, environment, rights, routes
from gleitzeitd.config.block import Block, written
from gleitzeitd.config.document import Document
from gleitzeitd.config.lookups import interpreter
from gleitzeitd.config.place import Problem
from gleitzeitd.config.schema import DEFAULT_SERVER_URL, RUNS
from gleitzeitd.core.spec import NAME_RULE, is_name

OF_A_CLASS = {
    "python": "a command names its own interpreter",
    "python_path": "a command finds its own modules, and `env` can give it PYTHONPATH",
    "auto_discover_models": "a command is not asked for its models",
}


def review(common: Block, blocks: list[Block], names: Collection[str]) -> Iterator[Problem]:
    """`common`: the section `global`; `names`: of all providers, be they blocks or not."""
    url = common.given.get("default_server_url", DEFAULT_SERVER_URL)
    if ("default_server_url",) in common.own.unresolved:
        # That is told already, and what must agree with it may well do so.
        url = None
    yield from _server_url(common, url)
    for name in names:
        yield from _name(common.document, name)
    for block in blocks:
        yield from _told_twice(block, url, common.shown(("default_server_url",), url))
        for rule in (*RULES, *OF_THIS_MACHINE) if block.is_enabled else RULES:
            yield from rule(block)
    enabled = [block for block in blocks if block.is_enabled]
    for rule_of_all in OF_ALL:
        yield from rule_of_all(enabled)
    yield from dependencies.problems(blocks, names)
    yield from routes.problems(blocks, names)


def _server_url(common: Block, url: object) -> Iterator[Problem]:
    tls = common.section("hub").get("tls")
    if not isinstance(url, str):
        return
    if not _is_address(url):
        yield common.problem(("default_server_url",), f"must look like {DEFAULT_SERVER_URL}")
    elif tls is not None and not url.startswith("https:"):
        sentence = "begins with http://, but global.hub.tls is given: write https://, or leave tls out"
        yield common.problem(("default_server_url",), sentence)
    elif tls is None and url.startswith("https:"):
        sentence = "begins with https://: give global.hub.tls {certificate, key}, too, or write http://"
        yield common.problem(("default_server_url",), sentence)


def _name(document: Document, name: str) -> Iterator[Problem]:
    if not is_name(name):
        sentence = f"a provider's name is made of {NAME_RULE}"
        yield document.problem(("providers", name), sentence, key=True)


def _target(block: Block) -> Iterator[Problem]:
    given = [f"`{key}`" for key in RUNS if block.get(key) is not None]
    if len(given) != 1:
        has = " and ".join(given) or "none of `class`, `extension` and `command`"
        yield block.problem((), f"has {has}: give exactly one of them", key=True)


def _command(block: Block) -> Iterator[Problem]:
    if sentence := commands.wrong_with(block.get("command"), block.as_written(("command",))):
        yield block.problem(("command",), sentence)


def _told_twice(block: Block, url: object, shown_url: object) -> Iterator[Problem]:
    """What the class is told in `config` and what the daemon knows must agree.

    An extension may have a field of its own that is called `name`.
    """
    config, is_class = block.section("config"), "class" in block.given
    if (told := config.get("name", block.name)) != block.name and "extension" not in block.given:
        shown = "empty" if told is None else f'"{block.shown(("config", "name"), told)}"'
        sentence = f'is {shown}, but the block is called "{block.name}": make them equal'
        yield block.problem(("config", "name"), sentence)
    told = config.get("server_url", url)
    if told is None and "server_url" in config:
        sentence = f'is empty, but this daemon listens at "{shown_url}": write it there, or leave it out'
        yield block.problem(("config", "server_url"), sentence)
    elif is_class and isinstance(url, str) and str(told).rstrip("/") != url.rstrip("/"):
        shown = block.shown(("config", "server_url"), told)
        sentence = f'is "{shown}", but this daemon listens at "{shown_url}": make them equal or leave it out'
        yield block.problem(("config", "server_url"), sentence)


def _cwd(block: Block) -> Iterator[Problem]:
    cwd = block.get("cwd")
    if isinstance(cwd, str) and not os.path.isdir(block.beside(cwd)):
        yield block.problem(("cwd",), f'there is no directory "{block.shown(("cwd",), cwd)}"')


def _of_a_class(block: Block) -> Iterator[Problem]:
    for key, sentence in OF_A_CLASS.items():
        if block.get("command") is not None and written(block.own.data, (key,)) is not None:
            yield block.problem((key,), f"is for a class: {sentence}", key=True)


def _interpreter(block: Block) -> Iterator[Problem]:
    python = block.get("python")
    if isinstance(python, str) and not os.access(interpreter(block.beside(python)), os.X_OK):
        shown = block.shown(("python",), python)
        sentence = f'"{shown}" is neither an interpreter nor the directory of a virtual environment'
        yield block.problem(("python",), sentence)


Rule = Callable[[Block], Iterator[Problem]]
RULES: tuple[Rule, ...] = (
    _target,
    _command,
    _of_a_class,
    environment.variables,
    environment.inherited,
    checks.ready,
    checks.health,
)
OF_THIS_MACHINE: tuple[Rule, ...] = (
    _cwd,
    _interpreter,
    rights.nice,
)
OF_ALL: tuple[Callable[[list[Block]], Iterator[Problem]], ...] = (
    rights.accounts,
    rights.nofile,
)
"""What a block that is not enabled has no need of: it may be there for another machine, or another day."""


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.path in ("", "/")
