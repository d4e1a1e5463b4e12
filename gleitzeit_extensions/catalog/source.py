"""Reads the decorated classes of a module from its text: what is written as plain values needs no running."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gleitzeit_extensions.catalog import parts, requirements
from gleitzeit_extensions.catalog.meta import ExtensionMeta, Found, Style
from gleitzeit_extensions.catalog.parts import Part

US = "gleitzeit_extensions"
HOMES = (US, f"{US}.decorators")
"""The modules that the decorators are imported from."""
CHANGING = frozenset(
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "sort",
        "reverse",
        "add",
        "discard",
        "update",
        "setdefault",
        "popitem",
    ]
)
"""Methods that change a list, a set or a mapping in place."""
LARGEST = 4 * 1024 * 1024
"""Bytes of a module; nobody writes longer ones."""


class Unreadable(Exception):
    """Only running the module tells what it declares."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a module, or a class in it, cannot be one of an extension."""

    place: str
    """`file:line`."""
    sentence: str
    name: str | None = None
    """The extension's, where that could be read."""


def read(path: Path, home: Path) -> tuple[list[Found], list[Mistake]]:
    """The extensions that the module at `path` declares, and what cannot be meant; `home` is all of it.

    Raises Unreadable for what is computed.
    """
    try:
        if path.stat().st_size > LARGEST:
            return [], []
        content = path.read_bytes()
    except OSError as exc:
        return [], [Mistake(f"{path}:1", f"cannot be read: {exc.strerror}")]
    if US.encode() not in content:
        return [], []
    try:
        tree = ast.parse(content)
    except SyntaxError as exc:
        return [], [Mistake(f"{path}:{exc.lineno or 1}", f"is no Python: {exc.msg}")]
    except (ValueError, RecursionError, MemoryError) as exc:
        return [], [Mistake(f"{path}:1", f"is no Python: {exc}")]
    module = _Module(path, home, tree)
    found = list(module.extensions())
    if not found and not module.mistakes and module.uses_extension:
        raise Unreadable(path)
    return found, module.mistakes


class _Module:
    def __init__(self, path: Path, home: Path, tree: ast.Module) -> None:
        self._path, self._home, self._tree = path, home, tree
        self._names = dict(_imported(tree))
        self._constants = dict(_constants(tree))
        self.mistakes: list[Mistake] = []

    @property
    def uses_extension(self) -> bool:
        """In whatever way: by hand, or on a class that is not at the top."""
        return any(
            self._maker(node) is parts.extension
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name | ast.Attribute)
        )

    def extensions(self) -> Iterator[Found]:
        for node in self._tree.body:
            if isinstance(node, ast.ClassDef) and (meta := self._meta(node)):
                yield Found(
                    meta, Style.DECORATOR, self._path, node.lineno, self._home, node.name, node.lineno
                )

    def _meta(self, node: ast.ClassDef) -> ExtensionMeta | None:
        """None for a class that is no extension, and for one with mistakes."""
        declared, wrong = list[Part](), list[tuple[int, str]]()
        for line, part in self._parts(node.decorator_list):
            if isinstance(part, str):
                wrong.append((line, part))
            else:
                declared.append(part)
        if declared and not wrong:
            try:
                return parts.assemble(declared)
            except ValueError as exc:
                wrong.append((node.lineno, f"{node.name}: {exc}"))
        name = next((part.name for part in declared if isinstance(part, parts.Head)), None)
        self.mistakes += [Mistake(f"{self._path}:{line}", sentence, name) for line, sentence in wrong]
        return None

    def _parts(self, decorators: list[ast.expr]) -> Iterator[tuple[int, Part | str]]:
        """What each of our decorators says, or what is wrong with it, and its line."""
        for decorator in decorators:
            if isinstance(decorator, ast.Call) and (make := self._maker(decorator.func)):
                args = [value for one in decorator.args for value in self._positional(one)]
                keywords = [pair for one in decorator.keywords for pair in self._keyword(one)]
                try:
                    part = make(*args, **dict(keywords))
                except (ValueError, TypeError) as exc:
                    yield decorator.lineno, str(exc)
                    continue
                yield decorator.lineno, part
                for text in part.requirements if isinstance(part, parts.Requires) else ():
                    if sentence := requirements.misread(text):
                        yield decorator.lineno, f"@requires: {sentence}"

    def _maker(self, function: ast.expr) -> Callable[..., Part] | None:
        """What makes the part of one of our decorators; None for others."""
        dotted = _dotted(function)
        first, _, rest = dotted.partition(".")
        full = f"{self._names.get(first, '')}.{rest}".rstrip(".")
        home, _, name = full.rpartition(".")
        return parts.DECORATORS.get(name) if home in HOMES else None

    def _positional(self, node: ast.expr) -> list[Any]:
        if not isinstance(node, ast.Starred):
            return [self._value(node)]
        several = self._value(node.value)
        if not isinstance(several, list | tuple):
            raise Unreadable(self._path)
        return list(several)

    def _keyword(self, node: ast.keyword) -> list[tuple[str, Any]]:
        value = self._value(node.value)
        if node.arg is not None:
            return [(node.arg, value)]
        if not isinstance(value, dict):
            raise Unreadable(self._path)
        return list(value.items())

    def _value(self, node: ast.expr) -> Any:
        try:
            return ast.literal_eval(_Filled(self._constants).visit(node))
        except (ValueError, TypeError, RecursionError) as exc:
            raise Unreadable(self._path) from exc


class _Filled(ast.NodeTransformer):
    """Puts the values of a module's constants where their names stand."""

    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._constants.get(node.id, node)


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that imports bind, and what each one stands for."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for one in names:
                    yield (
                        one.asname or one.name.partition(".")[0],
                        one.name if one.asname else one.name.partition(".")[0],
                    )
            case ast.ImportFrom(module=str(module), names=[ast.alias(name="*")], level=0) if module in HOMES:
                yield from ((name, f"{module}.{name}") for name in parts.DECORATORS)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for one in names:
                    yield one.asname or one.name, f"{module}.{one.name}"


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that the module binds once, to a plain value."""
    bound = Counter(name for node in ast.walk(tree) for name in _changed(node))
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if bound[name] == 1 and _is_plain(value):
                    yield name, value


def _changed(node: ast.AST) -> Iterator[str]:
    """The names that it binds, unbinds, or whose value it changes in place."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            yield name
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in CHANGING:
            yield name


def _is_plain(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr) if inner := _dotted(value):
            return f"{inner}.{attr}"
    return ""
