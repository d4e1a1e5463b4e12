"""The text of one YAML file as plain data, and where each part of it stands."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError

from gleitzeitd.config.nodes import DEEPEST, TOO_DEEP, Builder
from gleitzeitd.config.place import Place
from gleitzeitd.core.errors import ConfigError

MOST_NODES = 300_000
"""Keys and values that a file may show; each costs a kilobyte until it is read."""


def parse(path: str, text: str, number: int = 0) -> tuple[Any, Place]:
    """Dict, list, str, int, float, bool and None only, and their places; `number` is the file's own.

    Raises ConfigError with the place and the way out: of the first mistake in the syntax, or of all others.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.max_depth = DEEPEST
    # An anchor may be used again: the last one counts, and nothing is to be printed about it.
    yaml.composer.warn_double_anchors = False
    try:
        node = yaml.compose(text)
        builder = Builder(path, number, yaml.constructor)
        data, inner = builder.of(node, ()) if node else (None, {})
    except MarkedYAMLError as exc:
        raise ConfigError((_syntax(path, exc),)) from exc
    except ConfigError:
        raise
    except Exception as exc:
        # The library stumbles over some texts in ways of its own.
        raise ConfigError((f"{path}:1:1: this is not YAML that can be read: {_line(str(exc))}",)) from exc
    if builder.problems:
        raise ConfigError(tuple(builder.problems))
    return data, Place(number, 1, 1, 1, 1, inner)


class _Composer(Composer):
    """Stops before a file of small parts has eaten the memory."""

    count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.count += 1
        if self.count > MOST_NODES:
            mark = self.parser.peek_event().start_mark
            raise ComposerError(None, None, f"more than {MOST_NODES:,} keys and values", mark)
        return super().compose_node(parent, index)


def _syntax(path: str, exc: MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
    context = f" ({_line(exc.context)})" if exc.context else ""
    if isinstance(exc, MaxDepthExceededError):
        return f"{place}: {TOO_DEEP}"
    return f"{place}: this is not valid YAML: {_line(exc.problem or str(exc))}{context}"


def _line(text: str) -> str:
    return text.strip().split("\n")[0]
