"""What a spec and a house say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.spec import (
    LONGEST_NAME,
    ClassTarget,
    CommandTarget,
    ExtensionTarget,
    House,
    Spec,
    is_name,
)

WEB = Spec("web", "tool", CommandTarget(("true",)))


@pytest.mark.parametrize("name", ["a", "gpt-4o.mini", "_", "9", "a" * LONGEST_NAME])
def test_a_name_fits_in_file_names_and_commands(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "all", "-a", "a.", "a/b", "a b", "a#1", "a\n", "ä", "a" * 101])
def test_what_does_not_is_none(name: str) -> None:
    assert not is_name(name)


def test_one_instance_is_called_like_its_provider_and_several_are_numbered() -> None:
    assert WEB.instance_names == ("web",)
    assert replace(WEB, instances=2).instance_names == ("web#1", "web#2")


def test_a_spec_says_what_is_run() -> None:
    targets = (CommandTarget(("true",)), ClassTarget("weather.Weather"), ExtensionTarget("weather", ()))
    assert [replace(WEB, target=target).kind for target in targets] == ["command", "class", "extension"]


def test_a_house_finds_its_specs_by_their_names() -> None:
    db = replace(WEB, name="db")
    assert House("p.yaml", (WEB, db)).by_name == {"web": WEB, "db": db}
