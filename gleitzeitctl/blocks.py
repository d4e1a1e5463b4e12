"""Blocks of the config made of what was said in one line."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from gleitzeitctl.complaint import misuse

Block = dict[str, Any]
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_STEM = 90
MOST_OF_A_NAME = 100


def literal(text: str) -> str:
    """What means just this text in a config file."""
    return text.replace("${", "$${")


def of_command(words: list[str], directory: str | None, env: dict[str, str], policy: str | None) -> Block:
    """A plain command. Raises Complaint for a program that is not there."""
    block: Block = {"command": command(words), "cwd": literal(os.path.abspath(directory or ".")), "env": env}
    if policy:
        block["restart"] = {"policy": policy}
    return block


def of_model_server(url: str, model: str | None, key: str | None) -> Block:
    """A server with OpenAI's API. `key` is what the config has in the key's place."""
    config: Block = {"base_url": literal(url), **({"api_key": key} if key else {})}
    if model:
        config["default_model"] = literal(model)
    its = {"type": "llm", "class": "providers.openai_provider.OpenAIProvider"}
    return {**its, "auto_discover_models": True, "config": config}


def of_mcp_site(url: str, key: str | None) -> Block:
    """An MCP server that runs elsewhere."""
    return _of_mcp({"url": literal(url), **({"token": key} if key else {})})


def of_mcp_command(words: list[str], env: dict[str, str]) -> Block:
    """A command that is an MCP server on its stdin and stdout."""
    return _of_mcp({"command": command(words), "cwd": literal(os.path.abspath(".")), "env": env})


def _of_mcp(config: Block) -> Block:
    # npx and uvx download a server the first time
    return {"class": "providers.mcp_provider.MCPProvider", "start_timeout": "3m", "config": config}


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def command(words: list[str]) -> list[str]:
    """The program by its path, as the caller's shell would find it, and its arguments."""
    found = shutil.which(words[0])
    if found is None:
        raise misuse(f'there is no program "{words[0]}" that could be run: name one, or its full path')
    return [literal(os.path.abspath(found)), *map(literal, words[1:])]


def environment(given: Iterable[str], is_saved: bool) -> dict[str, str]:
    """Of `KEY=value`, and of `KEY` for the caller's own, which is looked up anew in what is saved.

    What a program calls by name is found as the caller's shell finds it.
    """
    path = {"PATH": literal(os.environ["PATH"])} if "PATH" in os.environ else {}
    return path | dict(_variable(text, is_saved) for text in given)


def _variable(text: str, is_saved: bool) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not VARIABLE.fullmatch(name):
        raise misuse(f"--env {name:.40}: no variable can be called so: write KEY=value, or KEY for your own")
    return name, literal(value) if is_given else own(name, is_saved)


def own(name: str, is_saved: bool) -> str:
    """The caller's variable; in what is saved the name of it. Raises Complaint when there is none."""
    if not VARIABLE.fullmatch(name):
        raise misuse(f"no variable can be called {name[:40]!r}")
    if is_saved:
        return f"${{{name}}}"
    if name not in os.environ:
        raise misuse(f"${name} is not set here")
    return literal(os.environ[name])


def names_of(program: str) -> Iterator[str]:
    """What a provider that runs this may be called, unless somebody says; the first that is free will do."""
    base = NOT_IN_A_NAME.sub("-", os.path.basename(program).partition(".")[0])[:LONGEST_STEM].strip("-.")
    stem = base if base not in ("", "all") else "command"
    yield stem
    yield from (f"{stem}-{number}" for number in range(2, MOST_OF_A_NAME + 1))
