"""The monitor at a real terminal, on a real daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.house import House, eventually, house
from tests.terminal import CTRL_C, DOWN, Terminal, terminal

COMMAND = (sys.executable, "-m", "gleitzeitctl", "monitor")
SPEAKER = (
    "for n in $(seq 1 100); do echo line $n; done; printf '\\033[2Jstray \\303\\274\\n'; exec sleep 1000"
)
PROVIDERS = {
    **{f"quiet{n:02}": {"command": ["sleep", "1000"], "start_seconds": 0} for n in range(30)},
    "speaker": {"command": ["sh", "-c", SPEAKER], "start_seconds": 0},
    "ill": {"command": ["sh", "-c", "echo no memory left >&2; exit 78"]},
}
ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon for all that only look."""
    with house(tmp_path_factory.mktemp("monitor"), PROVIDERS) as h:
        h.until("ill", "FATAL")
        h.until("speaker", "RUNNING")
        yield h


def shown(
    at: House, *words: str, columns: int = 80, rows: int = 24, **environment: str
) -> AbstractContextManager[Terminal]:
    env = {**at.environment, "LANG": "C.UTF-8", "LC_ALL": "", **environment}
    return terminal([*COMMAND, *words], env, columns=columns, rows=rows)


def row(seen: Terminal, name: str) -> list[str]:
    """The cells of the row of that name."""
    return next((line.split() for line in seen.lines if line.startswith(f"{name} ")), [])


@pytest.mark.parametrize(
    ("columns", "rows", "titles"),
    [
        (80, 24, "NAME STATE CPU MEM RST CALLS/S P50 P99 ERR QUEUE BUSY TREND"),
        (40, 10, "NAME STATE CPU CALLS/S ERR"),
        (200, 60, "NAME STATE HEALTH UPTIME CPU MEM RST CALLS/S P50 P99 ERR QUEUE BUSY TREND REASON"),
    ],
)
def test_a_screen_of_any_size_shows_what_matters_most(
    busy: House, columns: int, rows: int, titles: str
) -> None:
    with shown(busy, columns=columns, rows=rows) as seen:
        seen.until("q quit")

        lines = seen.lines
        assert "running" in lines[0]
        assert "31/32 up" in lines[0]
        assert lines[1].split() == titles.split()
        assert lines[2].split()[:2] == ["ill", "FATAL"]
        assert sum("RUNNING" in line for line in lines) == min(31, rows - 5)
        assert lines[-2] == "ill: FATAL, exited with 78: no memory left"[:columns].rstrip()
        seen.press("q")
        assert seen.ended() == 0


