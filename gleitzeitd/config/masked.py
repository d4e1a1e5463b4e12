"""Secrets taken out of what is shown: the values of keys and variables whose names say what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ruamel.yaml.error import YAMLError

from gleitzeitd.config.outline import Kind, Node, outline
from gleitzeitd.config.place import Path
from gleitzeitd.config.secrets import MASK, is_secret_name, is_secret_path, masked_text, masked_words

_LINE = re.compile(
    r".*?[\w.-]*(?:key|token|secret|password|passwd|credential)[\w.-]*[\"']?\s*[:=]", re.IGNORECASE
)
_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\r\n]*")


def masked(path: Path, value: Any) -> Any:
    """The value at `path` in a config, with all that is secret in it replaced by the mask."""
    # a provider may be called keycloak
    return _masked(path[2:] if path[:1] == ("providers",) else path, value)


def _masked(named: Path, value: Any) -> Any:
    match value:
        case dict():
            return {key: _masked((*named, key), item) for key, item in value.items()}
        case str() if is_secret_path(named):
            return MASK
        case list() if all(isinstance(item, str) for item in value) and not is_secret_path(named):
            return list(masked_words(value))
        case list():
            return [_masked(named, item) for item in value]
        case str():
            return masked_text(value)
        case _:
            return value


def without_secrets(text: str, mask: Callable[[str], str]) -> str:
    """The text of a config with `mask(secret)` in the place of each secret value."""
    try:
        root = outline(text)
    except (YAMLError, RecursionError):
        # half-written, perhaps: better too much is hidden than too little
        return "".join(_by_line(text, mask))
    parts, at = list[str](), 0
    for node in sorted(_secrets(root), key=lambda node: node.start) if root else ():
        if node.start >= at:
            parts += [_without_remarks(text[at : node.start], mask), mask(text[node.start : node.end])]
            at = node.end
    return "".join([*parts, _without_remarks(text[at:], mask)])


def _without_remarks(text: str, mask: Callable[[str], str]) -> str:
    """Without the comments that tell of secrets, such as a key that was commented out."""
    return _COMMENT.sub(lambda found: f"# {mask(found[0])}" if _tells(found[0]) else found[0], text)


def _tells(text: str) -> bool:
    return _LINE.match(text) is not None or masked_text(text) != text


def _secrets(root: Node) -> Iterator[Node]:
    blocks = [block for _, section in root.pairs for _, block in section.pairs]
    nodes = [node for block in blocks for node in block.walk()]
    secrets = [value for node in nodes for key, value in node.pairs if is_secret_name(key.text)]
    secrets += [word for node in nodes for word in _words(node)]
    yield from (node for node in secrets if not node.is_empty)
    anchors = {node.anchor for node in secrets if node.kind is Kind.ALIAS}
    yield from (node for node in root.walk() if node.anchor in anchors and node.kind is not Kind.ALIAS)


def _words(node: Node) -> Iterator[Node]:
    """What tells a secret in a command line, be it a list or one text."""
    words = node.items if node.kind is Kind.SEQUENCE else [node]
    shown = masked_words(word.text for word in words)
    yield from (word for word, text in zip(words, shown, strict=True) if text != word.text)


def _by_line(text: str, mask: Callable[[str], str]) -> Iterator[str]:
    """As far as lines tell: what is behind a secret name, and whatever is indented below it."""
    indent: int | None = None
    for line in text.splitlines(keepends=True):
        content = line.strip()
        depth = len(line) - len(line.lstrip())
        if not content:
            yield line
        elif (indent is not None and (depth > indent or content[0] == "-")) or masked_text(line) != line:
            yield f"{line[:depth]}{mask(content)}\n"
        else:
            found = _LINE.match(line)
            indent = depth if found else None
            yield f"{found[0]} {mask(line[found.end() :].strip())}\n" if found else line
