"""A circle is found, whole, and told from where the file begins."""

from __future__ import annotations

import pytest

from gleitzeitd.core.order import cycle


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ({}, None),
        ({"a": ["b"], "b": []}, None),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, None),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        ({"out": ["b"], "c": ["b"], "b": ["a"], "a": ["c"]}, ("c", "b", "a", "c")),
    ],
)
def test_a_circle_begins_with_what_is_first(
    needs: dict[str, list[str]], found: tuple[str, ...] | None
) -> None:
    assert cycle(needs) == found


def test_a_chain_may_be_longer_than_the_stack() -> None:
    chain = {str(at): [str(at + 1)] for at in range(5000)}

    assert cycle(chain) is None
    assert cycle({**chain, "5000": ["0"]}) == (*map(str, range(5001)), "0")
