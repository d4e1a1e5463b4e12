"""The modules of one extension, imported under names that nobody else has.

All of them lie below a package `gleitzeit_extensions_loaded_<n>`. Their siblings are importable relative
(`from .utils import x`) and plain (`import utils`), also late in a function: each module is given a
`__import__` of its own that looks beside it first. So two extensions may both have a `utils`, and neither
`sys.path` nor anybody else's imports know of them.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PREFIX = "gleitzeit_extensions_loaded_"

_numbers = itertools.count(1)


class Modules(MetaPathFinder):
    """What is imported of the extension that lies in `home`, a directory or a single file.

    Entered into the import system by the first import; `forget()` takes all of it out again.
    """

    def __init__(self, home: Path) -> None:
        home = home.absolute()
        self._is_directory = home.is_dir()
        self.directory = home if self._is_directory else home.parent
        """Where its modules look for their siblings."""
        self._home = home
        self._root = f"{PREFIX}{next(_numbers)}"
        name = home.name if self._is_directory else home.stem
        self._top = f"{self._root}.{name.replace('.', '_')}"
        self._siblings = self._top if self._is_directory else self._root
        self._meanings: dict[tuple[str, str | None], str | None] = {}
        self._builtins = vars(builtins) | {"__import__": self._import}

    def of_file(self, path: Path) -> ModuleType:
        """The module whose source is `path`; raises whatever it raises."""
        if not self._is_directory:
            return self._load(self._top)
        inner = path.absolute().relative_to(self.directory).with_suffix("").parts
        return self._load(".".join([self._top, *inner]).removesuffix(".__init__"))

    def named(self, name: str) -> ModuleType:
        """The module of a `class_path`, relative to the directory; else an installed one."""
        inner = self._inside(name.split("."))
        return self._load(f"{self._top}.{inner}") if inner else importlib.import_module(name)

    def plain(self, text: str) -> str:
        """`text` without the private names, which would tell an author nothing."""
        return text.replace(f"{self._siblings}.", "").replace(f"{self._root}.", "")

    def hint(self, error: BaseException) -> str:
        """What to write where importlib was asked for what lies beside: it knows nothing of who asks."""
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        if not name or not self._file(name):
            return ""
        return f': write `import {name}`, or import_module(".{name}", __package__)'

    def forget(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [name for name in list(sys.modules) if f"{name}.".startswith(f"{self._root}.")]:
            del sys.modules[name]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by the import system; answers for the names below ours only."""
        if not fullname.startswith(f"{self._root}."):
            return None
        spec = self._home_spec() if fullname == self._top else PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path, self._builtins)
        return spec

    def _home_spec(self) -> ModuleSpec | None:
        if not self._is_directory:
            return spec_from_file_location(self._top, self._home)
        init = self._home / "__init__.py"
        if init.is_file():
            return spec_from_file_location(self._top, init, submodule_search_locations=[str(self._home)])
        spec = ModuleSpec(self._top, None, is_package=True)
        spec.submodule_search_locations = [str(self._home)]
        return spec

    def _load(self, name: str) -> ModuleType:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)  # before the finders that would give its modules no importer
            root = ModuleType(self._root)
            root.__path__ = [] if self._is_directory else [str(self.directory)]
            sys.modules[self._root] = root
        importlib.invalidate_caches()  # a file may have been written a moment ago
        return importlib.import_module(name)

    def _inside(self, parts: list[str]) -> str | None:
        """The dotted name below the directory of what may also be named from further up."""
        above = self.directory.parts
        for length in range(min(len(parts), len(above) + 1)):
            if not length or tuple(parts[:length]) == above[-length:]:
                first = self.directory / parts[length]
                if first.with_name(f"{first.name}.py").is_file() or first.is_dir():
                    return ".".join(parts[length:])
        return None

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the modules of this extension see it."""
        importer = (globals or {}).get("__file__")
        if level == 0:
            if (name, importer) not in self._meanings:  # a function may import at each of its calls
                self._meanings[name, importer] = self._meant(name, importer)
            if own := self._meanings[name, importer]:
                return _imported(own, name, fromlist)
        try:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as exc:
            if level == 0 and exc.name == name.partition(".")[0] and (own := self._left(name, importer)):
                return _imported(own, name, fromlist)
            raise

    def _meant(self, name: str, importer: str | None) -> str | None:
        """The private name of what `name` certainly means.

        A module never means itself: `openai.py` wants the package of that name. Where several extensions
        share one directory, neither is another extension meant.
        """
        file = self._file(name)
        if file and str(file) != importer and (self._is_directory or not _mentions_us(file)):
            return f"{self._siblings}.{name}"
        first, _, rest = name.partition(".")
        if rest and first == self.directory.name and self._is_directory and self._file(rest):
            return f"{self._top}.{rest}"
        return None

    def _left(self, name: str, importer: str | None) -> str | None:
        """The private name of what `name` may mean when nothing is installed that is called so."""
        file = self._file(name)
        if file and str(file) != importer:
            return f"{self._siblings}.{name}"
        if self._is_directory and (self.directory / name.partition(".")[0]).is_dir():
            return f"{self._siblings}.{name}"
        return self._top if self._is_directory and name == self.directory.name else None

    def _file(self, dotted: str) -> Path | None:
        first = self.directory / dotted.partition(".")[0]
        candidates = (first / "__init__.py", first.with_name(f"{first.name}.py"))
        return next((file for file in candidates if file.is_file()), None)


def _imported(own: str, name: str, fromlist: Sequence[str] | None) -> ModuleType:
    """What `import name` gives, or `from name import ...`, when `own` is meant by it."""
    if fromlist:
        return builtins.__import__(own, None, None, fromlist, 0)
    importlib.import_module(own)
    return sys.modules[own.removesuffix(name.partition(".")[2]).removesuffix(".")]


def _mentions_us(file: Path) -> bool:
    return b"gleitzeit_extensions" in file.read_bytes()


class _Loader(SourceFileLoader):
    """Gives a module its own builtins before any line of it runs; its functions keep them for good."""

    def __init__(self, name: str, path: str, own: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._own = own

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._own
        super().exec_module(module)
