"""The values that an extension is configured with: how they are declared, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sized
from math import isfinite
from typing import Any

from gleitzeit_extensions.catalog.meta import ConfigField, ExtensionMeta, FieldType
from gleitzeit_extensions.exceptions import ExtensionConfigError

TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
KINDS: Mapping[FieldType, tuple[type, ...]] = {
    FieldType.STRING: (str,),
    FieldType.SECRET: (str,),
    FieldType.INTEGER: (int,),
    FieldType.NUMBER: (int, float),
    FieldType.BOOLEAN: (bool,),
    FieldType.LIST: (list, tuple),
    FieldType.OBJECT: (dict,),
}
PLAIN = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "dict": "object",
    "array": "list",
}
LONGEST_SHOWN = 60


class Misdeclared(ValueError):
    """A declaration that cannot be meant: `key` is the part of it that is wrong."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(f"{key}: {sentence}")
        self.key, self.sentence = key, sentence


def field(name: object, **said: Any) -> ConfigField:
    """The field that the keys `type required default env_var description min max choices` describe.

    Raises Misdeclared for the first of them that is wrong.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise Misdeclared("name", f"{name!r} cannot be the name of a field: it is handed over as a keyword")
    for key in said:
        if key not in KEYS:
            raise Misdeclared(
                key, f"there is no such key{_meant(_near(key, KEYS))}: there are {', '.join(KEYS)}"
            )
        if said[key] is not None and not isinstance(said[key], KEYS[key]):
            raise Misdeclared(key, f"{_shown(said[key])} is not {WANTED[key]}")
        if key in ("min", "max") and not _is_number(said[key]):
            raise Misdeclared(key, f"{_shown(said[key])} is not {WANTED[key]}")
    if (variable := said.get("env_var")) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise Misdeclared("env_var", f"{_shown(variable)} is not {WANTED['env_var']}")
    made = ConfigField(
        name,
        _type(said.get("type") or FieldType.STRING),
        required=bool(said.get("required")),
        default=said.get("default"),
        env_var=said.get("env_var") or None,
        description=said.get("description") or "",
        min=said.get("min"),
        max=said.get("max"),
        choices=tuple(said.get("choices") or ()),
    )
    _agree(made)
    return made


KEYS: Mapping[str, Any] = {
    "type": str,
    "required": bool,
    "default": object,
    "env_var": str,
    "description": str,
    "min": (int, float),
    "max": (int, float),
    "choices": (list, tuple),
}
WANTED = {
    "type": "the name of a type, such as string",
    "required": "true or false",
    "env_var": "the name of an environment variable",
    "description": "text",
    "min": "a number",
    "max": "a number",
    "choices": "a list of values",
}


def resolve(meta: ExtensionMeta, given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What each declared field is: as given, else from its variable, else its default; absent if nobody says.

    Raises one ExtensionConfigError for all that is wrong. It shows no secret, and of what a variable holds
    nothing but the variable's name. What is given and not declared is not looked at.
    """
    values, mistakes = dict[str, Any](), list[str]()
    for one in meta.config.values():
        try:
            value = _value(one, given, environ)
        except ValueError as exc:
            mistakes.append(f"{one.name} {exc}")
        else:
            if value is not None:
                values[one.name] = value
    if mistakes:
        raise ExtensionConfigError(meta.name, f'"{meta.name}" is not well configured: {"; ".join(mistakes)}')
    return values


def _value(one: ConfigField, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """None when nobody says what it is."""
    if given.get(one.name) is not None:
        value = given[one.name]
        _check(one, value, _not(one, value))
        return value
    if one.env_var and (text := environ.get(one.env_var)):
        value, said = _read(one, text), f", and ${one.env_var} is not"
        _check(one, value, said)
        return value
    if one.default is None and one.required:
        raise ValueError(f"is required{f': give it, or set ${one.env_var}' if one.env_var else ''}")
    return one.default


def _read(one: ConfigField, text: str) -> Any:
    """The value that a variable's text means; the text itself where it means none of the type."""
    text = text if one.type in (FieldType.STRING, FieldType.SECRET) else text.strip()
    try:
        match one.type:
            case FieldType.INTEGER:
                return int(text)
            case FieldType.NUMBER:
                return float(text)
            case FieldType.BOOLEAN if text.lower() in TRUE + FALSE:
                return text.lower() in TRUE
            case FieldType.LIST if not text.startswith("["):
                return [item.strip() for item in text.split(",") if item.strip()]
            case FieldType.LIST | FieldType.OBJECT:
                import json  # where it is needed: every extension imports this module

                return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return text


def _check(one: ConfigField, value: Any, said: str) -> None:
    """Raises ValueError with what the value has to be, and `said`."""
    is_flag = isinstance(value, bool) and one.type is not FieldType.BOOLEAN
    is_no_number = isinstance(value, float) and not isfinite(value)
    if is_flag or is_no_number or not isinstance(value, KINDS[one.type]):
        raise ValueError(f"has to be {_a(one.type)}{said}")
    if one.choices and value not in one.choices:
        several = "its choices" if one.type is FieldType.SECRET else ", ".join(map(_shown, one.choices))
        raise ValueError(f"has to be one of {several}{said}")
    measure: Any
    measure, of_what = (len(value), f" {_pieces(one.type)}") if isinstance(value, Sized) else (value, "")
    if one.min is not None and measure < one.min:
        raise ValueError(f"has to be at least {_shown(one.min)}{of_what}{said}")
    if one.max is not None and measure > one.max:
        raise ValueError(f"has to be at most {_shown(one.max)}{of_what}{said}")


def _not(one: ConfigField, value: Any) -> str:
    return "" if one.type is FieldType.SECRET else f", not {_shown(value)}"


def _is_number(value: Any) -> bool:
    return value is None or (not isinstance(value, bool) and (isinstance(value, int) or isfinite(value)))


def _type(name: str) -> FieldType:
    try:
        return FieldType(name)
    except ValueError:
        near = [PLAIN[name]] if name in PLAIN else _near(name, FieldType)
        sentence = f"{_shown(name)} is no type{_meant(near)}: there are {', '.join(FieldType)}"
        raise Misdeclared("type", sentence) from None


def _agree(one: ConfigField) -> None:
    """The parts of the declaration with each other."""
    if one.min is not None and one.max is not None and one.min > one.max:
        raise Misdeclared("min", f"{_shown(one.min)} is more than max, {_shown(one.max)}")
    for key, values in (("choices", one.choices), ("default", () if one.default is None else (one.default,))):
        for value in values:
            try:
                _check(one, value, _not(one, value))
            except ValueError as exc:
                raise Misdeclared(key, str(exc)) from None


def _a(type: FieldType) -> str:
    noun = "string" if type is FieldType.SECRET else type
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pieces(type: FieldType) -> str:
    return {FieldType.LIST: "items", FieldType.OBJECT: "keys"}.get(type, "characters")


def _shown(value: Any) -> str:
    import json

    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _near(text: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(text, list(known), n=1)


def _meant(near: list[str]) -> str:
    return f" (did you mean {near[0]}?)" if near else ""
