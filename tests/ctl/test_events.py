"""events -f over the end of a connection: nothing is told twice, nothing is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Script, ndjson, refusal, reply


def event(number: int) -> dict[str, Any]:
    its = {"name": "web", "state": "RUNNING", "generation": 1, "what": "it runs", "evidence": []}
    return {"cursor": f"life-{number}", "time": "2026-11-23T05:00:00.000Z", **its}


@pytest.mark.parametrize(
    ("cut", "after"),
    [
        (ndjson(event(8), event(9), end=b""), "life-9"),
        (ndjson(event(8), {"missed": 3}, end=b""), "life-8"),
        (ndjson(), "life-7"),
    ],
    ids=["after some", "after a gap", "before any"],
)
def test_it_goes_on_after_what_it_has_shown(ctl: Ctl, daemon: FakeDaemon, cut: Script, after: str) -> None:
    over = refusal("not_found.provider", "that is enough", 404)
    daemon.answers(ndjson(event(7)), cut, reply({}), over)

    assert ctl("events", "-f", "web", "-n", "2").returncode == 4
    assert [request.target for request in daemon.requests] == [
        "/v1/events?n=1",
        "/v1/events?name=web&n=2&follow=1",
        "/v1/version",
        f"/v1/events?name=web&after={after}&follow=1",
    ]
