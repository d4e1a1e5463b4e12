"""What a registration may bring, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.offers import Offer

METHOD = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object"},
    "returns": {"type": "number"},
    "stream": False,
    "idempotent": True,
}


def test_everything_that_is_told_of_a_method_is_kept() -> None:
    offer = Offer.read(
        {"name": "tool", "methods": [METHOD, {"name": "sub", "returns": None}], "reply": "ack"}
    )
    assert offer.methods[0] == METHOD
    assert (offer.method_names, offer.repeatable) == (frozenset({"add", "sub"}), frozenset({"add"}))
    assert offer.reply == "ack"
    assert Offer.read({"name": "tool"}).reply == "event"


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ({"methods": [{"name": "add", "parameters": []}]}, "`methods: parameters` must be dict, not list"),
        ({"methods": [{"name": "add", "idempotent": "yes"}]}, "`methods: idempotent` must be bool, not str"),
        ({"methods": [{"name": "x" * 201}]}, "`methods: name` must have 1 to 200 characters"),
        ({"models": [""]}, "`models` must have 1 to 200 characters"),
        ({"capabilities": ["c"] * 10_001}, "`capabilities` has 10,001 entries, more than 10,000"),
        ({"reply": "letter"}, '`reply` must be "event" or "ack"'),
        ({"type": "t" * 201}, "`type` must have 1 to 200 characters"),
    ],
)
def test_what_cannot_be_is_refused_in_words(offer: dict[str, Any], words: str) -> None:
    with pytest.raises(CallError) as failure:
        Offer.read({"name": "tool", **offer})
    assert failure.value.code == "invalid_request"
    assert words in failure.value.message


def test_an_update_leaves_what_it_does_not_name() -> None:
    offer = Offer.read({"name": "tool", "models": ["m", "m"], "methods": [METHOD], "closed": True})
    updated = offer.updated({"models": ["n"], "reply": "ack", "closed": False})
    assert (offer.models, updated.models) == (("m",), ("n",))
    assert (updated.method_names, updated.reply, updated.closed) == (frozenset({"add"}), "event", True)
