"""What lies in the search paths, with what can be seen only by running a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gleitzeit_extensions.catalog.meta import Found, Style
from gleitzeit_extensions.catalog.survey import survey
from gleitzeit_extensions.decorators import get_extension_meta, is_extension
from gleitzeit_extensions.exceptions import (
    ExtensionLoadError,
    ExtensionNotFound,
    ExtensionValidationError,
)
from gleitzeit_extensions.extensions import where
from gleitzeit_extensions.extensions.loading import imported
from gleitzeit_extensions.extensions.modules import Modules


@dataclass(frozen=True)
class Trouble:
    """Why something is not on the shelf."""

    sentence: str
    name: str | None = None


@dataclass(frozen=True)
class Shelf:
    """Every extension that can be loaded, by name, and what is wrong with the others."""

    found: dict[str, Found]
    troubles: tuple[Trouble, ...] = ()
    looked_in: tuple[Path, ...] = ()

    def take(self, name: str) -> Found:
        """Raises ExtensionNotFound, or ExtensionValidationError for one that cannot be used as it is."""
        if name in self.found:
            return self.found[name]
        if mistakes := [one.sentence for one in self.troubles if one.name == name]:
            sentence = f'"{name}" cannot be loaded: {"; ".join(mistakes)}'
            raise ExtensionValidationError(name, sentence, mistakes)
        if built_in := _come_along().get(name):
            return built_in
        near = get_close_matches(name, [*self.found, *_come_along()], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        looked, there = ", ".join(map(str, self.looked_in)), ", ".join(self.found) or "none"
        others = "".join(f"; {one.sentence}" for one in self.troubles if not one.name)
        sentence = f'there is no extension "{name}"{hint}: looked in {looked}, found {there}{others}'
        raise ExtensionNotFound(name, sentence)

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Shelf:
        places = [path.resolve() for path in paths]
        catalog = survey(places)
        found = list(catalog.found.values())
        troubles = [Trouble(f"{one.place}: {one.sentence}", one.name) for one in catalog.problems]
        for path in catalog.unread:
            try:
                found += _seen(path, path if path.parent in places else path.parent)
            except ExtensionLoadError as exc:
                troubles.append(Trouble(str(exc), exc.extension_name))
        by_name: dict[str, list[Found]] = {}
        for one in found:
            by_name.setdefault(one.meta.name, []).append(one)
        doubled = {name: several for name, several in by_name.items() if len(several) > 1}
        for name, (one, *others) in doubled.items():
            sentence = f'{one.where}: "{name}" is declared at {" and ".join(it.where for it in others)}, too'
            troubles.append(Trouble(sentence, name))
        single = {name: one for name, (one, *_) in by_name.items() if name not in doubled}
        return cls(single, tuple(troubles), tuple(places))


@cache
def _come_along() -> dict[str, Found]:
    """The extensions of the package `providers`, for who has none of that name."""
    package = find_spec("providers")
    places = (package and package.submodule_search_locations) or ()
    return dict(survey(Path(place, "extensions") for place in places).found)


def _seen(path: Path, home: Path) -> list[Found]:
    """The extensions in a file, by running it."""
    modules = Modules(home)
    try:
        module = imported(path.stem, path, modules)
        classes = {cls: name for name, cls in vars(module).items() if isinstance(cls, type)}
        return [
            Found(get_extension_meta(cls), Style.DECORATOR, path, (line := where.line(cls)), home, name, line)
            for cls, name in classes.items()
            if cls.__module__ == module.__name__ and is_extension(cls)
        ]
    finally:
        modules.forget()
