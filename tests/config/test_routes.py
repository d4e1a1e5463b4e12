"""Where a provider's `routing` may lead, and where it may not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gleitzeitd.config.effective import Origin, explain
from gleitzeitd.config.load import load
from gleitzeitd.core.failover import CLASSES
from tests.config.mistaken import mistakes, place, setting

ITSELF = "a provider cannot fall back to itself: its other instances are tried anyway"
KNOWN = f" (known are {', '.join(CLASSES)})"


def fallbacks(directory: Path, text: str) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Those of each provider."""
    path = directory / "p.yaml"
    path.write_text(text)
    return {spec.name: spec.routing.fallbacks for spec in load(str(path)).specs}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[a, b]", {"default": ("a", "b")}),
        ("a", {"default": ("a",)}),
        ("{default: a}", {"default": ("a",)}),
        ("{default: [a], content_filtered: b}", {"default": ("a",), "content_filtered": ("b",)}),
        ("[]", {}),
        ("", {}),
    ],
)
def test_fallbacks_are_a_list_or_one_for_each_class_of_errors(
    tmp_path: Path, written: str, meant: dict[str, tuple[str, ...]]
) -> None:
    assert fallbacks(tmp_path, setting("providers.p.routing.fallbacks", written)) == {"p": meant}


@pytest.mark.parametrize("class_", CLASSES)
def test_each_class_of_errors_may_have_its_own(tmp_path: Path, class_: str) -> None:
    assert mistakes(tmp_path, setting("providers.p.routing.fallbacks", f"{{{class_}: a}}")) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [("rate_limit", ' (did you mean "rate_limited"?)'), ("500", KNOWN), ("deadline_exceeded", KNOWN)],
)
def test_an_unknown_class_is_told_which_are_known(tmp_path: Path, name: str, meant: str) -> None:
    text = setting("providers.p.routing.fallbacks", f"{{'{name}': [a]}}")

    assert mistakes(tmp_path, text) == [
        f"5:19: providers.p.routing.fallbacks.{name}: unknown class of errors{meant}"
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("p", ""),
        ("[a, p]", ".1"),
        ("[p#2]", ".0"),
        ("{protocol: [a, p]}", ".protocol.1"),
    ],
)
def test_nobody_falls_back_to_itself(tmp_path: Path, written: str, key: str) -> None:
    (sentence,) = mistakes(tmp_path, setting("providers.p.routing.fallbacks", written))

    assert sentence.partition(": ")[2] == f"providers.p.routing.fallbacks{key}: {ITSELF}"


def test_what_all_fall_back_to_does_not_fall_back_to_itself(tmp_path: Path) -> None:
    text = """
global: {defaults: {routing: {fallbacks: [backup, gpt-4o]}}}
providers:
  backup: {class: module.Class}
  p: {class: module.Class}
"""
    assert fallbacks(tmp_path, text) == {
        "backup": {"default": ("gpt-4o",)},
        "p": {"default": ("backup", "gpt-4o")},
    }


def test_an_alias_is_no_providers_name(tmp_path: Path) -> None:
    text = setting("providers.p.routing.aliases", "{fast: gpt-4o-mini, q: gpt-4o}")
    other = "  q: {class: module.Class}\n"

    assert mistakes(tmp_path, text) == []
    assert mistakes(tmp_path, text + other) == [
        '5:36: providers.p.routing.aliases.q: a provider is called "q", and has the calls for that name: '
        "choose another"
    ]


def test_a_model_may_have_dots_and_colons(tmp_path: Path) -> None:
    text = setting("providers.p.routing.aliases", '{"gpt-4.1": "openai/gpt-4.1:free"}')

    assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("[a]", "fallbacks"),
        ("{default: a}", "fallbacks"),
        ("{default: a, protocol: b}", "fallbacks.protocol"),
    ],
)
def test_they_are_shown_where_they_were_written(tmp_path: Path, written: str, key: str) -> None:
    text = setting("providers.p.routing.fallbacks", written)
    (tmp_path / "p.yaml").write_text(text)
    shown = {setting.key: setting for setting in explain(str(tmp_path / "p.yaml")).providers["p"]}

    found = shown[f"routing.{key}"]
    assert found.origin is Origin.FILE
    assert found.where.startswith(f"{tmp_path}/p.yaml:{place(text).partition(':')[0]}:")
