"""`config history`, `diff` and `rollback` against a fake daemon and real files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.client import Client
from gleitzeitctl.commands.config_kept import kept
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.session import Session
from gleitzeitd.config.history import History
from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, refusal, reply

OLD = "providers:\n  a:\n    command: sleep 1\n    env: {API_KEY: sk-1}\n"
NEW = "providers:\n  a:\n    command: sleep 2\n    env: {API_KEY: sk-2}\n"
MORE = "providers: {b: {command: x}}\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    main = tmp_path / "config/providers.yaml"
    main.write_text(NEW)
    return main


def known(main: Path, *numbers: int) -> dict[str, Any]:
    versions = [
        {
            "number": n,
            "time": f"2026-01-02T03:04:{n:02}Z",
            "summary": f"{n} added",
            "current": n == max(numbers),
        }
        for n in numbers
    ]
    return {"config": str(main), "versions": versions, "but_for": []}


def version(config: Path, number: int, **files: str) -> dict[str, Any]:
    names = {"main": "providers.yaml", "more": "providers.d/more.yaml"}
    texts = {names.get(name, name): text for name, text in files.items()}
    return {"number": number, "time": "2026-01-02T03:04:05Z", "config": str(config), "files": texts}


def test_history_is_a_table_in_local_time(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply(known(main, 12, 3)))

    done = ctl("config", "history", env={"TZ": "UTC-2"})

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "NUMBER  TIME                 WHAT",
        "12      2026-01-02 05:04:12  12 added (applied now)",
        "3       2026-01-02 05:04:03  3 added",
    ]
    assert daemon.requests == [Request("GET", "/v1/config/history")]


def test_history_as_json_is_the_answer_of_the_api(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply(known(main, 2, 1)))

    assert json.loads(ctl("config", "history", "--json").stdout) == known(main, 2, 1)


def test_a_history_that_is_empty_says_so(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply({"config": str(main), "versions": [], "but_for": []}))

    assert "not kept any version" in ctl("config", "history").stderr
    for words in (("diff",), ("diff", "1"), ("rollback", "1")):
        done = ctl("config", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is none yet" in done.stderr or "not kept any version" in done.stderr
    assert main.read_text() == NEW


def test_diff_is_between_what_is_applied_and_the_files_now(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply(known(main, 7, 6)), reply(version(main, 7, main=OLD, more=MORE)))

    done = ctl("config", "diff")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "--- providers.d/more.yaml (version 7)",
        "+++ providers.d/more.yaml (not there: on disk)",
        "@@ -1,2 +0,0 @@",
        "-providers: {b: {command: x}}",
        "-",
        "--- providers.yaml (version 7)",
        "+++ providers.yaml (on disk)",
        "@@ -1,5 +1,5 @@",
        " providers:",
        "   a:",
        "-    command: sleep 1",
        "-    env: {API_KEY: ********}",
        "+    command: sleep 2",
        "+    env: {API_KEY: ********}  (changed)",
        " ",
    ]
    assert [request.target for request in daemon.requests] == ["/v1/config/history", "/v1/config/history/7"]


def test_diff_may_be_with_an_older_one_or_between_two(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply(known(main, 7, 6)), reply(version(main, 6, main=NEW)))
    done = ctl("config", "diff", "6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no difference\n")

    daemon.answers(
        reply(known(main, 7, 6)), reply(version(main, 6, main="a: 1")), reply(version(main, 7, main="a: 2"))
    )
    done = ctl("config", "diff", "6", "7", "--json")
    assert json.loads(done.stdout) == {
        "from": "version 6",
        "to": "version 7",
        "diff": [
            "--- providers.yaml (version 6)",
            "+++ providers.yaml (version 7)",
            "@@ -1 +1 @@",
            "-a: 1",
            "+a: 2",
        ],
    }


def test_a_version_that_is_unknown_is_told_with_those_that_are(
    daemon: FakeDaemon, ctl: Ctl, main: Path
) -> None:
    daemon.answers(reply(known(main, 7, 6)))

    for words in (("diff", "5"), ("diff", "5", "6"), ("rollback", "5")):
        done = ctl("config", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"gleitzeitctl: there is no version 5 of {main} (there are 7, 6)\n"


@pytest.mark.parametrize("words", [("history",), ("diff",), ("rollback", "1")])
def test_who_may_not_see_it_is_told_so(daemon: FakeDaemon, ctl: Ctl, words: tuple[str, ...]) -> None:
    daemon.answers(refusal("forbidden", "GET /v1/config/history is for root", 403))

    done = ctl("config", *words)

    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == "gleitzeitctl: GET /v1/config/history is for root\n"


def test_rollback_writes_the_files_back_and_shows_what_it_changes(
    daemon: FakeDaemon, ctl: Ctl, main: Path
) -> None:
    main.chmod(0o640)
    (main.parent / "providers.d").mkdir()
    extra = main.parent / "providers.d/extra.yaml"
    extra.write_text("x: 1\n")
    daemon.answers(reply(known(main, 7, 6)), reply(version(main, 6, main=OLD, more=MORE)))

    done = ctl("config", "rollback", "6")

    more = main.parent / "providers.d/more.yaml"
    assert done.returncode == 0
    assert "-    command: sleep 2\n" in done.stdout
    assert "+    command: sleep 1\n" in done.stdout
    assert "sk-" not in done.stdout
    assert done.stdout.splitlines()[-3:] == [
        f"{main}: restored; what was there is in {main}.rolled-back",
        f"{more}: restored",
        f"{extra}: moved to {extra}.rolled-back",
    ]
    assert done.stderr == 'a daemon that runs on it reloads it by itself: see "gleitzeitctl status"\n'
    assert (main.read_text(), more.read_text()) == (OLD, MORE)
    assert {path.stat().st_mode & 0o777 for path in (main, more)} == {0o640}
    assert sorted(os.listdir(more.parent)) == ["extra.yaml.rolled-back", "more.yaml"]


@pytest.mark.parametrize("broken", [b"", b"\xff\xfe\x00", b"providers: [", b"a: *x"])
def test_a_rollback_mends_whatever_the_file_has_become(
    daemon: FakeDaemon, ctl: Ctl, main: Path, broken: bytes
) -> None:
    main.write_bytes(broken)
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD)))

    done = ctl("config", "rollback", "6")

    assert done.returncode == 0
    assert main.read_text() == OLD


def test_what_was_moved_aside_before_is_not_lost(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    directory = main.parent / "providers.d"
    directory.mkdir()
    (directory / "extra.yaml").write_text("new")
    (directory / "extra.yaml.rolled-back").write_text("old")
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=NEW)))

    done = ctl("config", "rollback", "6", "--json")

    assert json.loads(done.stdout) == {
        "version": 6,
        "files": [
            {
                "file": str(directory / "extra.yaml"),
                "what": f"moved to {directory / 'extra.yaml.rolled-back.1'}",
            }
        ],
    }
    assert (directory / "extra.yaml.rolled-back").read_text() == "old"
    assert (directory / "extra.yaml.rolled-back.1").read_text() == "new"


def test_a_rollback_to_what_is_there_writes_nothing(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    main.write_bytes(b"\xef\xbb\xbf" + NEW.encode())
    before = main.stat().st_ino
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=NEW)))

    done = ctl("config", "rollback", "6")

    assert (done.returncode, done.stdout) == (0, "the files are those of version 6 already\n")
    assert done.stderr == ""
    assert main.stat().st_ino == before


def test_a_rollback_is_for_the_machine_that_has_the_directory(
    daemon: FakeDaemon, ctl: Ctl, main: Path
) -> None:
    main.unlink()
    main.parent.rmdir()
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=NEW)))

    done = ctl("config", "rollback", "6")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"gleitzeitctl: the directory {main.parent} is not on this machine (or may not be entered): "
        "run it where the daemon runs\n"
    )
    assert not main.parent.exists()


def test_a_rollback_brings_a_deleted_file_back(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    main.unlink()
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD)))

    done = ctl("config", "rollback", "6")

    assert done.returncode == 0
    assert done.stdout.startswith("--- providers.yaml (not there: on disk)\n")
    assert done.stdout.endswith(f"\n{main}: restored\n")
    assert main.read_text() == OLD
    assert main.stat().st_mode & 0o137 == 0


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(os.mkfifo, id="a FIFO"),
        pytest.param(os.mkdir, id="a directory"),
        pytest.param(lambda path: os.symlink("nowhere", path), id="a dangling link"),
        pytest.param(lambda path: path.write_bytes(b"#" * (8 * 2**20 + 1)), id="larger than may be"),
    ],
)
def test_what_is_no_readable_file_is_moved_aside(
    daemon: FakeDaemon, ctl: Ctl, main: Path, odd: Callable[[Path], object]
) -> None:
    main.unlink()
    odd(main)
    before = main.lstat()
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD)))

    done = ctl("config", "rollback", "6")

    aside = Path(f"{main}.rolled-back")
    assert done.returncode == 0
    assert done.stdout.startswith("--- providers.yaml (cannot be read: on disk)\n")
    assert done.stdout.endswith(f"\n{main}: restored; what was there is in {aside}\n")
    assert (main.read_text(), aside.lstat().st_ino) == (OLD, before.st_ino)
    assert main.stat().st_mode & 0o111 == 0


def test_an_edit_that_is_in_no_version_is_left_beside(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    aside = Path(f"{main}.rolled-back")
    aside.write_text("an earlier one")
    main.chmod(0o600)
    of_seven, of_six = reply(version(main, 7, main=MORE)), reply(version(main, 6, main=OLD))
    daemon.answers(reply(known(main, 7, 6)), of_six, of_seven, of_six)

    done = ctl("config", "rollback", "6", "--json")

    left = Path(f"{aside}.1")
    what = f"restored; what was there is in {left}"
    assert json.loads(done.stdout) == {"version": 6, "files": [{"file": str(main), "what": what}]}
    assert (main.read_text(), left.read_text(), aside.read_text()) == (OLD, NEW, "an earlier one")
    assert left.stat().st_mode & 0o777 == 0o600


def test_what_a_version_has_is_not_left_beside(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    main.write_bytes(b"\xef\xbb\xbf" + NEW.encode())
    of_seven, of_six = reply(version(main, 7, main=NEW)), reply(version(main, 6, main=OLD))
    daemon.answers(reply(known(main, 7, 6)), of_six, of_seven, of_six)

    done = ctl("config", "rollback", "6")

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{main}: restored")
    assert os.listdir(main.parent) == [main.name]
    assert main.read_text() == OLD


@pytest.mark.parametrize("words", [("history",), ("diff",), ("rollback", "6")])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_file_that_the_daemon_does_not_run_on_is_refused(
    daemon: FakeDaemon, ctl: Ctl, main: Path, words: tuple[str, ...], is_before: bool
) -> None:
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD)))
    named = ("--config-file", "other.yaml")
    line = (*named, *words) if is_before else (*words, *named)

    done = ctl("config", *line)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"gleitzeitctl: this daemon runs on {main}, not on other.yaml\n"
    assert main.read_text() == NEW


def test_the_file_that_the_daemon_runs_on_may_be_named(daemon: FakeDaemon, ctl: Ctl, main: Path) -> None:
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD)))

    done = ctl("config", "rollback", "6", "--config-file", "config/../config/providers.yaml")

    assert (done.returncode, main.read_text()) == (0, OLD)


@pytest.fixture
def alone(tmp_path: Path, main: Path) -> Ctl:
    """The command line where no daemon runs, but one did, and applied OLD and NEW."""
    history = History(tmp_path / "state/history", str(main))
    history.add({main.name: OLD}, "1 added", "f00")
    history.add({main.name: NEW}, "1 changed", "f01")
    return Ctl(str(tmp_path / "nobody.sock"))


def test_without_a_daemon_it_is_what_it_left_that_counts(alone: Ctl, main: Path, tmp_path: Path) -> None:
    left = {"STATE_DIRECTORY": f"{tmp_path / 'state'}:/nowhere"}
    main.write_text("providers: [")

    listed = alone("config", "history", env=left)
    compared = alone("config", "diff", "1", "2", "--config-file", "config/providers.yaml", env=left)
    done = alone("config", "rollback", "1", env=left)

    told = f"the daemon is not running: this is what it left about {main} in {tmp_path}/state/history\n"
    assert (listed.returncode, listed.stderr) == (0, told)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NUMBER", "2", "1"]
    assert (compared.returncode, compared.stderr) == (0, told)
    assert "+    command: sleep 2\n" in compared.stdout
    assert done.stderr == f"{told}it applies when the daemon is started anew\n"
    assert (done.returncode, main.read_text()) == (0, OLD)


def test_without_a_daemon_json_is_all_that_is_said(alone: Ctl, main: Path, tmp_path: Path) -> None:
    left = {"STATE_DIRECTORY": str(tmp_path / "state")}

    listed = alone("config", "history", "--json", env=left)
    done = alone("config", "diff", "2", "--json", env=left)

    assert (listed.stderr, done.stderr) == ("", "")
    assert json.loads(listed.stdout)["config"] == str(main)
    assert [(one["number"], one["current"]) for one in json.loads(listed.stdout)["versions"]] == [
        (2, False),
        (1, False),
    ]
    assert json.loads(done.stdout)["diff"] == []


def test_a_daemon_that_may_not_be_asked_is_not_one_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(client: Client, target: str) -> None:
        raise Complaint("may not use the daemon", 8, "forbidden")

    monkeypatch.setattr(Client, "get", refuse)

    with pytest.raises(Complaint, match="may not use the daemon"):
        kept(Session(), None)


@pytest.mark.parametrize(
    "name", ["../p.yaml", "/p.yaml", "providers.d/../../p.yaml", "sub/p.yaml", "p.yaml", "", "providers.d/"]
)
def test_a_rollback_writes_nowhere_else(daemon: FakeDaemon, ctl: Ctl, main: Path, name: str) -> None:
    daemon.answers(reply(known(main, 6)), reply(version(main, 6, main=OLD) | {"files": {name: MORE}}))

    done = ctl("config", "rollback", "6")

    assert done.returncode == 1
    assert done.stderr == f"gleitzeitctl: {name}: is no file of {main}: it cannot be written back\n"
    assert main.read_text() == NEW
    assert not list(main.parent.parent.rglob("p.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "is_changed"),
    [
        pytest.param("api_key: sk-1", 'api_key: "sk-2"', True, id="scalars"),
        pytest.param("api_key: [sk-1]\n", "api_key: [sk-1,sk-2]", True, id="lists"),
        pytest.param("apiKey: |\n      sk-1", "apiKey: |\n      sk-2", True, id="blocks"),
        pytest.param("command: p --token sk-1", "command: p --token sk-2", True, id="a command"),
        pytest.param("command: [p, --key, sk-1]", "command: [p, --key, sk-2]", True, id="words"),
        pytest.param("x: 1 # api_key: sk-1", "x: 2 # api_key: sk-2", False, id="comments"),
        pytest.param("# secret=sk-1", "# secret=sk-2", False, id="a comment that changed"),
        pytest.param("env:\n      - TOKEN=sk-1", "env: TOKEN=sk-2", False, id="variables"),
        pytest.param("key: sk-1\n    x: 1\n    y: 2", "x: 1\n    y: 2\n    key: sk-1", False, id="moved"),
        pytest.param("x: sk-1", "api_key: sk-2", False, id="a name that is new"),
        pytest.param("x: &a sk-2\n    api_key: *a", "z: &a sk-2\n    api_key: *a", False, id="an alias"),
    ],
)
def test_no_way_to_write_a_secret_shows_it(
    daemon: FakeDaemon, ctl: Ctl, main: Path, old: str, new: str, is_changed: bool
) -> None:
    head = "providers:\n  a:\n    "
    main.write_text(f"{head}{new}\n")
    daemon.answers(reply(known(main, 7)), reply(version(main, 7, main=f"{head}{old}\n")))

    done = ctl("config", "diff")

    assert done.returncode == 0
    assert "sk-2" not in done.stdout
    assert done.stdout.count("(changed)") == is_changed
    assert "********" in done.stdout


@pytest.mark.parametrize(
    "broken",
    [
        "providers:\n  a:\n    api_key: sk-2\n    [",
        "providers:\n  a: {b: [, 'x_token' : sk-2}\n",
        "a:\n  password: |\n    sk-2\n\n    sk-2\n  b: [\n",
        "a:\n  secrets:\n    x: sk-2\n  \tb",
    ],
)
def test_a_half_written_file_shows_no_secret_either(
    daemon: FakeDaemon, ctl: Ctl, main: Path, broken: str
) -> None:
    main.write_text(broken)
    daemon.answers(reply(known(main, 7)), reply(version(main, 7, main=NEW)))

    done = ctl("config", "diff")

    assert done.returncode == 0
    assert "sk-" not in done.stdout
    assert "********" in done.stdout


def test_a_half_written_file_differs_in_nothing_but_what_was_written(
    daemon: FakeDaemon, ctl: Ctl, main: Path
) -> None:
    main.write_text(NEW + "  b: [")
    daemon.answers(reply(known(main, 7)), reply(version(main, 7, main=NEW)))

    changes = [line for line in ctl("config", "diff").stdout.splitlines()[3:] if line[0] in "+-"]

    assert changes == ["-", "+  b: ["]


@pytest.mark.parametrize(
    ("old", "new", "mark", "rest"),
    [
        ("key: sk-1 # token=sk-1", "key: sk-1 # token=sk-2", "comment changed", ""),
        ("key: sk-1 # token=sk-1", "key: sk-2 # token=sk-1", "changed", ""),
        ("key: sk-1 # token=sk-1", "key: sk-2 # token=sk-2", "changed", ""),
        ("key: sk-1 # one", "key: sk-1 # two", "comment changed", "  b: ["),
        ("key: sk-1 # one", "key: sk-2 # one", "changed", "  b: ["),
    ],
)
def test_a_comment_behind_a_secret_is_not_taken_for_it(
    daemon: FakeDaemon, ctl: Ctl, main: Path, old: str, new: str, mark: str, rest: str
) -> None:
    head = "providers:\n  a:\n    "
    main.write_text(f"{head}{new}\n{rest}")
    daemon.answers(reply(known(main, 7)), reply(version(main, 7, main=f"{head}{old}\n{rest}")))

    done = ctl("config", "diff")

    assert f"\n+    key: ******** # ********  ({mark})\n" in done.stdout


@pytest.mark.parametrize(("env", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_diff_is_coloured_on_a_terminal(
    daemon: FakeDaemon, ctl: Ctl, main: Path, env: dict[str, str], is_coloured: bool
) -> None:
    daemon.answers(reply(known(main, 7)), reply(version(main, 7, main=OLD)))
    terminal, seen = os.openpty()

    with ctl.started("config", "diff", env=env, stdout=seen) as process:
        process.wait(30)
    os.close(seen)
    with open(terminal, "rb") as stream:
        shown = stream.read1(65536)

    assert (b"\x1b[31m-    command: sleep 1\x1b[0m\r\n" in shown) == is_coloured
    assert b"+    command: sleep 2" in shown
    assert b"\r\n+++ providers.yaml (on disk)\r\n" in shown
