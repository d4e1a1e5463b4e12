"""How a value may be written: one type for each kind of setting, with the sentence for what it is not."""

from __future__ import annotations

import re
import signal as signals
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, NoReturn, TypeGuard

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema

from gleitzeitd.config.schedule import wrong_with
from gleitzeitd.config.written import as_written
from gleitzeitd.core.failover import DEFAULT
from gleitzeitd.core.spec import CheckKind, Policy, Strategy

TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
SIZES = {"B": 1, "kB": 1000}
SIZES |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", start=1)}
SIZES |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)}
_SIZE = re.compile(rf"(\d{{1,18}}(?:\.\d{{1,9}})?)\s*({'|'.join(SIZES)})")
LONGEST_DURATION = 365 * 86400
SMALLEST, LARGEST = 4096, 2**50
_BOOLEANS = {"yes": True, "on": True, "no": False, "off": False}
_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL")
_MODE = re.compile(r"(?:0o)?([0-7]{1,4})")


def flag(value: Any) -> Any:
    """YAML 1.1 booleans, which YAML 1.2 reads as text, still mean what people mean by them."""
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def is_command(value: object) -> TypeGuard[str | list[str]]:
    return isinstance(value, str) or is_texts(value)


def is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def refuse(kind: str, sentence: str) -> NoReturn:
    # As a value of the context the sentence may have braces, which the template must not.
    raise PydanticCustomError(kind, "{sentence}", {"sentence": sentence})


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        if not (match := _DURATION.fullmatch(value.strip())):
            refuse("duration", 'must be seconds or a duration like "30s", "5m" or "1h"')
        return float(match[1]) * TIMES[match[2]]
    return value


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        value = int(Fraction(match[1]) * SIZES[match[2]])
    if isinstance(value, bool) or not isinstance(value, int):
        refuse("size", 'must be bytes or a size like "20MiB" (by 1024) or "20MB" (by 1000)')
    if not SMALLEST <= value <= LARGEST:
        refuse("size", "must be from 4KiB (4096 bytes) to 1024TiB")
    return int(value)


def _cores(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("cores", "must be a number of cores such as 0.5")
    return value


def _weight(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("weight", "must be a number such as 0.5")
    return value


def _fallbacks(value: Any) -> Any:
    """A list where it is the only one: `default` is what a list without a class means."""
    if value is None or isinstance(value, str) or is_texts(value):
        return _texts(value or [])
    chains = {key: _texts(chain) for key, chain in value.items()} if isinstance(value, dict) else {"": None}
    if not all(map(is_texts, chains.values())):
        refuse("fallbacks", "must be a list of models or providers, or such a list for each class of errors")
    return chains[DEFAULT] if chains.keys() == {DEFAULT} else chains


def _signal(value: Any) -> Any:
    name = value if str(value).startswith("SIG") else f"SIG{value}"
    if name not in _SIGNALS:
        refuse("signal", f"must be one of {', '.join(_SIGNALS)}")
    return signals.Signals[name]


def _command(value: Any) -> Any:
    if not is_command(value):
        refuse("command", "must be a list of words or one text, such as [sleep, '60']")
    return value


def _variable(value: Any) -> str:
    if not isinstance(value, str | int | float):
        refuse("variable", "must be text, a number, true or false")
    return as_written(value)


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _inherited(value: Any) -> Any:
    value = flag(value)
    if not isinstance(value, bool) and not is_texts(value):
        refuse("inherited", "must be true or a list of names of variables")
    return value


def _account(value: Any) -> Any:
    return as_written(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _mode(value: Any) -> int:
    # As it was written: YAML reads 0022 as twenty-two, which nobody means by it.
    match = _MODE.fullmatch(as_written(value))
    if match is None or int(match[1], 8) > 0o777:
        refuse("mode", 'must be an octal number from "0000" to "0777"')
    return int(match[1], 8)


def _schedule(value: str) -> str:
    if sentence := wrong_with(value):
        refuse("schedule", sentence)
    return value


def _either(title: str, *forms: dict[str, Any]) -> WithJsonSchema:
    """What an editor is told of values that may be written in several ways."""
    return WithJsonSchema({"title": title, "anyOf": list(forms)})


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$"}


CHAINS = "list of texts, or one for each class"
_TEXT = {"type": "string"}
_LIST = {"type": "array", "items": _TEXT}
_ANY_CASE = "|".join("".join(f"[{char.upper()}{char}]" for char in word) for word in _BOOLEANS)
_TRUE_OR_FALSE = ({"type": "boolean"}, _text(f"({_ANY_CASE})"))


@dataclass(frozen=True, slots=True)
class OrText:
    """For an editor: the type itself, within its bounds, or a text of this form."""

    title: str
    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, make: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"title": self.title, "anyOf": [make(core), _text(self.pattern)]}


Flag = Annotated[bool, BeforeValidator(flag), _either("true or false", *_TRUE_OR_FALSE)]
Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=0, le=LONGEST_DURATION, allow_inf_nan=False),
    OrText("duration", rf"\s*{_DURATION.pattern}\s*"),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    _either(
        "size", {"type": "integer", "minimum": SMALLEST, "maximum": LARGEST}, _text(rf"\s*{_SIZE.pattern}\s*")
    ),
]
Cores = Annotated[
    float,
    BeforeValidator(_cores),
    Field(gt=0, le=10_000, allow_inf_nan=False),
]
Weight = Annotated[
    float,
    BeforeValidator(_weight),
    Field(gt=0, le=1_000_000, allow_inf_nan=False),
]
Fallbacks = Annotated[
    list[str] | dict[str, list[str]],
    BeforeValidator(_fallbacks),
    _either(
        CHAINS,
        _LIST,
        _TEXT,
        {"type": "object", "additionalProperties": {"anyOf": [_LIST, _TEXT]}},
    ),
]
StopSignal = Annotated[
    signals.Signals,
    BeforeValidator(_signal),
    WithJsonSchema({"title": "signal", "enum": [*_SIGNALS, *(name[3:] for name in _SIGNALS)]}),
]
Choice = Annotated[Policy, Field(strict=False)]
Kind = Annotated[CheckKind, Field(strict=False)]
Strategic = Annotated[Strategy, Field(strict=False)]
Command = Annotated[list[str] | str, BeforeValidator(_command), _either("command", _LIST, _TEXT)]
Variable = Annotated[
    str, BeforeValidator(_variable), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Texts = Annotated[list[str], BeforeValidator(_texts), _either("text or list of texts", _LIST, _TEXT)]
Inherited = Annotated[
    bool | list[str], BeforeValidator(_inherited), _either("true or list of names", *_TRUE_OR_FALSE, _LIST)
]
Account = Annotated[str, BeforeValidator(_account), _either("name or number", _TEXT, {"type": "integer"})]
Mode = Annotated[
    int,
    BeforeValidator(_mode),
    _either("octal number", _text(_MODE.pattern), {"type": "integer", "minimum": 0, "maximum": 777}),
]
Schedule = Annotated[str, AfterValidator(_schedule), WithJsonSchema({"title": "schedule", **_TEXT})]
