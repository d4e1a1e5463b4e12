"""`status` at a terminal: reasons that do not fit, and a screen that is drawn anew."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.ctl.conftest import MODULE, Ctl
from tests.ctl.fake_daemon import FakeDaemon, refusal, reply
from tests.ctl.test_commands import CALCULATOR, OPENAI, status_of
from tests.terminal import CTRL_C, terminal

LONG = "gave up after 3 starts in a row that never became ready: exited with 1: no module named foo"
SICK: dict[str, Any] = {**OPENAI, "state": "FATAL", "reason": LONG, "next_in": None}


def many(count: int) -> list[dict[str, Any]]:
    return [{**CALCULATOR, "name": f"calc{number}"} for number in range(count)]


def shown(ctl: Ctl, *words: str, columns: int = 80, rows: int = 24) -> Any:
    return terminal([sys.executable, *MODULE, *words], ctl.environment(), columns=columns, rows=rows)


@pytest.mark.parametrize("columns", [80, 100])
def test_a_reason_that_does_not_fit_stands_below_whole(daemon: FakeDaemon, ctl: Ctl, columns: int) -> None:
    daemon.answers(reply(status_of(CALCULATOR, SICK)))
    with shown(ctl, "status", columns=columns) as t:
        assert t.ended() == 0
        lines = t.lines
    assert lines[0].split() == [
        "NAME",
        "STATE",
        "HEALTH",
        "PID",
        "UPTIME",
        "RESTARTS",
        "CPU",
        "MEMORY",
        "CALLS",
    ]
    assert lines[3] == ""
    assert "".join(line.ljust(columns) for line in lines[4:]).rstrip() == f"openai: {LONG}"


def test_a_reason_that_fits_stands_beside(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR, SICK)))
    with shown(ctl, "status", columns=200) as t:
        assert t.ended() == 0
        assert t.lines[2].endswith(LONG)


def test_it_is_drawn_anew_until_ctrl_c_which_gives_the_cursor_back(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(
        reply(status_of(CALCULATOR, SICK)),
        reply(status_of(CALCULATOR)),
        refusal("internal", "oh", 500),
        reply(status_of({**CALCULATOR, "restarts": 77})),
    )
    with shown(ctl, "status", "--watch") as t:
        t.until("FATAL")
        t.until(lambda text: "RUNNING" in text and "FATAL" not in text and LONG[:20] not in text)
        t.until("oh")
        t.until("77")
        t.press(CTRL_C)
        assert t.ended() == 130
        assert t.drawn.rstrip().endswith(b"\x1b[?25h")
        assert b"Traceback" not in t.drawn


def test_those_that_are_not_well_come_first_where_there_is_no_room_for_all(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers(reply(status_of(*many(30), SICK)))
    with shown(ctl, "status", "--watch", rows=12) as t:
        text = t.until("more are not shown")
        assert "openai" in text
        assert "calc0" in text
        assert len(text.splitlines()) <= 12
        t.resize(80, 50)
        t.until("calc29")


def test_a_program_is_told_what_else_there_is(daemon: FakeDaemon, ctl: Ctl) -> None:
    refused = ctl("status", "--watch")
    assert refused.returncode == 2
    assert "--watch needs a terminal" in refused.stderr


def test_what_has_no_room_is_left_out_and_nothing_wraps(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR, {**CALCULATOR, "name": "計算機", "health": "degraded"}, SICK)))
    with shown(ctl, "status", columns=40) as t:
        assert t.ended() == 0
        assert t.lines[:6] == [
            "NAME        STATE    UPTIME  RESTARTS",
            "calculator  RUNNING  3m 12s  0",
            "計算機      RUNNING  3m 12s  0",
            "openai      FATAL    -       7",
            "",
            f"openai: {LONG}"[:40].rstrip(),
        ]


def test_reasons_below_the_table_count_as_the_rows_that_they_take(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(*many(30), SICK)))
    with shown(ctl, "status", "--watch", columns=60, rows=10) as t:
        text = t.until("more are not shown")
        assert text.splitlines()[0].startswith("NAME ")
        assert "openai  FATAL" in text
