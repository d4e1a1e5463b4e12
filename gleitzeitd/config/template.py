"""The file that `config create` writes: two providers that run, those that need something, and every key."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from gleitzeitd.config.reference import Key, keys

_BUILT_IN = Path(__file__).with_name("built_in.yaml")
_MODULE = re.compile(r"^  class: providers\.(\w+)\.", re.MULTILINE)

WIDTH = 110
COLUMN = 40
"""Where comments begin."""

_HEAD = """\
# What gleitzeitd runs. Every key is optional but for what runs (`class`, `extension` or `command`).
# Durations are seconds or have a unit: 500ms, 30s, 5m, 1h, 1d. So do sizes: 20MiB (by 1024), 20MB (by 1000).
# A value may hold ${NAME} or ${NAME:-default} of the environment. A secret is better kept elsewhere:
# ${file:/run/secrets/key} reads a file, ${cred:key} a credential of systemd.

global:
"""
_PROVIDERS = """
providers:
  calculator:
    type: tool
    class: providers.calculator_provider.CalculatorProvider
    description: Arithmetic, trigonometry and logarithms

  echo:
    type: llm
    class: providers.echo_provider.EchoProvider
    description: A language model that says what it is told, word by word

  # The others that come along. Each needs something: a key, a server or a package (`pip install
  # 'gleitzeitd[all]'` has them all). Take away the "# " before those lines that are to be.
  #
"""
_ALL_KEYS = """\
  # All that a provider may have: its default, or an example where it has none. It takes one of `class`,
  # `extension` and `command`, and a check has the keys of its kind.
  #
  # server:
"""

_CHECK = {
    "interval": "30s",
    "url": "http://127.0.0.1:8100/health",
    "port": "8100",
    "command": "[/opt/server/bin/ask]",
}
EXAMPLES = {
    "class": "my_provider.MyProvider",
    "extension": "my-extension",
    "command": '[/opt/server/bin/serve, --port, "8100"]',
    "restart.policy": "always",
    "restart_schedule": "30 4 * * 0",
    "start_timeout": "60s",
    **{f"{section}.{key}": example for section in ("ready", "health") for key, example in _CHECK.items()},
    "ready.interval": "1s",
    "cwd": "/opt/server",
    "python": ".venv",
    "update": "start-first",
    "user": "server",
    "group": "server",
    "umask": '"0027"',
    "nice": "5",
    "limits.nofile": "4096",
    "limits.memory": "2GiB",
    "limits.processes": "100",
    "limits.cpu": "1.5",
    "limits.max_rss": "1500MiB",
    "hub.tls.certificate": "/etc/gleitzeit/hub.pem",
    "hub.tls.key": "/etc/gleitzeit/hub.key",
}
"""Of what has no default."""
LEFT_OUT = ("hub", "tls")
"""What the daemon itself does without, unless it is told."""


def template(schema: str | None = None) -> str:
    """The text of the file; `schema` says where an editor finds the JSON Schema."""
    common = {key.path: key.default for key in keys("Global")}
    told = "".join(
        f"  {'# ' if key.path[:2] == LEFT_OUT else ''}{line}\n"
        for key in keys("Global")
        for line in _lines(key, key.default or EXAMPLES.get(".".join(key.path)))
    )
    shown = "".join(
        f"  #   {line}\n"
        for key in keys("Provider")
        for line in _lines(key, key.default or common.get(key.path) or EXAMPLES.get(".".join(key.path)))
    )
    modeline = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    others = "".join(textwrap.indent(f"{text}\n", "  # ", lambda line: True) for text in built_in().values())
    return modeline + _HEAD + told + _PROVIDERS + _bare(others) + _ALL_KEYS + shown


def built_in() -> dict[str, str]:
    """Of each provider that comes along the name of its module, and its block, which begins at column 0."""
    blocks = re.split(r"^(?=[a-z]\w*:$)", _BUILT_IN.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {_MODULE.findall(block)[0]: block.strip() + "\n" for block in blocks}


def _bare(text: str) -> str:
    """Without spaces at the ends of lines."""
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def _lines(key: Key, value: str | None) -> Iterator[str]:
    """The key with a value, and its sentence behind it, in as many lines as that takes."""
    if value is None and not key.is_section:
        raise LookupError(f"{'.'.join(key.path)} has neither a default nor an example")
    depth = len(key.path) - 1
    code = f"{'  ' * depth}{key.path[-1]}:" + ("" if key.is_section else f" {value}")
    start = max(COLUMN, len(code) + 2)
    first, *more = textwrap.wrap(key.sentence, WIDTH - 10 - start)
    yield f"{code.ljust(start)}# {first}"
    yield from (f"{'':{start}}# {line}" for line in more)
