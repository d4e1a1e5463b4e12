"""The files of a new provider, and the directory that comes to hold all of them or none."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from string import Template

from gleitzeit_extensions.version import VERSION
from gleitzeitctl.commands.template_names import Names
from gleitzeitctl.complaint import Complaint, misuse

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "templates")
DESCRIPTIONS = {"llm": "Answers prompts", "tool": "Counts and shortens texts"}
SETTINGS = {
    ("llm", True): """\
    auto_discover_models: true  # discover_models() is asked at the start and from time to time.
    config:
      api_key: $${${variable}_API_KEY:-}
""",
    ("tool", True): """\
    config:
      longest: 80
""",
    ("llm", False): "",
    ("tool", False): """\
    config:
      longest: 80
""",
}
"""What stands in the block, by what the provider does and whether it is a class."""
OF_A_CLASS = """
import pytest
from gleitzeit_extensions.client import InvalidRequest, SyncClient
from gleitzeit_extensions.testing import served

from $module import $cls
"""
OF_AN_EXTENSION = """from pathlib import Path

import pytest
from gleitzeit_extensions.client import InvalidRequest, SyncClient
from gleitzeit_extensions.testing import extension, served
"""


def files(names: Names, type: str, style: str) -> dict[str, str]:
    """Text by file name. `type` is llm, tool or extension; `style` is class, decorator or yaml."""
    does, is_class = ("tool" if type == "tool" else "llm"), style == "class"
    known = {"name": names.name, "module": names.module, "cls": names.cls, "variable": names.variable}
    known |= {"type": type, "version": VERSION, "description": DESCRIPTIONS[does]}
    known["settings"] = Template(SETTINGS[does, is_class]).substitute(known)
    known["imports"] = Template(OF_A_CLASS if is_class else OF_AN_EXTENSION).substitute(known)
    by_path = f'extension("{names.name}", Path(__file__).parent)'
    known["made"] = f'{names.cls}(name="{names.name}")' if is_class else by_path
    chosen = {
        f"{names.module}.py": f"{does}_{style}.py.txt",
        **({"extension.yaml": f"{does}_extension.yaml.txt"} if style == "yaml" else {}),
        f"test_{names.module}.py": f"{does}_test.py.txt",
        "providers.yaml": f"providers_{'class' if is_class else 'extension'}.yaml.txt",
        "requirements.txt": "requirements.txt",
    }
    return {name: Template(_read(template)).substitute(known) for name, template in chosen.items()}


def _read(template: str) -> str:
    with open(os.path.join(TEMPLATES, template), encoding="utf-8") as file:
        return file.read()


def write(directory: str, texts: Mapping[str, str]) -> None:
    """Make the directory with all of the files, or nothing. Raises Complaint."""
    if os.path.lexists(directory):
        raise misuse(f"{directory} is there already: choose another --name or --output, or move it away")
    with _in_words(directory):
        above = os.path.dirname(directory) or "."
        os.makedirs(above, exist_ok=True)
        with _draft(above) as draft:
            for name, text in texts.items():
                with open(os.path.join(draft, name), "x", encoding="utf-8") as file:
                    file.write(text)
            os.rename(draft, directory)


@contextmanager
def _draft(above: str) -> Iterator[str]:
    """A directory that is gone afterwards, unless it was renamed."""
    draft = os.path.join(above, f".gleitzeit-{secrets.token_hex(4)}.new")
    os.mkdir(draft)
    try:
        yield draft
    finally:
        from shutil import rmtree

        rmtree(draft, ignore_errors=True)


@contextmanager
def _in_words(directory: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        sentence = f"cannot make {directory}: {exc.strerror or exc}: nothing was written"
        raise Complaint(sentence, 1, "internal") from exc