def test_the_window_may_become_smaller_and_larger(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("P50")
        seen.resize(40, 10)
        seen.until(lambda text: "P50" not in text and text.endswith("l l"))
        assert max(map(len, seen.lines)) <= 40
        seen.resize(200, 60)
        seen.until("REASON")


def test_keys_sort_filter_and_select(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        seen.press("/spe")
        seen.until(lambda text: "quiet" not in text and "filter: spe_" in text)
        seen.press("\r")
        seen.until("speaker: RUNNING")
        seen.press("\x1b")
        seen.until("quiet29")
        seen.press("g" + DOWN + "j")
        seen.until("quiet01: RUNNING")
        seen.press("i")
        seen.until(lambda text: text.splitlines()[2].startswith("speaker"))
        assert "speaker: RUNNING" in seen.text


def test_the_log_of_the_selected_one_comes_as_it_is_written(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        seen.press("Gl")
        seen.until("stray")
        assert "?[2Jstray ü" in seen.text
        assert "line 100" in seen.text
        seen.press("kkk")
        seen.until("3 lines from its end")
        seen.press("q")
        seen.until("q quit")


def test_details_show_what_failed(busy: House) -> None:
    with shown(busy, "--provider", "ill") as seen:
        seen.until("no memory left")
        assert "LAST ERRORS" in seen.text
        seen.press("?")
        seen.until("resident memory")
        seen.press("qq")
        assert seen.ended() == 0


def test_without_utf_8_and_colours_there_is_neither(busy: House) -> None:
    with shown(busy, LANG="C", NO_COLOR="1") as seen:
        seen.until("q quit")
        seen.press("Gl")
        seen.until("stray ?")
        assert seen.drawn.isascii()
        assert re.search(rb"\x1b\[[0-9;]*3[0-7]m", seen.drawn) is None


def test_colour_is_not_all_that_tells_a_state(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        assert (row(seen, "ill")[1], seen.colour(2, 8)) == ("FATAL", "red")
        assert (row(seen, "quiet00")[1], seen.colour(3, 8)) == ("RUNNING", "green")


def test_what_does_not_change_is_not_drawn_again(busy: House) -> None:
    with shown(busy) as seen:
        uptime = seen.until("q quit").splitlines()[0]
        seen.until(lambda text: text.splitlines()[0] != uptime)
        drawn = len(seen.drawn)
        uptime = seen.lines[0]
        seen.until(lambda text: text.splitlines()[0] != uptime)
        assert len(seen.drawn) - drawn < 1500


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        pytest.param("q", 0, id="q"),
        pytest.param(CTRL_C, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, -signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGHUP, -signal.SIGHUP, id="SIGHUP"),
    ],
)
def test_the_terminal_is_given_back(busy: House, ending: str | signal.Signals, status: int) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        assert not modes(seen)
        if isinstance(ending, str):
            seen.press(ending)
        else:
            tell(seen, ending)
        assert seen.ended() == status
        assert is_given_back(seen)


def test_the_terminal_is_given_back_after_a_mistake_of_ours(busy: House) -> None:
    mistake = "from gleitzeitctl.monitor.screen import Screen\nwith Screen() as s: s.show(['x']); 1 / 0"
    # from Python 3.13 on its traceback has colours, too
    plain = {**busy.environment, "PYTHON_COLORS": "0"}
    with terminal([sys.executable, "-c", mistake], plain) as seen:
        assert seen.ended() == 1
        assert "ZeroDivisionError" in seen.text
        assert is_given_back(seen)


def test_a_closed_terminal_ends_it(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        # Only the terminal goes: nobody tells the program.
        seen.process.ptyproc.fileobj.close()  # type: ignore[attr-defined]
        eventually(lambda: not seen.process.isalive())
        assert seen.process.signalstatus == signal.SIGHUP


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(busy: House) -> None:
    with shown(busy) as seen:
        seen.until("q quit")
        seen.press("\x1a")
        eventually(lambda: state_of(seen) == "T")
        seen.until(lambda _: is_given_back(seen))
        tell(seen, signal.SIGCONT)
        seen.until(lambda _: seen.drawn.count(ENTERED) == 2 and not modes(seen))
        seen.press("q")
        assert seen.ended() == 0


def state_of(seen: Terminal) -> str:
    return Path(f"/proc/{seen.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def tell(seen: Terminal, number: signal.Signals) -> None:
    assert seen.process.pid is not None
    os.kill(seen.process.pid, number)


def modes(seen: Terminal) -> int:
    """Those of a terminal that waits for whole lines and shows what is typed."""
    local: int = termios.tcgetattr(seen.process.child_fd)[3]
    return local & (termios.ICANON | termios.ECHO)


def is_given_back(seen: Terminal) -> bool:
    _, _, after = seen.drawn.rpartition(LEFT)
    cursor = seen.drawn.rfind(b"\x1b[?25h") > seen.drawn.rfind(b"\x1b[?25l")
    is_left = seen.drawn.count(ENTERED) == seen.drawn.count(LEFT) > 0 and b"\x1b" not in after
    return is_left and cursor and modes(seen) == termios.ICANON | termios.ECHO


@pytest.fixture
def own(tmp_path: Path) -> Iterator[House]:
    """A daemon that may be harmed."""
    calm = {"command": ["sleep", "1000"], "start_seconds": 0}
    with house(tmp_path, {"calm": calm, "other": calm}) as h:
        h.until("calm", "RUNNING")
        yield h


def test_a_restart_is_done_after_a_y(own: House) -> None:
    with shown(own) as seen:
        pid = own.until("calm", "RUNNING")["pid"]
        seen.until("q quit")
        seen.press("rn")
        seen.press("r")
        seen.until("restart calm? y/n")
        seen.press("y")
        seen.until("calm is being restarted")
        eventually(lambda: own.until("calm", "RUNNING")["pid"] != pid)
        seen.until(lambda _: f"pid {own.view('calm')['pid']}," in seen.text)


def test_a_daemon_that_is_killed_is_told_and_its_successor_is_shown(own: House) -> None:
    with shown(own) as seen:
        seen.until(lambda text: f"pid {own.view('calm')['pid']}," in text)
        own.daemon.kill()
        own.daemon.wait(20)
        seen.until("the daemon is gone")
        assert row(seen, "calm")[1] == "RUNNING"
        own.start()
        pid = own.until("calm", "RUNNING")["pid"]
        seen.until(lambda text: "the daemon is gone" not in text and f"pid {pid}," in text)


def test_a_daemon_that_hangs_is_told_and_keys_go_on(own: House) -> None:
    with shown(own) as seen:
        seen.until("q quit")
        own.daemon.send_signal(signal.SIGSTOP)
        try:
            seen.until("has not answered")
            seen.press("j")
            seen.until("other: RUNNING")
        finally:
            own.daemon.send_signal(signal.SIGCONT)
        seen.until(lambda text: "has not answered" not in text)


# Without a terminal.
def test_into_a_pipe_goes_one_table(busy: House) -> None:
    lines = busy.ctl("monitor").stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "STATE", "UPTIME"]
    assert len(lines) == 33


def test_json_is_one_look_or_one_after_the_other(busy: House) -> None:
    once = busy.ctl("monitor", "quiet0*", "--once", "--json").stdout.splitlines()
    assert len(once) == 1
    assert {one["rate"] for one in json.loads(once[0])["instances"]} == {0.0}

    command = [*COMMAND, "ill", "--json"]
    with subprocess.Popen(command, env=busy.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
    assert looks[0]["instances"][0]["name"] == "ill"
    assert looks[1]["time"] > looks[0]["time"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("nosuch",), 4, '"nosuch"'),
        (("no*",), 4, '"no*"'),
        (("ill", "--provider", "quiet00"), 2, "are two"),
        (("--socket", "/nowhere/s.sock"), 3, "/nowhere/s.sock"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    busy: House, words: tuple[str, ...], status: int, said: str
) -> None:
    with shown(busy, *words, columns=200) as seen:
        assert seen.ended() == status
        assert said in seen.text
        assert len(seen.text.splitlines()) == 1
        assert ENTERED not in seen.drawn


def test_only_the_live_view_has_rich_imported(busy: House) -> None:
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], "--once"]
    done = subprocess.run(command, env=busy.environment, capture_output=True, text=True, check=True)

    assert "gleitzeitctl.monitor.once" in done.stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "rich" not in imported
