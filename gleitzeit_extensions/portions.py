"""Makes one `providers` package of all the `providers/` directories on the path.

We install a package of that name, and so may every user: whichever comes first would hide the others,
and a regular package of the user's would hide ours. The same module in two of them is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

NAME = "providers"
OURS = Path(__file__).resolve().parent.parent


class FoundTwice(ImportError):
    """The same dotted name lies in two places, and which one is meant cannot be known."""


class Portions(MetaPathFinder):
    """Answers for `providers` and what is directly in it; everything else is left to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == NAME:
            return self._package()
        if path is not None and fullname.count(".") == 1 and fullname.startswith(f"{NAME}."):
            return self._module(fullname, path)
        return None

    @staticmethod
    def _package() -> ModuleSpec | None:
        places = [*sys.path, str(OURS)]
        spec = PathFinder.find_spec(NAME, places)
        if spec is not None and spec.submodule_search_locations is not None:
            found = [Path(place or ".", NAME).resolve() for place in places]
            spec.submodule_search_locations = list(dict.fromkeys(str(one) for one in found if one.is_dir()))
        return spec

    @staticmethod
    def _module(fullname: str, path: Sequence[str]) -> ModuleSpec | None:
        specs = [spec for portion in path if (spec := PathFinder.find_spec(fullname, [portion]))]
        files = list(dict.fromkeys(spec.origin for spec in specs if spec.origin))
        if len(files) > 1:
            raise FoundTwice(f"{fullname} is found twice: {' and '.join(files)}; rename one of them")
        return next((spec for spec in specs if spec.origin), None)


def merge() -> None:
    """Have it so from now on, in this process."""
    if not any(isinstance(finder, Portions) for finder in sys.meta_path):
        sys.meta_path.insert(0, Portions())
