"""What a release says of itself is the same wherever it says it."""

from __future__ import annotations

import re
from pathlib import Path

from gleitzeit_extensions.version import VERSION

ROOT = Path(__file__).resolve().parents[1]


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## (\S+), (?:not released yet|\d{4}-\d\d-\d\d)$", changelog(), re.MULTILINE)
    assert len(headings) == len(re.findall("^## ", changelog(), re.MULTILINE)), "each has its date"
    assert headings[0] == VERSION


def test_versions_have_three_numbers_and_the_newest_is_first() -> None:
    versions = re.findall(r"^## (\d+)\.(\d+)\.(\d+),", changelog(), re.MULTILINE)
    numbers = [tuple(map(int, version)) for version in versions]
    assert numbers
    assert numbers == sorted(set(numbers), reverse=True)


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()
