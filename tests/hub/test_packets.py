"""A packet is read as python-socketio reads it, or it is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import BINARY_EVENT, EVENT, Packet

from gleitzeitd.hub.wire import packets

TEXTS = st.lists(
    st.sampled_from(
        [
            "2",
            "3",
            "0",
            "51-",
            "4",
            "/clients",
            "/",
            "?a=1",
            ",",
            "7",
            "12",
            '["chunk",{"d":[1]}]',
            "[]",
            "[NaN]",
        ]
    ),
    max_size=6,
).map("".join)


@given(TEXTS | st.text(max_size=20))
def test_a_packet_says_what_it_says_to_python_socketio(text: str) -> None:
    """Seen to fail with a namespace that keeps its query."""
    with suppress(packets.MalformedError):
        packet, _ = packets.read(text)
        known = Packet(encoded_packet=text)
        kind = EVENT if known.packet_type == BINARY_EVENT else known.packet_type
        assert packet.kind == kind or known.packet_type > BINARY_EVENT
        assert (packet.namespace, packet.number) == (known.namespace or "/", known.id)
        assert json.dumps(packet.data) == json.dumps(known.data)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('2/providers,["chunk",{"id":"1"}]', (2, "/providers", None, ["chunk", {"id": "1"}])),
        ('2/clients?a=b,7["invoke"]', (2, "/clients", 7, ["invoke"])),
        ("3/providers,12[]", (3, "/providers", 12, [])),
        ("0/clients,{}", (0, "/clients", None, {})),
        ("1/clients,", (1, "/clients", None, None)),
        ("0", (0, "/", None, None)),
    ],
)
def test_what_our_peers_send_is_read(text: str, packet: tuple[object, ...]) -> None:
    assert packets.read(text) == (packet, None)


@pytest.mark.parametrize(
    "text", ["", "x", "7[]", "2", "2{}", '2["a"', "2[1]", "2[]", "4[]", '2["connect"]', "3"]
)
def test_what_nobody_sends_is_refused(text: str) -> None:
    with pytest.raises(packets.MalformedError):
        packets.read(text)
