"""Where `${...}` finds its values: the environment, files, and the credentials that systemd hands over."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gleitzeitd.config.source import LARGEST, decoded, read_bytes
from gleitzeitd.config.substitute import Lookups, MissingError
from gleitzeitd.core.errors import ConfigError

LARGEST_SECRET = 64 * 1024
_DIRECTORY = "CREDENTIALS_DIRECTORY"

Secret = bytes | ConfigError
"""What a secret's file holds, or why it cannot be read."""


class Outside:
    """What one load of a config looks up; each secret is read once, and remembered by its path."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self.secrets = dict[str, Secret]()
        self.lookups = Lookups(environ.get, self._file, self._credential, self._count)
        self._left = LARGEST

    def _count(self, part: str) -> None:
        self._left -= len(part)
        if self._left < 0:
            most = f"{LARGEST // 2**20} MiB"
            sentence = f"with what is put in, the config is larger than the {most} it may have"
            raise ConfigError((f"{self._path}: {sentence}",))

    def _file(self, name: str) -> str:
        return self._text(beside(self._path, name))

    def _credential(self, name: str) -> str:
        directory = self._environ.get(_DIRECTORY)
        if "/" in name or name in (".", ".."):
            raise MissingError("the name of a credential has no slash: write ${file:...} for a path")
        if not directory:
            sentence = f"there are no credentials, as ${_DIRECTORY} is not set"
            raise MissingError(f"{sentence}: name {name} with LoadCredential= in the unit of systemd")
        return self._text(os.path.join(directory, name))

    def _text(self, path: str) -> str:
        if path not in self.secrets:
            self.secrets[path] = read_secret(path)
        secret = self.secrets[path]
        try:
            if isinstance(secret, ConfigError):
                raise secret
            text = decoded(path, secret)
        except ConfigError as exc:
            raise MissingError(f"the secret cannot be read: {exc}") from exc
        if "\0" in text:
            raise MissingError(f"the secret cannot be used: {path}: has a NUL character: save it as text")
        return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")


def read_secret(path: str) -> Secret:
    try:
        return read_bytes(path, LARGEST_SECRET)
    except ConfigError as exc:
        return exc


def beside(path: str, other: str) -> str:
    """`other` as seen from the config file's directory."""
    return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(other))


def interpreter(python: str) -> str:
    """The program that runs Python, given itself or the directory of a virtual environment."""
    return os.path.join(python, "bin", "python") if os.path.isdir(python) else python
