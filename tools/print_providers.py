"""What the docs say of each provider that comes along, from its class and its block of YAML."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from docstring_parser import parse

from gleitzeit_extensions import SocketIOProviderClient, settings
from gleitzeit_extensions.methods import Method, public_methods
from gleitzeitd.config.template import built_in

ROOT = Path(__file__).resolve().parent.parent
END = "_provider"


@cache
def provider(name: str) -> type[SocketIOProviderClient]:
    """The class of `providers/NAME_provider.py`."""
    module = import_module(f"providers.{name}{END}")
    (found,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, SocketIOProviderClient)
        and value.__module__ == module.__name__
    ]
    return found


def names() -> list[str]:
    return sorted(path.stem.removesuffix(END) for path in (ROOT / "providers").glob(f"*{END}.py"))


def block(name: str) -> str:
    """What stands in the file to have it."""
    return f"```yaml\nproviders:\n{textwrap.indent(built_in()[f'{name}{END}'], '  ')}```\n"


def settings_of(name: str) -> Iterator[tuple[str, str, str, str]]:
    """Of each key of its `config:` the name, what it is, its default, and its sentence."""
    for takes in settings.constructors(provider(name)):
        if takes.owner is SocketIOProviderClient:
            return
        words = {one.arg_name: one.description for one in parse(inspect.getdoc(takes.function) or "").params}
        for key, parameter in takes.named.items():
            default = parameter.default
            shown = "" if default in (None, "", inspect.Parameter.empty) else f"`{_as_yaml(default)}`"
            yield f"`{key}`", _kind(parameter), shown, _line(words.get(key) or "")


def methods_of(name: str) -> Iterator[str]:
    """Of each method a paragraph: how it is called, its sentence, what it takes, what else is to be known."""
    for method in public_methods(provider(name), SocketIOProviderClient).values():
        known = [
            word for word, is_so in (("a stream", method.streams), ("repeatable", method.idempotent)) if is_so
        ]
        takes = method.takes.schema["properties"] if method.takes else {}
        told = [
            f"- `{key}`: {_line(words)}\n" for key, one in takes.items() if (words := one.get("description"))
        ]
        yield f"### `{method.name}({_parameters(method)})`\n\n{_sentence(method)}"
        yield f" *({', '.join(known)})*\n\n" if known else "\n\n"
        yield "".join(told) + "\n" if told else ""


def overview() -> Iterator[tuple[str, str, str, str]]:
    """Of each provider its page, what it is for, its methods, and what has to be installed for it."""
    order = [module.removesuffix(END) for module in built_in()]
    for name in sorted(names(), key=lambda name: order.index(name) if name in order else len(order)):
        cls = provider(name)
        methods = ", ".join(f"`{method}`" for method in public_methods(cls, SocketIOProviderClient))
        page = ROOT / f"docs/providers/{name}.md"
        title = f"[{name}](docs/providers/{name}.md)" if page.exists() else name
        yield title, _first_sentence(cls), methods, f"`{extra}`" if (extra := extra_of(name)) else ""


def extra_of(name: str) -> str:
    """The extra that installs what it needs, as its page says; empty when it needs nothing."""
    page = ROOT / f"docs/providers/{name}.md"
    found = re.search(r"gleitzeitd\[(\w+)\]", page.read_text()) if page.exists() else None
    return found[1] if found else ""


def _first_sentence(cls: type) -> str:
    return _line((inspect.getdoc(cls) or "").partition("\n\n")[0])


def _sentence(method: Method) -> str:
    words = method.description
    return words if words.endswith(".") else f"{words}."


def _parameters(method: Method) -> str:
    takes = method.takes
    return ", ".join(map(_parameter, takes.named.values())) if takes else "..."


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    if parameter.default is None:
        return f"{parameter.name}?"
    return f"{parameter.name}={_as_yaml(parameter.default)}"


def _as_yaml(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
    return str(value)


def _kind(parameter: inspect.Parameter) -> str:
    return str(parameter.annotation).replace(" | None", "").replace("|", "or")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
