"""Who may import whom: the house as one table, and a walk through every import that keeps it true."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gleitzeitd", "gleitzeitctl", "gleitzeit_extensions", "providers")


@dataclass(frozen=True)
class Room:
    """What the modules of one package (or one module) may import of the project, beside themselves."""

    knows: tuple[str, ...] = ()
    knows_late: tuple[str, ...] = ()
    """Only inside a function or for types, where it costs a start nothing."""
    never: tuple[str, ...] = ()
    """What it may not import from outside the project."""


PROTOCOL = "gleitzeit_extensions.protocol"
LEAN = "gleitzeit_extensions.lean"
PLACES = "gleitzeit_extensions.places"
VERSION = "gleitzeit_extensions.version"
EXCEPTIONS = "gleitzeit_extensions.exceptions"
CATALOG = "gleitzeit_extensions.catalog"
EXTENSIONS = "gleitzeit_extensions.extensions"
CLIENT = "gleitzeit_extensions.client"
HELPERS = "gleitzeit_extensions.helpers"
TESTING = "gleitzeit_extensions.testing"
BATCH = "gleitzeit_extensions.batch"
SDK = ("gleitzeit_extensions", PROTOCOL, LEAN, PLACES, VERSION)
CORE = "gleitzeitd.core"
LOGS = "gleitzeitd.processes.logs"
CHECKS = "gleitzeitd.processes.checks"
CONTAINMENT = "gleitzeitd.processes.containment"
ENVIRONMENT = "gleitzeitd.processes.environment"
WATCHING = "gleitzeitd.watching"
ACCESS = "gleitzeitd.hub.access"
WIRE = "gleitzeitd.hub.wire"
PROCESSES = ("gleitzeitd.processes", LOGS, CHECKS, CONTAINMENT)
WINGS = ("gleitzeitd.config", *PROCESSES, "gleitzeitd.hub", ACCESS, WIRE)
CONTROL = "gleitzeitd.control"
LOGGING, PREMISES, LISTENING = "gleitzeitd.logging", "gleitzeitd.premises", "gleitzeitd.listening"
CERTIFICATE = "gleitzeitd.certificate"
SYSTEMD, VIGIL, SERVICE = "gleitzeitd.systemd", "gleitzeitd.vigil", "gleitzeitd.service"
HALLS = (LOGGING, PREMISES, LISTENING, CERTIFICATE, SYSTEMD, SERVICE)
EVERY_PART = (CORE, *WINGS, ENVIRONMENT, CONTROL, *HALLS, PROTOCOL, PLACES, VERSION)
LOOPS = ("anyio", "asyncio", "concurrent", "multiprocessing", "sched", "threading", "trio")
THE_WORLD = ("os", "select", "selectors", "shutil", "socket", "subprocess", "tempfile", "time")

HOUSE = {
    "gleitzeitd": Room(),
    "gleitzeitd.__main__": Room(knows=("gleitzeitd.main",)),
    "gleitzeitd.main": Room(knows=("gleitzeitd.daemon", "gleitzeitd.foreground", *EVERY_PART)),
    "gleitzeitd.foreground": Room(knows=("gleitzeitd.daemon", *EVERY_PART)),
    "gleitzeitd.daemon": Room(knows=("gleitzeitd.launches", *EVERY_PART)),
    "gleitzeitd.launches": Room(knows=EVERY_PART),
    "gleitzeitd.logging": Room(),
    "gleitzeitd.premises": Room(knows=(CORE, PLACES, PROTOCOL)),
    CERTIFICATE: Room(knows=(CORE, WATCHING)),
    LISTENING: Room(knows=(CORE, PREMISES, SYSTEMD, PLACES, PROTOCOL)),
    # The manager that started us, and what it is told: nothing of this is known to what does the work.
    SYSTEMD: Room(),
    VIGIL: Room(knows=(SYSTEMD,)),
    SERVICE: Room(knows=(SYSTEMD, VIGIL, "gleitzeitd.processes", LOGS)),
    "gleitzeitd.control": Room(knows=(CORE, *WINGS, PROTOCOL, PLACES, VERSION)),
    "gleitzeitd.hub": Room(knows=(CORE, PROTOCOL, ACCESS, WIRE)),
    # Who is let in is decided without a look at any call, and packets are the same whoever sends them.
    ACCESS: Room(knows=(CORE, PROTOCOL, LEAN)),
    WIRE: Room(knows=(CORE, PROTOCOL, LEAN)),
    "gleitzeitd.processes": Room(knows=(CORE, ENVIRONMENT, LOGS, CHECKS, CONTAINMENT, WATCHING)),
    # What a provider would be given: the command line asks, too, when it tries to import one.
    ENVIRONMENT: Room(knows=(CORE,)),
    # Neither knows a child: what is printed and what is left behind are no matter of who did it.
    LOGS: Room(knows=(CORE,)),
    CONTAINMENT: Room(knows=(CORE, ENVIRONMENT)),
    CHECKS: Room(knows=(CORE, CONTAINMENT, "gleitzeitd.processes")),
    # Extensions are read, and never run.
    "gleitzeitd.config": Room(knows=(CORE, WATCHING, EXCEPTIONS), knows_late=(CATALOG,)),
    # It knows nobody: whose files change, and what for, is the business of others.
    WATCHING: Room(),
    "gleitzeitd.core": Room(never=(*LOOPS, *THE_WORLD)),
    "gleitzeitctl": Room(
        # a batch is the same from a command line and from a program
        knows=(PROTOCOL, PLACES, VERSION, BATCH),
        knows_late=(CORE, "gleitzeitd.config", ENVIRONMENT, "gleitzeitd.main"),
    ),
    "gleitzeit_extensions": Room(knows=(*SDK, EXCEPTIONS, CATALOG), knows_late=(EXTENSIONS, HELPERS)),
    EXCEPTIONS: Room(),
    # What there is and what it declares, for whoever must not run it.
    CATALOG: Room(knows=(EXCEPTIONS,)),
    EXTENSIONS: Room(knows=(*SDK, EXCEPTIONS, CATALOG), knows_late=(CLIENT,)),
    # The one part of the SDK that has a hub: nobody but a test's author imports it.
    TESTING: Room(
        knows=(*SDK, CLIENT),
        knows_late=(EXTENSIONS, CORE, "gleitzeitd.config", "gleitzeitd.hub", ACCESS, CONTROL, PROCESSES[0]),
    ),
    # For a program that has extensions of its own, rather than for what runs one.
    HELPERS: Room(knows=(*SDK, EXCEPTIONS, CATALOG, EXTENSIONS)),
    # A program that calls providers is none.
    CLIENT: Room(knows=(PROTOCOL, PLACES, BATCH)),
    BATCH: Room(),
    "gleitzeit_extensions.protocol": Room(),
    LEAN: Room(),
    "gleitzeit_extensions.places": Room(),
    "gleitzeit_extensions.version": Room(),
    "providers": Room(knows=SDK),
}


class Import(NamedTuple):
    line: int
    name: str
    is_late: bool


def room_of(name: str) -> str | None:
    """The innermost room that the dotted `name` lies in; None outside the project."""
    return max((room for room in HOUSE if f"{name}.".startswith(f"{room}.")), key=len, default=None)


def imports(tree: ast.AST, package: str, is_late: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, alias.name, is_late) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                source = resolve_name("." * level + (module or ""), package)
                yield from (Import(node.lineno, f"{source}.{alias.name}", is_late) for alias in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.If(test=ast.Name("TYPE_CHECKING")):
                yield from imports(node, package, is_late=True)
            case _:
                yield from imports(node, package, is_late)


def may(room: str, seen: Import) -> bool:
    rule, other = HOUSE[room], room_of(seen.name)
    if other is None:
        return seen.name.split(".")[0] not in rule.never
    return other in (room, *rule.knows) or (seen.is_late and other in rule.knows_late)


def trespasses(room: str, source: str, package: str) -> list[str]:
    """The imports of one module that its room forbids, one `line: name` each."""
    found = imports(ast.parse(source), package)
    return [f"{seen.line}: {seen.name}" for seen in found if not may(room, seen)]


def modules_of(room: str) -> list[Path]:
    return [path for path in every_module() if room_of(dotted(path)) == room]


@cache
def every_module() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("room", HOUSE)
def test_a_room_imports_only_what_its_rule_allows(room: str) -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in modules_of(room)
        if (wrong := trespasses(room, path.read_text(), ".".join(path.relative_to(ROOT).parent.parts)))
    }

    assert found == {}


@pytest.mark.parametrize("room", HOUSE)
def test_every_rule_is_about_modules_that_exist(room: str) -> None:
    assert modules_of(room)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        pytest.param("gleitzeitd.core", "import time", id="the core reads a clock"),
        pytest.param("gleitzeitd.core", "from asyncio import sleep", id="the core waits"),
        pytest.param("gleitzeitd.core", "import gleitzeitd.config.schema", id="the core looks up"),
        pytest.param("gleitzeitd.hub", "from gleitzeitd.processes import child", id="a wing knows another"),
        pytest.param("gleitzeitd.hub", "from ..processes import child", id="by a relative name"),
        pytest.param("gleitzeitd.hub", "from gleitzeitd import processes", id="by way of the parent"),
        pytest.param("gleitzeitd.hub", "def f():\n    import gleitzeitd.processes", id="inside a function"),
        pytest.param("gleitzeitd.hub", "from gleitzeit_extensions.client import Client", id="the hub calls"),
        pytest.param("gleitzeitd.hub", "from gleitzeitd.logging import set_up", id="a wing sets up logging"),
        pytest.param("gleitzeitd.control", "import gleitzeitd.daemon", id="control knows the daemon"),
        pytest.param("gleitzeitctl", "from gleitzeitd.config import load", id="a command starts slowly"),
        pytest.param("gleitzeitctl", "class C:\n    import gleitzeitd.main", id="in a class body"),
        pytest.param("gleitzeit_extensions", "import gleitzeitd", id="the SDK knows the daemon"),
        pytest.param(CATALOG, "import gleitzeit_extensions.decorators", id="the catalog runs what it reads"),
        pytest.param("gleitzeitd.config", f"def f():\n    import {EXTENSIONS}", id="the config runs them"),
        pytest.param("providers", "import gleitzeitctl.client", id="a provider knows the command line"),
    ],
)
def test_a_planted_trespass_is_found(room: str, source: str) -> None:
    assert trespasses(room, source, package=room)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        pytest.param("gleitzeitd.core", "import random, re", id="the core computes"),
        pytest.param("gleitzeitd.core", "from .process import step", id="a room knows itself"),
        pytest.param("gleitzeitd.hub", "from gleitzeit_extensions import protocol", id="the hub speaks gz/1"),
        pytest.param("gleitzeitctl", "def f():\n    from gleitzeitd.config import load", id="a late import"),
        pytest.param("gleitzeitctl", "if TYPE_CHECKING:\n    import gleitzeitd.config", id="for types only"),
    ],
)
def test_an_allowed_import_is_let_in(room: str, source: str) -> None:
    assert trespasses(room, source, package=room) == []
