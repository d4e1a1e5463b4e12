"""What may depend on what, and what is said where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gleitzeitd.config.load import load
from tests.config.mistaken import mistakes


def house(**needs: str) -> str:
    """A file in which each provider has this for its `depends_on`; `off` is disabled."""
    lines = [f"  {name}: {{class: module.Class, depends_on: {given}}}" for name, given in needs.items()]
    return "\n".join(["providers:", "  off: {class: module.Class, enabled: no}", *lines, ""])


WRONG = {
    "one that is not there": (
        house(alpha="[]", b="[alpha, alhpa]"),
        '4:48: providers.b.depends_on.1: there is no provider "alhpa" (did you mean "alpha"?)',
    ),
    "one unlike any": (house(a="xyz"), '3:40: providers.a.depends_on: there is no provider "xyz"'),
    "one instance": (house(a="[]", b="'a#1'"), '4:40: providers.b.depends_on: there is no provider "a#1"'),
    "itself": (
        house(a="[a]"),
        "3:41: providers.a.depends_on.0: a provider cannot wait for itself: leave it out",
    ),
    "one that is disabled": (
        house(a="off"),
        '3:40: providers.a.depends_on: "off" is disabled: enable it, or leave it out here',
    ),
    "one twice": (
        house(a="[]", b="[a, a]"),
        '4:44: providers.b.depends_on.1: "a" is there twice: once is enough',
    ),
    "each other": (
        house(x="c", a="b", b="[c, x]", c="a"),
        "3:40: providers.x.depends_on: these wait for each other: x -> c -> a -> b -> x: "
        "remove one of these `depends_on`",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_a_provider_cannot_wait_for(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


def test_every_circle_is_told_that_has_nobody_of_another(tmp_path: Path) -> None:
    told = mistakes(tmp_path, house(a="b", b="a", x="y", y="[x, a]", s="t", t="u", u="t"))

    assert [sentence.split(": ")[3] for sentence in told] == ["a -> b -> a", "x -> y -> x", "t -> u -> t"]


def test_twenty_circles_are_told_at_once(tmp_path: Path) -> None:
    pairs = [(f"x{number}", f"y{number}") for number in range(25)]
    told = mistakes(tmp_path, house(**dict(pairs), **{second: first for first, second in pairs}))

    assert [sentence.split(": ")[3] for sentence in told] == [f"{x} -> {y} -> {x}" for x, y in pairs[:20]]


def test_a_disabled_provider_may_need_what_is_disabled_as_well(tmp_path: Path) -> None:
    text = "providers:\n" + "".join(
        f"  {name}: {{class: module.Class, enabled: false, depends_on: {other}}}\n"
        for name, other in ("ab", "ba")
    )
    assert mistakes(tmp_path, text) == []


def test_the_order_is_kept_and_one_name_is_a_list_of_one(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(house(a="[]", b="a", c="[b, a]"))

    assert [spec.depends_on for spec in load(str(path)).specs] == [(), ("a",), ("b", "a")]
