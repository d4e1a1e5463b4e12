"""The variables a child gets: a short list of the daemon's own, so that its secrets stay its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from gleitzeitd.core import envfile
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ExtensionTarget, Spec

INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LOG_LEVEL"}
)
INHERITED_PREFIXES = ("LC_", "SSL_CERT_", "CUDA_")
INHERITED_SUFFIXES = ("_proxy", "_PROXY")
HELPERS = frozenset({"LANG", "LD_LIBRARY_PATH"})
"""What the guardian and the launcher get of the daemon's environment, beside LC_*."""
LARGEST = 2**20
"""Bytes that an env_file may have: it is read while the daemon waits."""
PRESET = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
"""What a child of ours needs for its output to be seen as it happens and to be text."""


def child_environment(own: Mapping[str, str], spec: Spec) -> dict[str, str]:
    """What is inherited of `own`, then presets that were not set, then what the config adds.

    Raises ConfigError for an `env_file` that cannot be read: it is read anew at each spawn.
    """
    wanted = spec.inherit_env if spec.inherit_env is True else (*(spec.inherit_env or ()), *_declared(spec))
    inherited = {name: value for name, value in own.items() if wanted is True or _is_inherited(name, wanted)}
    filed = dict[str, str]()
    for path in spec.env_file:
        filed.update(envfile.parse(_text(path), path))
    return {**PRESET, **inherited, **filed, **spec.env}


def helper_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What an interpreter of our own needs to start, and to spell words as the daemon does.

    It runs as the daemon's user, as providers do, and whoever runs as that reads its /proc/PID/environ.
    """
    return {name: value for name, value in own.items() if name in HELPERS or name.startswith("LC_")}


def _declared(spec: Spec) -> tuple[str, ...]:
    """What it says itself that it is configured with."""
    return spec.target.env_vars if isinstance(spec.target, ExtensionTarget) else ()


def _is_inherited(name: str, more: bool | tuple[str, ...]) -> bool:
    usual = name in INHERITED or name.startswith(INHERITED_PREFIXES) or name.endswith(INHERITED_SUFFIXES)
    return usual or (isinstance(more, tuple) and name in more)


def _text(path: str) -> str:
    try:
        with open(path, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError((f"{path}: the env_file is not a file",))
            raw = file.read(LARGEST + 1)
    except OSError as exc:
        raise ConfigError((f"{path}: the env_file cannot be read: {exc.strerror}",)) from exc
    if len(raw) > LARGEST:
        raise ConfigError((f"{path}: the env_file is larger than 1 MiB",))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError((f"{path}: the env_file is not UTF-8 text",)) from exc


def _opened(path: str, flags: int) -> int:
    """A FIFO in the file's place must not hold the daemon."""
    return os.open(path, flags | os.O_NONBLOCK)
