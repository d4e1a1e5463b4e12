"""A config file that is edited at random under steady calls."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.house import House, house
from tests.scenarios.common import becomes, views
from tests.scenarios.saves import WAYS, failures, pids, problems
from tests.scenarios.subjects import FILES, Steady, argv, sleeper, subject, text

EDITION = "edition"
"""A provider whose command is another one after each edit."""


class Edits:
    """A file, and what is wanted of its providers after each random edit."""

    def __init__(self, sleepers: int, subjects: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._fresh = itertools.count(1001)
        blocks = {f"sleeper{n}": sleeper() for n in range(sleepers)}
        blocks |= {f"subject{n}": subject(restart={"initial": 0}) for n in range(subjects)}
        self.subjects = [name for name in blocks if name.startswith("subject")]
        self.blocks = {EDITION: sleeper(), **blocks}
        self._move()
        self.comment = ""
        self.replaced = set[str]()
        """Who is to have another process since this was last cleared."""

    @property
    def text(self) -> str:
        return self.comment + text(self.blocks)

    @property
    def up(self) -> dict[str, Any]:
        """What is to be effective of each instance: its command, or the value it was given."""
        return {
            instance: block["config"]["value"] if "class" in block else block["command"]
            for name, block in self.blocks.items()
            if block.get("enabled", True)
            for instance in _instances(name, block.get("instances", 1))
        }

    def edit(self) -> None:
        """Change the file in one of many ways, and who shows which of them has been taken over."""
        kinds = (
            self._restart,
            self._restart,
            self._update,
            self._multiply,
            self._add,
            self._remove,
            self._switch,
            self._move,
            self._say,
        )
        self._chance.choice(kinds)()
        self.blocks[EDITION] = sleeper(next(self._fresh))
        self.replaced.add(EDITION)

    def way(self) -> Callable[[Path, str], None]:
        return self._chance.choice(WAYS)

    def is_broken(self) -> bool:
        """Whether something that is refused is saved first."""
        return self._chance.random() < 0.2

    def is_settled(self) -> bool:
        """Whether to look before the next edit."""
        return self._chance.random() < 0.5

    def _restart(self) -> None:
        # The calls go to a few of many.
        among = self._chance.choice((self.subjects, list(self.blocks)))
        name, number = self._chance.choice(among), next(self._fresh)
        block = self.blocks[name]
        if name in self.subjects:
            block["config"]["value"] = number
        else:
            block["command"] = ["sleep", str(number)]
        self.replaced.add(name)

    def _update(self) -> None:
        block = self._chance.choice(list(self.blocks.values()))
        key, value = self._chance.choice(
            [
                ("stop", {"timeout": next(self._fresh)}),
                ("routing", {"concurrency": next(self._fresh)}),
                ("description", f"number {next(self._fresh)}"),
                ("restart", {"initial": 0, "intensity": next(self._fresh)}),
            ]
        )
        block[key] = value

    def _multiply(self) -> None:
        self.blocks[self._chance.choice(self.subjects)]["instances"] = self._chance.randint(1, 3)

    def _add(self) -> None:
        number = next(self._fresh)
        self.blocks[f"sleeper{number}"] = sleeper(number)
        self.replaced.add(f"sleeper{number}")

    def _sleeper(self) -> str:
        return self._chance.choice([name for name in self.blocks if name.startswith("sleeper")])

    def _remove(self) -> None:
        del self.blocks[self._sleeper()]

    def _switch(self) -> None:
        name = self._sleeper()
        self.blocks[name]["enabled"] = not self.blocks[name].get("enabled", True)
        self.replaced.add(name)

    def _move(self) -> None:
        names = sorted(self.blocks, key=lambda _: self._chance.random())
        self.blocks = {name: self.blocks[name] for name in names}

    def _say(self) -> None:
        self.comment = f"# {next(self._fresh)}\n"


def _instances(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}#{number}" for number in range(1, count + 1)]


def random_edits(root: Path, *, sleepers: int, subjects: int, edits: int, seed: int) -> None:
    """While the file is edited no call fails and nobody else is touched; in the end all is as it says."""
    file = Edits(sleepers, subjects, seed)
    with house(root, file.text, FILES) as h, contextlib.ExitStack() as calls:
        _is_so(h, file)
        known = pids(h)
        for name in file.subjects:
            calls.enter_context(Steady(h, name, pause=0.01 * subjects))
        for _ in range(edits):
            if file.is_broken():
                h.config.write_text(file.text[: len(file.text) // 2])
            file.edit()
            file.way()(h.config, file.text)
            if file.is_settled():
                known = _untouched(h, file, known)
        _untouched(h, file, known)


def _untouched(h: House, file: Edits, known: Mapping[str, int]) -> dict[str, int]:
    """Wait until all is as the file says; who was not to be replaced has the process that is `known`."""
    _is_so(h, file)
    now = pids(h)
    others = [name for name in now if name in known and name.partition("#")[0] not in file.replaced]
    assert {name: now[name] for name in others} == {name: known[name] for name in others}
    file.replaced.clear()
    return now


def _is_so(h: House, file: Edits) -> None:
    """All run as the file says, and nothing of before is left beside them."""
    becomes(lambda: list(views(h)), list(file.up), "the instances")
    becomes(lambda: [name for name, view in views(h).items() if not _is_well(view)], [], "who is not well")
    becomes(lambda: {name: _effective(h, name, pid) for name, pid in pids(h).items()}, file.up, "settings")
    becomes(lambda: len(h.left_behind()), len(file.up), "processes")
    assert (problems(h), failures(h)) == ([], {})


def _effective(h: House, name: str, pid: int) -> Any:
    return h.invoke(name.replace("#", "%23"), "get", {}) if name.startswith("subject") else argv(pid)


def _is_well(view: Mapping[str, Any]) -> bool:
    return view["state"] == "RUNNING" and view["ready"] and not view["beside"]
