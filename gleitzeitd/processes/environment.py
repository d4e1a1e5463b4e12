"""The variables a child gets: a short list of the daemon's own, so that its secrets stay its own."""

from __future__ import annotations

from collections.abc import Mapping

INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LOG_LEVEL"}
)
INHERITED_PREFIXES = ("LC_", "SSL_CERT_", "CUDA_")
INHERITED_SUFFIXES = ("_proxy", "_PROXY")
PRESET = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
"""What a child of ours needs for its output to be seen as it happens and to be text."""


def child_environment(own: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """What is inherited of `own`, then presets that were not set, then what the config adds."""
    inherited = {name: value for name, value in own.items() if _is_inherited(name)}
    return {**PRESET, **inherited, **added}


def _is_inherited(name: str) -> bool:
    return name in INHERITED or name.startswith(INHERITED_PREFIXES) or name.endswith(INHERITED_SUFFIXES)
