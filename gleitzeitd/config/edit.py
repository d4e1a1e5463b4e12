"""One value changed in the text of a YAML file, and every other byte left as its owner wrote it.

The text is cut, never printed anew. Afterwards it is read again: a text that says anything but the old
one with that one change is refused, so the worst that can happen is that the owner edits by hand.
"""

from __future__ import annotations

from typing import Any

from gleitzeitd.config.cut import cut, line_at, way
from gleitzeitd.config.flow import EditError, data_of
from gleitzeitd.config.outline import Kind, Node, outline
from gleitzeitd.config.place import Path
from gleitzeitd.config.written import as_written

_BOM = "\ufeff"


def set_value(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`, which is put in where it is missing. Raises EditError."""
    if text.startswith(_BOM):
        return _BOM + set_value(text[1:], path, value)
    old = data_of(text)
    wanted = _changed(old, path, value)
    if _exactly(old) == _exactly(wanted):
        return text
    new = cut(text, path, value)
    if not _says(new, wanted):
        raise EditError(line_of(text, path), _why_not(outline(text), path))
    return new


def line_of(text: str, path: Path) -> int:
    """The line of what is at `path`, from 1; of what would surround it when it is not there."""
    text = text.removeprefix(_BOM)
    root = outline(text)
    return line_at(text, way(root, path).last.start) if root else 1


def _changed(data: Any, path: Path, value: Any) -> Any:
    """The data with `value` at `path`."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    match data:
        case dict():
            return {**data, part: _changed(data.get(part), rest, value)}
        case list() if isinstance(part, int) and part < len(data):
            return [*data[:part], _changed(data[part], rest, value), *data[part + 1 :]]
        case _:
            return {part: _changed(None, rest, value)}


def _says(text: str, wanted: Any) -> bool:
    try:
        return bool(_exactly(data_of(text)) == _exactly(wanted))
    except EditError:
        return False


def _exactly(data: Any) -> Any:
    """Data to compare: 1, true and 1.0 are three things, and a version 3.10 is not 3.1."""
    match data:
        case dict():
            return {key: _exactly(value) for key, value in data.items()}
        case list():
            return [_exactly(value) for value in data]
        case str() | None:
            return data
        case _:
            kind = next(kind for kind in (bool, int, float) if isinstance(data, kind))
            return kind, as_written(data)


def _why_not(root: Node | None, path: Path) -> str:
    name = ".".join(map(str, path))
    nodes = way(root, path).nodes if root else ()
    aliases = {node.anchor for node in root.walk() if node.kind is Kind.ALIAS} if root else set()
    if shared := [node.anchor for node in nodes if node.anchor in aliases]:
        reason = f"is shared by the anchor &{shared[0]}, so to set it would change others"
    elif nodes and any(key.text == "<<" for key, _ in nodes[-1].pairs):
        reason = "comes in part from a merge (<<), which to set it would hide"
    else:
        reason = "cannot be set without changing more than that"
    return f"{name} {reason}: edit the file by hand"
