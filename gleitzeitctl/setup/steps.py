"""What a set-up is made of: steps that say what they would do, and do it only where it is not so already."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gleitzeitctl.complaint import Complaint

PATIENCE = 120.0
"""Seconds that a command of systemd's may take."""


class Step(Protocol):
    def pending(self, changed: bool) -> str:
        """What it would do, in words; empty when it is so already. `changed`: a step before it had to act.
        Raises Complaint when it cannot be done."""

    def act(self) -> None:
        """Do it. Raises Complaint, OSError."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of ours. One that has another text is replaced where it has our mark."""

    path: str
    text: str
    mode: int = 0o644
    group: str = ""

    def pending(self, changed: bool) -> str:
        held = read(self.path)
        if held is None:
            return f"write {self.path}"
        if held == self.text:
            return ""
        if mark_of(self.text) != mark_of(held):
            raise Complaint(f"{self.path} is there, and is not of Gleitzeit: move it away", 1, "conflict")
        return f"write {self.path} anew"

    def act(self) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        # of one name, so that what an interruption left goes with the next attempt
        draft = f"{self.path}.draft"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            os.unlink(draft)
        with open(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(self.text)
            if self.group:
                os.fchown(file.fileno(), -1, grp.getgrnam(self.group).gr_gid)
            os.fchmod(file.fileno(), self.mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path)


@dataclass(frozen=True, slots=True)
class Example:
    """A file that is the user's from then on: whatever is there stays."""

    file: File

    def pending(self, changed: bool) -> str:
        return "" if os.path.lexists(self.file.path) else f"write {self.file.path}"

    def act(self) -> None:
        self.file.act()


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is due when a step before it had to act, or when that is so without it: the last run may
    have ended in between."""

    words: tuple[str, ...]
    is_due: Callable[[], bool] = bool

    def pending(self, changed: bool) -> str:
        return f"run {' '.join(self.words)}" if changed or self.is_due() else ""

    def act(self) -> None:
        said = "it took longer than two minutes"
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(self.words, capture_output=True, text=True, timeout=PATIENCE)
            if not done.returncode:
                return
            said = done.stderr.strip() or f"it ended with {done.returncode}"
        raise Complaint(f"{' '.join(self.words)}: {said}", 1, "internal")


@dataclass(frozen=True, slots=True)
class User:
    """The user and the group of a name, as a file of sysusers.d has them."""

    name: str
    command: Command

    def pending(self, changed: bool) -> str:
        with suppress(KeyError):
            pwd.getpwnam(self.name), grp.getgrnam(self.name)
            return ""
        return f"make the user and the group {self.name}"

    def act(self) -> None:
        self.command.act()


@dataclass(frozen=True, slots=True)
class Gone:
    """A file of ours that is no longer there; `ours` is the text by whose mark it is known."""

    path: str
    ours: str

    def pending(self, changed: bool) -> str:
        held = read(self.path)
        return f"remove {self.path}" if held is not None and mark_of(held) == mark_of(self.ours) else ""

    def act(self) -> None:
        os.unlink(self.path)


def printed(*words: str) -> str | None:
    """What a command prints; None when it fails."""
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
        return None if done.returncode else done.stdout.strip()
    return None


def read(path: str) -> str | None:
    """The text of a file; None when there is none. Raises Complaint for what is no file of text."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Complaint(f"{path} is there, and is not a file: move it away", 1, "conflict")
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def mark_of(text: str) -> str:
    """The first line, by which our files are known."""
    return text.partition("\n")[0]
