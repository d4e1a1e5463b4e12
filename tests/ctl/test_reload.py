"""`reload` against a fake daemon: what it asks, what it says of a plan and of its results, how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, refusal, reply

CONFIG = "/etc/gleitzeit/providers.yaml"
PROBLEM = f"{CONFIG}:3:5: providers.a.nice: must be at most 19"


def step(name: str, action: str, *keys: str, update: str | None = None, mistakes: Any = ()) -> dict[str, Any]:
    return {"name": name, "action": action, "keys": keys, "update": update, "mistakes": mistakes}


def plan(*steps: dict[str, Any], live: Any = (), later: Any = ()) -> dict[str, Any]:
    return {"providers": steps, "global": live, "after_daemon_restart": later}


def result(name: str, *, done: bool = True, reason: str = "", undone: bool = False) -> dict[str, Any]:
    ok = done and not reason
    return {"name": name, "action": "restart", "done": done, "ok": ok, "undone": undone, "reason": reason}


def reloaded(plan: Any, *results: Any, problems: Any = (), refused: bool = False) -> dict[str, Any]:
    return {
        "config": CONFIG,
        "changed": plan is not None,
        "refused": refused,
        "problems": problems,
        "plan": plan,
        "results": results,
    }


CHANGES = plan(
    step("b", "added"),
    step("calculator", "restart", "config.model", "env.KEY", update="start-first"),
    step("db", "restart", "command", update="stop-first"),
    step("echo", "update in place", "description"),
    step("quiet", "unchanged"),
    step("silent", "unchanged"),
    step("old", "removed", "enabled"),
)


def test_a_reload_asks_once_and_shows_what_became_of_each(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(CHANGES, result("b"), result("calculator"), result("db"))))

    done = ctl("reload")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "NAME        ACTION                 BECAUSE OF",
        "b           added",
        "calculator  restart (start-first)  config.model env.KEY",
        "db          restart (stop-first)   command",
        "echo        update in place        description",
        "old         removed                enabled",
        "2 unchanged",
    ]
    body = {"dry_run": False, "wait": True, "timeout": 60}
    assert daemon.requests == [Request("POST", "/v1/reload", body)]


def test_a_dry_run_is_asked_for_as_such_and_shows_the_same_plan(daemon: FakeDaemon, ctl: Ctl) -> None:
    """Seen to fail with a flag that was not sent."""
    daemon.answers(reply(reloaded(CHANGES)))

    done = ctl("reload", "--dry-run", "--timeout", "9.5")

    assert (done.returncode, done.stderr) == (0, "")
    assert "calculator  restart (start-first)  config.model env.KEY" in done.stdout
    body = {"dry_run": True, "wait": True, "timeout": 9.5}
    assert daemon.requests == [Request("POST", "/v1/reload", body)]


def test_what_is_as_it_was_is_said_in_one_line(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(None)))

    done = ctl("reload")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing changed: the file is as it was taken over\n"


def test_what_changes_for_nobody_has_no_table(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(plan(step("a", "unchanged"), step("b", "unchanged")))))

    done = ctl("reload")

    assert (done.returncode, done.stdout, done.stderr) == (0, "2 unchanged\n", "")


@pytest.mark.parametrize(("args", "applies"), [([], "applies"), (["--dry-run"], "would apply")])
def test_keys_of_global_say_when_they_apply(
    daemon: FakeDaemon, ctl: Ctl, args: list[str], applies: str
) -> None:
    found = plan(step("a", "unchanged"), live=["parallel_starts"], later=["default_server_url"])
    daemon.answers(reply(reloaded(found)))

    assert ctl("reload", *args).stdout.splitlines() == [
        "1 unchanged",
        f"global.parallel_starts: {applies} at once",
        "global.default_server_url: needs a restart of the daemon",
    ]


@pytest.mark.parametrize("args", [[], ["--dry-run"]])
def test_a_file_that_is_refused_is_told_with_every_problem(
    daemon: FakeDaemon, ctl: Ctl, args: list[str]
) -> None:
    other = f"{CONFIG}:9:1: providers: b stands here twice"
    daemon.answers(reply(reloaded(None, problems=[PROBLEM, other], refused=True)))

    done = ctl("reload", *args)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        PROBLEM,
        other,
        f"{CONFIG} is refused, and nothing was changed: mend it, or go back: "
        'see "gleitzeitctl config diff" and "gleitzeitctl config history"',
    ]


def test_a_provider_that_is_kept_as_it_was_is_shown_and_told_why(daemon: FakeDaemon, ctl: Ctl) -> None:
    mistake = f"{CONFIG}:4:9: providers.a.env.KEY: KEY is not set"
    found = plan(step("a", "kept", mistakes=[mistake]), step("b", "unchanged"))
    daemon.answers(reply(reloaded(found, problems=[mistake])))

    done = ctl("reload")

    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == mistake
    assert "refused" not in done.stderr
    assert done.stdout.splitlines()[1:] == [
        "a     kept    it cannot be started as it is wanted",
        "1 unchanged",
    ]


def test_a_change_that_failed_tells_why_and_what_runs_now(daemon: FakeDaemon, ctl: Ctl) -> None:
    found = plan(step("a", "restart", "command", update="start-first"), step("b", "added"))
    bad = result("a", reason="exited with 1: no key", undone=True)
    worse = result("b", reason="did not register within 10 s")
    daemon.answers(reply(reloaded(found, bad, worse)))

    done = ctl("reload")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'gleitzeitctl: could not change "a": exited with 1: no key: its old settings are kept',
        'gleitzeitctl: could not change "b": did not register within 10 s: see "gleitzeitctl why b"',
    ]


def test_what_is_not_done_in_time_ends_as_a_timeout(daemon: FakeDaemon, ctl: Ctl) -> None:
    found = plan(step("a", "restart", "command", update="start-first"), step("b", "added"))
    daemon.answers(reply(reloaded(found, result("a", done=False), result("b"))))

    done = ctl("reload", "--timeout", "0.5")

    assert done.returncode == 7
    assert done.stderr == 'gleitzeitctl: "a" is still being changed: see "gleitzeitctl status a"\n'


def test_a_failure_counts_more_than_what_is_late(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(CHANGES, result("db", done=False), result("calculator", reason="no key"))))

    done = ctl("reload")

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)


def test_what_is_still_under_way_is_waited_for_though_nothing_changed(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(None, result("a", reason="no key", undone=True))))

    done = ctl("reload")

    assert done.returncode == 1
    assert 'could not change "a": no key: its old settings are kept' in done.stderr


def test_without_waiting_what_is_under_way_is_no_failure(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(CHANGES, result("calculator", done=False))))

    done = ctl("reload", "--no-wait")

    assert (done.returncode, done.stderr) == (0, "")
    body = {"dry_run": False, "wait": False, "timeout": 60}
    assert daemon.requests == [Request("POST", "/v1/reload", body)]


@pytest.mark.parametrize(
    ("answer", "exit"),
    [
        (reloaded(CHANGES, result("calculator")), 0),
        (reloaded(None, problems=[PROBLEM], refused=True), 2),
        (reloaded(CHANGES, result("calculator", reason="no key")), 1),
        (reloaded(CHANGES, result("calculator", done=False)), 7),
    ],
    ids=["well", "refused", "failed", "late"],
)
def test_json_is_the_answer_and_ends_alike(daemon: FakeDaemon, ctl: Ctl, answer: Any, exit: int) -> None:
    daemon.answers(reply(answer))

    done = ctl("reload", "--json")

    assert (done.returncode, done.stderr) == (exit, "")
    assert json.loads(done.stdout) == json.loads(json.dumps(answer))


@pytest.mark.parametrize(
    ("code", "http", "exit"), [("forbidden", 403, 8), ("no_instance", 503, 5), ("internal", 500, 1)]
)
def test_a_daemon_that_says_no_is_quoted(
    daemon: FakeDaemon, ctl: Ctl, code: str, http: int, exit: int
) -> None:
    daemon.answers(refusal(code, "it said no", http))

    done = ctl("reload")

    assert (done.returncode, done.stdout, done.stderr) == (exit, "", "gleitzeitctl: it said no\n")


def test_without_a_daemon_there_is_nothing_to_reload(ctl: Ctl) -> None:
    done = ctl("reload", "--socket", "/nowhere/d.sock")

    assert (done.returncode, done.stdout) == (3, "")
    assert "no daemon at /nowhere/d.sock" in done.stderr


def test_a_time_that_is_none_is_refused_before_anybody_is_asked(daemon: FakeDaemon, ctl: Ctl) -> None:
    done = ctl("reload", "--timeout", "-1")

    assert (done.returncode, done.stdout, daemon.requests) == (2, "", [])


def test_names_that_are_not_ours_cannot_steer_the_terminal(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(reloaded(CHANGES, result("db", reason="bad\x1b[2J\nnews"), problems=["x\x1b[2J"])))

    done = ctl("reload")

    assert "\x1b" not in done.stdout + done.stderr
