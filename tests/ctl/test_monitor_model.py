"""The monitor without a terminal: what a key or a look makes of the state, and how that is drawn."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from rich.cells import cell_len

from gleitzeitctl.monitor import figures, model, pressing
from gleitzeitctl.monitor.columns import fitting
from gleitzeitctl.monitor.keys import Keys
from gleitzeitctl.monitor.model import Page, State, rows
from gleitzeitctl.monitor.paint import codes
from gleitzeitctl.monitor.run import shows_unicode
from gleitzeitctl.monitor.stories import last_errors
from gleitzeitctl.monitor.view import drawn

DAEMON = {
    "version": "0.1.0",
    "state": "running",
    "uptime": 65.0,
    "rate": 12.5,
    "errors": 0,
    "queue": 0,
    "problems": [],
    "refused": False,
    "failures": [],
    "after_daemon_restart": [],
}
BLOCKS = set("▁▂▃▄▅▆▇█")


def instance(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "provider": name.partition("#")[0],
        "state": "RUNNING",
        "health": "healthy",
        "ready": True,
        "pid": 7,
        "uptime": 65.0,
        "restarts": 0,
        "generation": 1,
        "in_flight": 0,
        "reason": "",
        "next_in": None,
        "cpu": 0.1,
        "memory": 40 * 1024 * 1024,
        "rate": 0.0,
        "errors": 0,
        "p50": None,
        "p99": None,
        "queue": 0,
    } | more


def told(*instances: dict[str, Any], state: State = State(), **daemon: Any) -> State:  # noqa: B008 - it is frozen
    return model.told(state, {"daemon": DAEMON | daemon, "instances": list(instances)})


def pressed(state: State, *keys: str) -> State:
    return reduce(pressing.pressed, keys, state)


def screen(state: State, has_blocks: bool = True) -> list[str]:
    """What would be seen."""
    return ["".join(text for text, _, _ in line).rstrip() for line in drawn(state, has_blocks)[1]]


def names(state: State) -> list[str]:
    return [one["name"] for one in rows(state)]


THREE = (instance("b", cpu=0.5), instance("a", cpu=0.9), instance("c#10"), instance("c#9"))


def test_they_stand_by_name_and_numbers_by_their_value() -> None:
    assert names(told(*THREE)) == ["a", "b", "c#9", "c#10"]


def test_a_column_sorts_its_figures_the_largest_first_and_the_other_way_round() -> None:
    by_cpu = pressed(told(*THREE), "right", "right")
    assert (by_cpu.sort, names(by_cpu)) == ("CPU", ["a", "b", "c#9", "c#10"])
    assert names(pressed(by_cpu, "i")) == ["c#9", "c#10", "b", "a"]


def test_the_worst_state_comes_first() -> None:
    ill = instance("z", state="FATAL"), instance("y", health="unhealthy")
    assert names(pressed(told(*THREE, *ill), "right"))[:2] == ["z", "y"]


def test_the_selected_one_stays_selected_wherever_it_goes() -> None:
    state = pressed(told(*THREE), "down")
    assert state.selected == "b"

    state = told(instance("0"), *THREE, state=state)
    assert (state.selected, state.at) == ("b", 2)

    state = told(instance("0"), instance("a"), instance("z"), state=state)
    assert state.selected == "z"


def test_who_has_chosen_nobody_watches_those_on_top() -> None:
    by_cpu = pressed(told(*THREE), "down", "right", "right")
    assert (by_cpu.selected, by_cpu.at) == ("a", 0)
    assert told(instance("a", cpu=0.1), instance("b", cpu=0.9), state=by_cpu).selected == "b"


def test_nobody_is_selected_beyond_the_ends() -> None:
    assert pressed(told(*THREE), "up").selected == "a"
    assert pressed(told(*THREE), "end", "j").selected == "c#10"
    assert pressed(told(*THREE), "G", "page up").selected == "a"
    assert pressed(told(), "down", "r", "l", "enter", "G", "end").selected == ""


def test_the_filter_is_typed_kept_and_cleared() -> None:
    typing = pressed(told(*THREE), "/", "C", "#", "1", "j", "backspace")
    assert (typing.wanted, names(typing), typing.selected) == ("C#1", ["c#10"], "c#10")
    assert "filter: C#1_" in screen(typing)[-1]

    kept = pressed(typing, "enter", "j")
    assert (names(kept), kept.is_typing) == (["c#10"], False)
    assert names(pressed(kept, "escape")) == ["a", "b", "c#9", "c#10"]


def test_a_restart_is_asked_for_and_only_y_has_it_done() -> None:
    asked = pressed(told(*THREE), "r")
    assert (asked.order, screen(asked)[-1]) == ("", "restart a? y/n")
    assert pressed(asked, "y").order == "a"
    for key in ("n", "enter", "escape", "q"):
        assert (pressed(asked, key).order, pressed(asked, key).is_over) == ("", False)


def test_a_restart_is_not_of_whoever_took_the_place_meanwhile() -> None:
    asked = pressed(told(*THREE), "r")
    assert pressed(told(instance("z"), state=asked), "y").order == ""


def test_the_way_back_is_the_way_that_was_gone() -> None:
    state = pressed(told(*THREE), "enter", "l", "?")
    assert state.page is Page.HELP
    pages = [(state := pressed(state, "q")).page for _ in range(3)]
    assert pages == [Page.LOGS, Page.DETAILS, Page.TABLE]
    assert not state.is_over
    assert pressed(state, "q").is_over


def test_details_outlive_the_instance_that_they_were_opened_with() -> None:
    state = pressed(told(instance("w#1"), instance("w#2"), instance("x")), "enter")
    state = told(state=state)
    assert screen(state)[1].startswith("w")
    assert names(told(instance("w#2"), instance("x"), state=state)) == ["w#2"]


def test_of_one_provider_there_is_nothing_to_go_back_to() -> None:
    state = told(instance("a"), state=State(pages=(Page.DETAILS,), provider="a"))
    assert pressed(state, "escape").page is Page.DETAILS
    assert pressed(state, "q").is_over


def test_a_log_that_is_read_further_up_stays_where_it_is() -> None:
    state = model.printed(pressed(told(*THREE), "l"), [f"line {n}" for n in range(100)])
    assert screen(state)[-2] == "line 99"

    up = pressed(state, "up", "up")
    assert screen(up)[-2] == "line 97"
    assert screen(model.printed(up, ["line 100"]))[-2] == "line 97"
    assert screen(pressed(up, "end"))[-2] == "line 99"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60), (20, 3), (1, 1)])
@pytest.mark.parametrize("keys", [(), ("?",), ("l",), ("enter",), ("/",), ("r",)])
def test_nothing_is_wider_or_higher_than_the_terminal(width: int, height: int, keys: tuple[str, ...]) -> None:
    odd = instance("名" * 50, state="FATAL", reason="was\x1b[2Jbad 名 " * 30, rate=1e9, p99=1e6)
    state = model.resized(told(odd, *THREE, problems=["x" * 500]), width, height)
    lines = drawn(model.printed(pressed(state, *keys), ["名\t" * 200]), True)[1]

    assert len(lines) == height
    assert all(sum(cell_len(text) for text, _, _ in line) <= width for line in lines)
    assert not any(c in text for line in lines for text, _, _ in line for c in "\x1b\n\t")


def test_what_matters_most_is_left_where_there_is_little_room() -> None:
    titles = {width: [column.title for column, _ in fitting(width, 10)] for width in (40, 80, 200)}

    assert titles[40] == ["NAME", "STATE", "CPU", "CALLS/S", "ERR"]
    asked = {"STATE", "CPU", "MEM", "RST", "CALLS/S", "P50", "P99", "ERR", "QUEUE", "BUSY", "TREND"}
    assert asked <= set(titles[80])
    assert asked | {"HEALTH", "UPTIME", "REASON"} <= set(titles[200])


def test_one_that_runs_and_is_not_well_is_not_shown_as_running() -> None:
    ill = (instance("a", health="degraded"), instance("b", ready=False), instance("c", health="unhealthy"))
    shown = screen(told(*ill))[2:5]
    assert [line.split()[1] for line in shown] == ["degraded", "unready", "unhealthy"]


def test_the_selected_row_is_seen_however_many_there_are() -> None:
    many = [instance(f"n{number:03}") for number in range(500)]
    for keys in ((), ("end",), ("page down",) * 7):
        state = pressed(told(*many), *keys)
        assert any(line.startswith(state.selected) for line in screen(state)[2:-2])


def test_what_is_wrong_stands_on_top() -> None:
    state = told(*THREE, problems=["etc/providers.yaml:3:1: bad", "another"], refused=True)
    wrong = "the config file is refused: etc/providers.yaml:3:1: bad (and 1 more)"
    assert screen(state)[1] == wrong
    assert "65" not in screen(state)[0]


def test_a_trend_is_drawn_with_what_the_terminal_has() -> None:
    state = State()
    for rate in (0.0, 1.0, 8.0, None):
        state = told(instance("a", rate=rate), state=state)

    assert figures.trend(state.trends["a"], 6, has_blocks=True) == "   ▁█ "
    assert figures.trend(state.trends["a"], 6, has_blocks=False) == "   .# "
    assert figures.trend((0.0, 0.0), 6, has_blocks=True) == ""


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figures.rate(0.0), "0"),
        (figures.rate(9.94), "9.9"),
        (figures.rate(9.96), "10"),
        (figures.rate(12_345), "12k"),
        (figures.rate(None), ""),
        (figures.latency(0.00042), "0.4ms"),
        (figures.latency(0.9994), "999ms"),
        (figures.latency(1.24), "1.2s"),
        (figures.latency(120), "120s"),
        (figures.memory(41.2 * 2**20), "41M"),
        (figures.memory(1023.9 * 2**20), "1.0G"),
        (figures.memory(128 * 2**30), "128G"),
        (figures.count(9999), "9999"),
        (figures.count(10_000), "10k"),
        (figures.count(2_000_000), "2M"),
    ],
)
def test_a_figure_takes_few_cells(shown: str, text: str) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ([b"\x1b[A\x1bOB"], ["up", "down"]),
        ([b"jk\r\x7f"], ["j", "k", "enter", "backspace"]),
        ([b"\x1b", b"[C"], ["right"]),
        ([b"\x1b[", b"5", b"~x"], ["page up", "x"]),
        (["ü".encode()[:1], "ü".encode()[1:]], ["ü"]),
        ([b"\x1b[200~a\xff\x00"], ["a"]),
        ([b"\x1b[1;5A"], []),
    ],
)
def test_bytes_are_keys_however_they_are_cut(data: list[bytes], keys: list[str]) -> None:
    read = Keys()
    assert [key for piece in data for key in read.pressed(piece)] == keys
    assert not read.is_waiting


def test_escape_alone_is_a_key_when_nothing_follows() -> None:
    read = Keys()
    assert read.pressed(b"\x1b") == []
    assert read.is_waiting
    assert read.rest() == ["escape"]


def test_without_colours_what_is_selected_is_still_marked() -> None:
    lines = drawn(told(instance("a", state="FATAL")), True)[1]
    (row,) = [line for line in lines if line and line[0].text.startswith("a ")]

    assert "31" in codes(row, colours=True, has_unicode=True)
    plain = codes(row, colours=False, has_unicode=True)
    assert "\x1b[7m" in plain
    assert "31" not in plain


@pytest.mark.parametrize(
    ("environment", "is_so"),
    [
        ({"LANG": "de_DE.UTF-8"}, True),
        ({"LANG": "en_US.utf8"}, True),
        ({"LANG": "C"}, False),
        ({}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # What Python makes of it for itself.
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE", "LC_CTYPE": "de_DE.UTF-8"}, True),
    ],
)
def test_only_who_says_utf_8_is_sent_it(environment: dict[str, str], is_so: bool) -> None:
    assert shows_unicode(environment) is is_so


def test_a_failure_is_told_once_with_its_evidence() -> None:
    def entry(second: int, state: str, what: str, *evidence: str) -> dict[str, Any]:
        time = f"2026-01-01T00:00:0{second}.000Z"
        return {"time": time, "state": state, "what": what, "evidence": list(evidence)}

    history = [
        entry(1, "STARTING", ""),
        entry(2, "STARTING", "exited with 3", "out of memory"),
        entry(2, "BACKOFF", "exited with 3"),
        entry(3, "RUNNING", "pid 7"),
        entry(4, "FATAL", "gave up"),
    ]

    told = [text.split("  ", 1)[1] for text, _ in last_errors([{"name": "a", "history": history}])]
    assert told == ["a  FATAL  gave up", "a  STARTING  exited with 3", "| out of memory"]
