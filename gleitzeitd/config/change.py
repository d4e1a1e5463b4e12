"""Settings changed in the owner's files: which file has the one that is meant, and is the result of use?

What the daemon would refuse is never written, and several files are changed all or none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.block import hint, written
from gleitzeitd.config.document import compose
from gleitzeitd.config.edit import line_of, set_value
from gleitzeitd.config.evaluate import Evaluated, evaluate
from gleitzeitd.config.flow import EditError
from gleitzeitd.config.gather import gather
from gleitzeitd.config.load import declared_secrets
from gleitzeitd.config.lookups import Outside
from gleitzeitd.config.masked import Declared, masked
from gleitzeitd.config.parse import parse
from gleitzeitd.config.place import Path
from gleitzeitd.config.rewrite import replace
from gleitzeitd.config.source import decoded
from gleitzeitd.config.values import flag
from gleitzeitd.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Change:
    """What was set where; `before` is None for what was not there."""

    file: str
    line: int
    path: Path
    before: Any
    after: Any
    is_new: bool
    """False when it was so already, and the file is as it was."""
    declared: Declared = frozenset()
    """What may not be shown, whatever it is called."""

    @property
    def shown(self) -> tuple[Any, Any]:
        """What was before and is now, without secrets."""
        before, after = (masked(self.path, value, self.declared) for value in (self.before, self.after))
        return before, after

    @property
    def key(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the config, as it was when it was read."""

    file: str
    raw: bytes
    data: Any

    @property
    def providers(self) -> Mapping[str, Any]:
        providers = self.data.get("providers") if isinstance(self.data, dict) else None
        return providers if isinstance(providers, dict) else {}


class Config:
    """The files of a config, to be changed. Raises GleitzeitError for what can't be read or written."""

    def __init__(self, main: str) -> None:
        self._main = main
        self.sources = [Source(file, raw, _data(file, raw)) for file, raw in gather(main)]

    def path_of(self, key: str) -> Path:
        """The path that is meant by `providers.NAME.health.interval` or `global.parallel_starts`."""
        section, _, rest = key.partition(".")
        if section == "global" and rest:
            return self._with_numbers(("global", *rest.split(".")))
        if section == "providers" and rest:
            # a name may have dots: the longest that exists is meant
            names = [name for name in self._names() if rest == name or rest.startswith(f"{name}.")]
            if not names:
                raise ConfigError((self._unknown(rest.split(".")[0]),))
            name = max(names, key=len)
            within = rest[len(name) + 1 :]
            return self._with_numbers(("providers", name, *(within.split(".") if within else ())))
        sentence = f'"{key}" is no key: it begins with "global." or with "providers." and a provider\'s name'
        raise ConfigError((sentence,))

    def set(self, path: Path, value: Any) -> Change:
        """Change one setting. Raises GleitzeitError with all that speaks against it."""
        return self._changes([path], {path: value})[0]

    def switch(self, names: Sequence[str], is_enabled: bool) -> list[Change]:
        """Enable or disable providers, all or none; what is so already stays as it is written."""
        if unknown := [name for name in names if name not in self._names()]:
            raise ConfigError(tuple(map(self._unknown, unknown)))
        paths: list[Path] = [("providers", name, "enabled") for name in names]
        others = [path for path in paths if (flag(self._now(path)) is not False) != is_enabled]
        return self._changes(paths, dict.fromkeys(others, is_enabled))

    def _changes(self, asked: Sequence[Path], values: Mapping[Path, Any]) -> list[Change]:
        texts = {source.file: source.raw.decode("utf-8") for source in self.sources}
        changed = list[Path]()
        for path, value in values.items():
            file = self._holder(path).file
            new = _edited(file, texts[file], path, value)
            changed += [path] if new != texts[file] else []
            texts[file] = new
        self._replace({file: text.encode("utf-8") for file, text in texts.items()}, changed)
        files, declared = [self._holder(path).file for path in asked], declared_secrets(self._main)
        return [
            Change(
                file, line_of(texts[file], path), path, now, values.get(path, now), path in changed, declared
            )
            for path, file, now in zip(asked, files, map(self._now, asked), strict=True)
        ]

    def _replace(self, new: Mapping[str, bytes], changed: Sequence[Path]) -> None:
        try:
            document, problems = compose(tuple(new.items()))
            evaluated = evaluate(document, Outside(self._main, os.environ).lookups, problems)
            _raise_refused(evaluated, changed)
        except ConfigError as exc:
            raise ConfigError(
                tuple(_without_place(problem, new, changed) for problem in exc.problems)
            ) from exc
        done = list[Source]()
        try:
            for source in self.sources:
                if new[source.file] != source.raw:
                    replace(source.file, source.raw, new[source.file])
                    done.append(source)
        except BaseException:
            for source in done:
                replace(source.file, new[source.file], source.raw)
            raise

    def _holder(self, path: Path) -> Source:
        if path[0] == "providers":
            return next(source for source in self.sources if path[1] in source.providers)
        return self.sources[0]

    def _now(self, path: Path) -> Any:
        return written(self._holder(path).data, path)

    def _with_numbers(self, path: Sequence[str]) -> Path:
        """The path with a number for each part that counts the items of a list."""
        data, found = self._holder(tuple(path)).data, list[str | int]()
        for part in path:
            found.append(int(part) if isinstance(data, list) and part.isdecimal() else part)
            data = written(data, tuple(found[-1:]))
        return tuple(found)

    def _names(self) -> list[str]:
        return [name for source in self.sources for name in source.providers]

    def _unknown(self, name: str) -> str:
        known = self._names()
        close = hint(name, known) or (f" (there are {', '.join(known)})" if known else "")
        return f'{self._main}: there is no provider "{name}"{close}'


def _data(file: str, raw: bytes) -> Any:
    return parse(file, decoded(file, raw))[0]


def _edited(file: str, text: str, path: Path, value: Any) -> str:
    try:
        return set_value(text, path, value)
    except EditError as exc:
        raise ConfigError((f"{file}:{exc.line}: {exc}",)) from exc


def _raise_refused(evaluated: Evaluated, changed: Sequence[Path]) -> None:
    """Raises ConfigError for what an extension does not take. What was wrong elsewhere stays so."""
    chosen = [judged.extension for judged in evaluated.providers if judged.extension]
    problems = [problem for one in chosen for problem in one.problems]
    refused = [one.text for one in problems if any(_touch(one.path, path) for path in changed)]
    if refused:
        raise ConfigError(tuple(refused))


def _touch(one: Path, other: Path) -> bool:
    """Whether one of them lies within the other, or is it."""
    return all(a == b for a, b in zip(one, other, strict=False))


def _without_place(problem: str, files: Iterable[str], changed: Sequence[Path]) -> str:
    """A mistake in what was to be set stands nowhere in the files: only its key says where it is."""
    keys = "|".join(re.escape(".".join(map(str, path))) for path in changed)
    place = rf"(?:{'|'.join(map(re.escape, files))}):\d+:\d+: "
    found = re.match(rf"{place}(?=(?:{keys})[.:])", problem)
    return problem[found.end() :] if changed and found else problem
