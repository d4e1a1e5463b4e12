"""Secrets taken out of what is shown: the values of keys and variables whose names say what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ruamel.yaml.error import YAMLError

from gleitzeitd.config.outline import Kind, Node, outline
from gleitzeitd.config.place import Path
from gleitzeitd.config.secrets import ASSIGNED, MASK, hides, is_secret_name, masked_text, masked_words

_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\r\n]*")


Declared = frozenset[Path]
"""What extensions declare to be secret, such as `("providers", "bank", "config", "pin")`."""


def masked(path: Path, value: Any, declared: Declared = frozenset()) -> Any:
    """The value at `path` in a config, with all that is secret in it replaced by the mask."""
    # a provider may be called keycloak
    named = 2 if path[:1] == ("providers",) else 0
    return _masked(path, named, value, declared)


def _masked(path: Path, named: int, value: Any, declared: Declared) -> Any:
    match value:
        case _ if path[:4] in declared and value is not None:
            return MASK
        case dict():
            return {key: _masked((*path, key), named, item, declared) for key, item in value.items()}
        case str() | int() | float() if hides(path[named:], value):
            return MASK
        case list():
            return [_masked(path, named, item, declared) for item in masked_words(value)]
        case str():
            return masked_text(value)
        case _:
            return value


def is_whole(text: str) -> bool:
    """Whether the text can be read as YAML; else it may be half-written."""
    try:
        outline(text)
    except (YAMLError, RecursionError):
        return False
    return True


def without_secrets(
    text: str, mask: Callable[[str], str], is_whole: bool, declared: Declared = frozenset()
) -> str:
    """The text of a config with `mask(secret)` in the place of each secret value and telling comment.

    What is not `is_whole`, or is shown beside such a text, is read line by line.
    """
    if not is_whole:
        # better too much is hidden than too little
        return "".join(_by_line(text, mask))
    root, parts, at = outline(text), list[str](), 0
    for node in sorted(_secrets(root, declared), key=lambda node: node.start) if root else ():
        if node.start >= at:
            parts += [_without_remarks(text[at : node.start], mask), mask(text[node.start : node.end])]
            at = node.end
    return "".join([*parts, _without_remarks(text[at:], mask)])


def _without_remarks(text: str, mask: Callable[[str], str]) -> str:
    """Without the comments that tell of secrets, such as a key that was commented out."""
    return _COMMENT.sub(lambda found: f"# {mask(found[0])}" if _tells(found[0]) else found[0], text)


def _tells(text: str) -> bool:
    return ASSIGNED.search(text) is not None or masked_text(text) != text


def _secrets(root: Node, declared: Declared) -> Iterator[Node]:
    blocks = [block for _, section in root.pairs for _, block in section.pairs]
    nodes = [node for block in blocks for node in block.walk()]
    secrets = [value for node in nodes for key, value in node.pairs if is_secret_name(key.text)]
    secrets += [word for node in nodes for word in _words(node)]
    secrets += [value for path, value in _settings(root) if path in declared]
    yield from (node for node in secrets if not node.is_empty)
    anchors = {node.anchor for node in secrets if node.kind is Kind.ALIAS}
    yield from (node for node in root.walk() if node.anchor in anchors and node.kind is not Kind.ALIAS)


def _settings(root: Node) -> Iterator[tuple[Path, Node]]:
    """What stands in the `config` of each provider."""
    for section, blocks in root.pairs:
        for name, block in blocks.pairs:
            for key, settings in block.pairs:
                for field, value in settings.pairs:
                    yield (section.text, name.text, key.text, field.text), value


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
            found = ASSIGNED.search(line)
            indent = depth if found else None
            yield f"{line[: found.end()]} {_behind(line[found.end() :], mask)}\n" if found else line


def _behind(text: str, mask: Callable[[str], str]) -> str:
    """What a line has behind a secret name: a value, a comment, or both."""
    comment = _COMMENT.search(text)
    value = text[: comment.start()].strip() if comment else text.strip()
    told = [mask(value)] if value or not comment else []
    return " ".join([*told, f"# {mask(comment[0])}"] if comment else told)
