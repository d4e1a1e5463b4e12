"""The configs that the daemon applied last, each with its files as they were: what a rollback goes back to.

One file a version, under the daemon's state directory, and apart for each config path. A file that cannot be
read is no version, and hurts no other. Whoever adds deals with a full disk: `add` lets the OSError rise.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEPT = 20
_NAME = re.compile(r"([1-9]\d{0,17})\.json")
_DRAFT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Version:
    """`files` are texts by their names relative to the config's directory; `time` is RFC 3339, in UTC."""

    number: int
    time: str
    config: str
    summary: str
    fingerprint: str
    files: Mapping[str, str]


class History:
    """The versions of one config path; `directory` may hold those of several."""

    def __init__(self, directory: Path, config: str) -> None:
        self._config = os.path.abspath(config)
        name = hashlib.sha256(os.fsencode(self._config)).hexdigest()[:16]
        self._directories = (directory, directory / name)
        self._directory = directory / name

    def add(self, files: Mapping[str, str], summary: str, fingerprint: str) -> int:
        """Keep what was applied just now, unless the newest version is the same; its number.

        Raises OSError when it could not be written; what was kept before is as it was.
        """
        numbers = self._numbers()
        newest = self.get(numbers[0]) if numbers else None
        if newest and (newest.files, newest.fingerprint) == (files, fingerprint):
            return newest.number
        number = numbers[0] + 1 if numbers else 1
        time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._write(Version(number, time, self._config, summary, fingerprint, dict(files)))
        for old in numbers[KEPT - 1 :]:
            with suppress(OSError):
                os.unlink(self._path(old))
        return number

    def versions(self) -> list[Version]:
        """The newest first, without their texts."""
        found = (self.get(number) for number in self._numbers())
        return [replace(version, files={}) for version in found if version]

    def get(self, number: int) -> Version | None:
        try:
            with open(os.open(self._path(number), _READ), encoding="utf-8") as file:
                version = _version(json.load(file))
        except (OSError, ValueError, RecursionError):
            return None
        return version if version and (version.number, version.config) == (number, self._config) else None

    def _numbers(self) -> list[int]:
        """Of all files, damaged ones too: a number is never given twice."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        return sorted((int(found[1]) for name in names if (found := _NAME.fullmatch(name))), reverse=True)

    def _path(self, number: int) -> str:
        return str(self._directory / f"{number}.json")

    def _write(self, version: Version) -> None:
        for directory in self._directories:
            directory.mkdir(0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
        # one daemon writes here: what is left of a draft is of one that was killed
        draft = str(self._directory / "draft")
        with suppress(FileNotFoundError):
            os.unlink(draft)
        try:
            with open(os.open(draft, _DRAFT, 0o600), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)  # open honours the umask.
                json.dump(asdict(version), file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(draft, self._path(version.number))
        except OSError:
            with suppress(OSError):
                os.unlink(draft)
            raise


def _version(data: Any) -> Version | None:
    """The version that was written; None for what is none."""
    match data:
        case {
            "number": int(number),
            "time": str(time),
            "config": str(config),
            "summary": str(summary),
            "fingerprint": str(fingerprint),
            "files": dict(files),
        } if all(isinstance(text, str) for text in files.values()):
            return Version(number, time, config, summary, fingerprint, files)
    return None
