"""Blocks of the config made of what was said in one line, and their files in `providers.d`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from typing import Any

from gleitzeitctl.complaint import misuse

Block = dict[str, Any]
MARK = "# Made by `gleitzeitctl {}`; `gleitzeitctl remove {}` takes it away."
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def literal(text: str) -> str:
    """What means just this text in a config file."""
    return text.replace("${", "$${")


def of_command(words: list[str], directory: str | None, env: Iterable[str], policy: str | None) -> Block:
    """A plain command. Raises Complaint for a program that is not there."""
    block: Block = {"command": [literal(program(words[0])), *map(literal, words[1:])]}
    block["cwd"] = literal(os.path.abspath(directory or "."))
    if variables := dict(map(variable, env)):
        block["env"] = variables
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


def of_mcp(target: list[str]) -> Block:
    """An MCP server: at a URL, or a command that speaks it on stdin and stdout."""
    if len(target) == 1 and is_url(target[0]):
        config: Block = {"url": literal(target[0])}
    else:
        config = {"command": [literal(program(target[0])), *map(literal, target[1:])]}
    # npx and uvx download a server the first time
    return {"class": "providers.mcp_provider.MCPProvider", "start_timeout": "3m", "config": config}


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def program(word: str) -> str:
    """The path of a program, as the caller's shell would find it: the daemon has another PATH."""
    found = shutil.which(word)
    if found is None:
        raise misuse(f"there is no program {word} that could be run: name one, or its full path")
    return os.path.abspath(found)


def variable(text: str) -> tuple[str, str]:
    """`KEY=value`, or `KEY`, whose value is the caller's own."""
    name, is_given, value = text.partition("=")
    if not VARIABLE.fullmatch(name):
        raise misuse(f"--env {name:.40}: no variable can be called so: write KEY=value, or KEY for your own")
    return name, literal(value if is_given else own(name))


def own(name: str) -> str:
    """The caller's variable. Raises Complaint when there is none."""
    try:
        return os.environ[name]
    except KeyError as exc:
        raise misuse(f"${name} is not set here") from exc


def name_of(command: str) -> str:
    """What a provider that runs this is called, unless somebody says."""
    return NOT_IN_A_NAME.sub("-", os.path.basename(command).partition(".")[0]).strip("-.") or "command"
