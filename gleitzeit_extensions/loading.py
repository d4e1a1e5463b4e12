"""Finds a provider's class by its dotted name, and says in a sentence why when it cannot."""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from gleitzeit_extensions import authors, failures, portions
from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


def use_path(directories: list[str]) -> None:
    """Look for classes in these directories, in this order, before anywhere else."""
    wanted = list(dict.fromkeys(str(Path(directory).absolute()) for directory in directories))
    sys.path[:] = wanted + [entry for entry in sys.path if entry not in wanted]
    portions.merge()


def load(dotted: str, directories: list[str]) -> type[SocketIOProviderClient]:
    """The class named `module.ClassName`; raises `Misconfigured`."""
    module_name, _, class_name = dotted.rpartition(".")
    if not module_name or not class_name:
        raise Misconfigured(f'class: "{dotted}" is not of the form module.ClassName')
    module = _module(module_name, directories)
    found = getattr(module, class_name, None)
    if found is None:
        near = get_close_matches(class_name, _classes(module), n=1)
        raise Misconfigured(f"{module.__file__} has no class {class_name}{_hint(near)}")
    if not isinstance(found, type):
        raise Misconfigured(f"{dotted} in {module.__file__} is a {type(found).__name__}, not a class")
    if not issubclass(found, SocketIOProviderClient):
        where = authors.written(found) or module.__file__
        raise Misconfigured(f"{dotted} is not a provider: {_way_out(found)} ({where})")
    return found


def _module(name: str, directories: list[str]) -> ModuleType:
    try:
        return importlib.import_module(name)
    except portions.FoundTwice as exc:
        raise Misconfigured(str(exc)) from exc
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise Misconfigured(_broken(name, exc, directories)) from exc
        searched = ", ".join([*directories, f"the packages of {sys.executable}"])
        near = get_close_matches(name, _modules(directories), n=1)
        raise Misconfigured(f"there is no module {exc.name}{_hint(near)}: looked in {searched}") from exc
    except (Exception, SystemExit) as exc:  # what an author's module does when it is imported, nobody knows
        raise Misconfigured(_broken(name, exc, directories)) from exc


def _way_out(cls: type) -> str:
    from gleitzeit_extensions.decorators import get_extension_meta, is_extension

    if is_extension(cls):
        name = get_extension_meta(cls).name
        return f"it is an extension: write `extension: {name}` in the place of `class`"
    return "let it inherit from gleitzeit_extensions.socketio_provider_client.SocketIOProviderClient"


def _broken(name: str, error: BaseException, directories: list[str]) -> str:
    where = authors.place(error, directories)
    words = (
        failures.own_words(error)
        if not isinstance(error, SyntaxError)
        else f"{type(error).__name__}: {error.msg}"
    )
    return f"cannot import {name}: {f'{where}: ' if where else ''}{words}"


def _classes(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, type)]


def _modules(directories: list[str]) -> list[str]:
    return [file.stem for directory in directories for file in Path(directory).glob("*.py")]


def _hint(near: list[str]) -> str:
    return f" (did you mean {near[0]}?)" if near else ""
