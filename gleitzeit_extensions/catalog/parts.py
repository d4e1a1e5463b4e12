"""What single decorators say, and the whole that they make in any order.

Read from a class that runs or from the text of one, they are made by the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gleitzeit_extensions.catalog import fields
from gleitzeit_extensions.catalog.meta import NAME, ConfigField, ExtensionMeta, Model


@dataclass(frozen=True, slots=True)
class Head:
    """`@extension`: without it, a class is none."""

    name: str
    description: str
    version: str
    author: str


@dataclass(frozen=True, slots=True)
class Requires:
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    names: tuple[str, ...]


Part = Head | Requires | Capabilities | Model | ConfigField


def extension(name: str, description: str = "", version: str = "1.0.0", author: str = "") -> Head:
    _text("@extension", name=name)
    if not re.search(NAME, name):
        sentence = f"a name is a word of letters, digits, `.`, `-` and `_`, not {name!r:.60}"
        raise ValueError(f"@extension: {sentence}")
    for key, value in {"description": description, "version": version, "author": author}.items():
        _string("@extension", key, value)
    return Head(name, description, version, author)


def requires(*requirements: str) -> Requires:
    return Requires(_texts("@requires", requirements))


def capability(*names: str) -> Capabilities:
    return Capabilities(_texts("@capability", names))


def model(
    name: str,
    capabilities: Sequence[str] | None = None,
    max_tokens: int | None = None,
    cost_per_token: float | None = None,
    **extra: Any,
) -> Model:
    _text("@model", name=name)
    if isinstance(capabilities, str):
        raise ValueError(f'@model: capabilities is a list: write ["{capabilities}"]')
    if max_tokens is not None and not (_is_amount(max_tokens) and max_tokens == int(max_tokens) > 0):
        raise ValueError(f"@model: max_tokens is a whole number above 0, not {max_tokens!r:.60}")
    if cost_per_token is not None and not _is_amount(cost_per_token):
        raise ValueError(f"@model: cost_per_token is a number, 0 or more, not {cost_per_token!r:.60}")
    return Model(name, _texts("@model", capabilities or ()), max_tokens, cost_per_token, extra)


def config_field(name: str, field_type: str = "string", **said: Any) -> ConfigField:
    try:
        return fields.field(name, type=field_type, **said)
    except fields.Misdeclared as exc:
        key = "field_type" if exc.key == "type" else exc.key
        raise ValueError(f"@config_field({name!r:.60}): {key}: {exc.sentence}") from exc


DECORATORS: Mapping[str, Callable[..., Part]] = {
    "extension": extension,
    "requires": requires,
    "model": model,
    "capability": capability,
    "config_field": config_field,
}
"""The decorators of a class by their names."""


def assemble(parts: Iterable[Part]) -> ExtensionMeta:
    """The extension that the parts describe, which stand in the order of the source.

    Raises ValueError with a sentence: for the second of two heads, models or fields of one name.
    """
    parts = list(parts)
    heads = [part for part in parts if isinstance(part, Head)]
    if len(heads) != 1:
        raise ValueError("@extension is needed once, not twice" if heads else "there is no @extension")
    models = [part for part in parts if isinstance(part, Model)]
    configured = [part for part in parts if isinstance(part, ConfigField)]
    _once("model", [one.name for one in models])
    _once("config_field", [one.name for one in configured])
    head = heads[0]
    return ExtensionMeta(
        head.name,
        head.description,
        head.version,
        head.author,
        tuple(models),
        _joined(part.names for part in parts if isinstance(part, Capabilities)),
        _joined(part.requirements for part in parts if isinstance(part, Requires)),
        {one.name: one for one in configured},
    )


def _joined(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for one in lists for item in one))


def _once(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'there are two of @{what} "{name}"')


def _texts(decorator: str, given: Iterable[object]) -> tuple[str, ...]:
    texts = list[str]()
    for text in given:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{decorator} takes strings, not {text!r:.60}")
        texts.append(text)
    return tuple(texts)


def _text(decorator: str, *, name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{decorator} needs a name, not {name!r:.60}")


def _string(decorator: str, key: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f'{decorator}: {key} is a string, not {value!r:.60}: write "{value!s:.40}"')


def _is_amount(value: object) -> bool:
    if isinstance(value, float) and not isfinite(value):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
