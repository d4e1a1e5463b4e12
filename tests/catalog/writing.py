"""Extensions written into a directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gleitzeit_extensions.catalog.document import ManifestError
from gleitzeit_extensions.catalog.manifest import read
from gleitzeit_extensions.catalog.survey import Catalog, survey

HEAD = """\
name: weather
description: Tells the weather
service: {class_path: service.Weather}
"""
MODULE = """\
from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires

@extension(name="NAME")
class Weather:
    pass
"""


def write(directory: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def module(name: str) -> str:
    return MODULE.replace("NAME", name)


def mistakes(directory: Path, text: str | bytes) -> list[str]:
    """What is said of a manifest, each as `line:column: sentence`."""
    path = directory / "extension.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        read(path)
    except ManifestError as exc:
        return [f"{place}: {sentence}".removeprefix(f"{path}:") for place, sentence in exc.mistakes]
    return []


def problems(catalog: Catalog, directory: Path) -> list[str]:
    return [f"{one.place}: {one.sentence}".removeprefix(f"{directory}/") for one in catalog.problems]


def look(directory: Path) -> tuple[list[str], list[str]]:
    """The names found and the problems."""
    catalog = survey([directory])
    return sorted(catalog.found), problems(catalog, directory)
