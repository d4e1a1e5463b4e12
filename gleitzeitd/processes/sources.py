"""Whose source has changed, of the providers that want to be replaced when it does.

Nothing of a provider is imported here: its files are looked for by name, as Python would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import anyio
from anyio import to_thread

from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, Spec
from gleitzeitd.watching.contents import Contents, glance, read
from gleitzeitd.watching.places import Places, Survey
from gleitzeitd.watching.sight import Sight

SETTLE = 0.2
"""Seconds without another change after which a save is complete."""
MOST_FILES = 500
"""Of one package or extension."""
MOST_DIRECTORIES = 1000
"""Of one extension."""
MANIFEST = "extension.yaml"


def source_files(spec: Spec, directories: Iterable[str]) -> tuple[str, ...]:
    """The files that the provider is made of: a change of one means that its own source has changed.

    A class is looked for in `directories` alone: what is installed is no author's work in progress.
    """
    match spec.target:
        case ClassTarget(path=path):
            return _of_class(path, directories)
        case ExtensionTarget():
            return _of_extension(spec.target)
        case CommandTarget(argv=argv):
            return _of_command(argv, spec.cwd)


def missing_files(spec: Spec, directories: Iterable[str]) -> tuple[str, ...]:
    """Where what it lacks would be, when none of its own files is known."""
    match spec.target:
        case ClassTarget(path=path):
            file = f"{path.rpartition('.')[0].replace('.', '/')}.py"
            return tuple(os.path.join(os.path.abspath(directory), file) for directory in directories)
        case ExtensionTarget(name=name, paths=paths):
            places = (f"{name}.py", f"{name}/extension.py", f"{name}/{MANIFEST}")
            return tuple(os.path.join(path, place) for path in paths for place in places)
        case CommandTarget(argv=(program, *_)) if "/" in program:
            return (os.path.abspath(os.path.join(spec.cwd or "", program)),)
        case _:
            return ()


def _of_class(dotted: str, directories: Iterable[str]) -> tuple[str, ...]:
    module, _, _ = dotted.rpartition(".")
    for directory in directories:
        base = os.path.join(os.path.abspath(directory), *module.split("."))
        if os.path.isfile(package := os.path.join(base, "__init__.py")):
            return (package, *_others(package))
        if os.path.isfile(file := f"{base}.py"):
            return (file, *_others(file)) if "." in module else (file,)
    return ()


def _others(file: str) -> list[str]:
    """The modules that lie in the same package."""
    directory = os.path.dirname(file)
    try:
        names = [name for name in os.listdir(directory) if name.endswith(".py") and name[0] != "."]
    except OSError:
        return []
    paths = (os.path.join(directory, name) for name in sorted(names)[:MOST_FILES])
    return [path for path in paths if path != file]


def _of_extension(target: ExtensionTarget) -> tuple[str, ...]:
    """All of its code and its manifest; of one that only its own code could tell, whatever may be it."""
    if os.path.isfile(target.home):
        return (target.home,)
    homes = (target.home,) if target.home else target.paths
    return tuple(islice((file for home in homes for file in _below(home)), MOST_FILES))


def _below(directory: str) -> Iterator[str]:
    for above, directories, files in islice(os.walk(directory), MOST_DIRECTORIES):
        directories[:] = sorted(name for name in directories if name[0] not in "._")
        for name in sorted(files):
            if name == MANIFEST or (name.endswith(".py") and name[0] != "."):
                yield os.path.join(above, name)


def _of_command(argv: tuple[str, ...], cwd: str | None) -> tuple[str, ...]:
    # A program without a slash is looked for in PATH: a file of that name here is another one.
    words = argv if "/" in argv[0] else argv[1:]
    paths = (os.path.abspath(os.path.join(cwd or "", word)) for word in words)
    return tuple(dict.fromkeys(path for path in paths if os.path.isfile(path)))


class Sources:
    """Tells `changed` once per save which provider's files have other contents than before.

    With no files wanted there is no watch.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._wanted: Mapping[str, frozenset[str]] = {}
        self._renewed = anyio.Event()
        self._known: dict[str, Contents] = {}

    def want(self, wanted: Mapping[str, frozenset[str]]) -> None:
        """The files of each provider from now on, in place of those before."""
        if wanted == self._wanted:
            return
        self._wanted = dict(wanted)
        # What it starts from is what there is now: it may be saved before the watch stands.
        glances = {file: self._known.get(file) or glance(file) for file in self._files()}
        self._known = {file: contents for file, contents in glances.items() if contents}
        self._renewed.set()

    async def run(self) -> None:
        """Watch what is wanted, until cancelled."""
        while True:
            self._renewed = anyio.Event()
            async with anyio.create_task_group() as group:
                if self._wanted:
                    group.start_soon(self._watch)
                await self._renewed.wait()
                group.cancel_scope.cancel()

    async def _watch(self) -> None:
        with Sight(self._places) as sight:
            while True:
                await self._compare()
                await sight.stirred()
                await sight.settled(SETTLE)

    def _places(self) -> Places:
        survey, real = Survey(), dict[str, str | None]()
        for file in sorted(self._files()):
            directory, name = os.path.split(file)
            if directory not in real:
                real[directory] = survey.follow(directory)
            if found := real[directory]:
                survey.follow(name, found)
        return survey.places

    async def _compare(self) -> None:
        read_now = await to_thread.run_sync(read, self._files(), dict(self._known), abandon_on_cancel=True)
        # Others may be wanted meanwhile.
        found = {file: read_now[file] for file in read_now.keys() & self._files()}
        changed = {file for file, contents in found.items() if contents.differ(self._known.get(file))}
        self._known |= found
        for provider in sorted(name for name, files in self._wanted.items() if not changed.isdisjoint(files)):
            self._changed(provider)

    def _files(self) -> frozenset[str]:
        return frozenset[str]().union(*self._wanted.values())
