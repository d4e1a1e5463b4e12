"""Which of an extension's requirements this interpreter does not meet; nothing is imported to find out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True, slots=True)
class Unmet:
    requirement: str
    installed: str | None
    """The version that is there."""
    sentence: str
    """`needs requests>=2.0, but 1.9 is installed: pip install 'requests>=2.0'`."""


def misread(text: str) -> str | None:
    """Why the text is no requirement; None if it is one."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as exc:
        return f"{text!r:.100} is no requirement: {str(exc).splitlines()[0]}"
    return None


def unmet(requirements: Iterable[str]) -> list[Unmet]:
    """Those that are missing, too old or too new, or no requirements at all (PEP 508).

    One whose marker does not hold here is met. The extras of a package are looked into.
    """
    return [one for text in requirements for one in _unmet(text, frozenset())]


def _unmet(text: str, extras: frozenset[str], above: frozenset[str] = frozenset()) -> Iterator[Unmet]:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement as exc:
        yield Unmet(text, None, f"needs {text!r}, which is no requirement: {str(exc).splitlines()[0]}")
        return
    # As an extra of the package above, where it is one.
    if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
        return
    version = _installed(wanted.name)
    if version is None:
        yield Unmet(text, None, f"needs {text}, which is not installed: pip install '{_pip(text)}'")
    elif not wanted.specifier.contains(version, prereleases=True):
        yield Unmet(text, version, f"needs {text}, but {version} is installed: pip install '{_pip(text)}'")
    elif wanted.extras and wanted.name not in above:
        for inner in metadata.requires(wanted.name) or ():
            if "extra" in inner:
                yield from _unmet(inner, frozenset(wanted.extras), above | {wanted.name})


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pip(text: str) -> str:
    """Without its marker, which holds."""
    return text.partition(";")[0].strip()
