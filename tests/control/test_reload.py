"""Reloads, rolling restarts and the configs that were applied before, as docs/control-api.md says.

What changes here are secrets: nobody watches them, so that only the request takes them over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.config.history import History
from gleitzeitd.control.config import ConfigRoutes
from gleitzeitd.control.peers import Role
from gleitzeitd.control.reload import Reload
from gleitzeitd.processes.supervisor import Supervisor
from tests.control.asking import Answer, ask, connected, documented
from tests.control.conftest import PROBE, SLEEPER
from tests.house import House, eventually, house

SECRETS = {"words": "old words", "env": "old", "script": "exec sleep 1000"}
AT_ONCE = {**SLEEPER, "start_seconds": 0.05}
PROVIDERS = {
    "steady": AT_ONCE,
    "told": {**AT_ONCE, "description": "${file:words}"},
    "renewed": {**AT_ONCE, "env": {"VALUE": "${file:env}"}},
    "scripted": {"command": ["sh", "-c", "${file:script}"], "start_seconds": 0.5},
}
NO_CHANGE: dict[str, object] = {
    "name": "steady",
    "action": "unchanged",
    "keys": [],
    "update": None,
    "mistakes": [],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("reloaded"), PROVIDERS, SECRETS) as h:
        yield h
        assert "Traceback" not in h.said()


@pytest.fixture
def daemon(shared: House) -> House:
    """The one daemon of this module, with all that the test before has changed as it was."""
    write(shared, **SECRETS)
    reload(shared)
    for name in PROVIDERS:
        shared.until(name, "RUNNING")
    return shared


def reload(h: House, **body: object) -> Any:
    answer = ask(str(h.socket), "POST", "/v1/reload", body)
    assert answer.status == 200
    told = answer.json
    assert set(told) == documented(r"`\{(config, changed.*?)\}`")
    if told["plan"]:
        assert set(told["plan"]) == documented(r"`Plan` is `\{(.*?)\}`")
        assert all(set(step) == documented(r"last: `\{(.*?)\}`") for step in told["plan"]["providers"])
    assert all(set(result) == documented(r"`Result` is `\{(.*?)\}`") for result in told["results"])
    assert answer.json["config"] == str(h.config)
    return answer.json


def pids(h: House) -> dict[str, int]:
    return {name: h.view(name)["pid"] for name in PROVIDERS}


def write(h: House, **secrets: str) -> None:
    for name, text in secrets.items():
        (h.root / name).write_text(text)


def actions(answer: Any) -> dict[str, tuple[str, list[str]]]:
    return {step["name"]: (step["action"], step["keys"]) for step in answer["plan"]["providers"]}


def test_the_file_as_it_was_taken_over_is_nothing_to_do(daemon: House) -> None:
    before = pids(daemon)

    assert reload(daemon) == {
        "config": str(daemon.config),
        "changed": False,
        "refused": False,
        "problems": [],
        "plan": None,
        "results": [],
    }
    assert pids(daemon) == before


def test_a_dry_run_shows_the_whole_plan_and_does_nothing(daemon: House) -> None:
    """Seen to fail with a dry run that remembers what it read."""
    before = pids(daemon)
    write(daemon, words="new words", env="new")

    answer = reload(daemon, dry_run=True)

    assert (answer["changed"], answer["results"]) == (True, [])
    assert answer["plan"] == {
        "providers": [
            NO_CHANGE,
            {**NO_CHANGE, "name": "told", "action": "update in place", "keys": ["description"]},
            {
                **NO_CHANGE,
                "name": "renewed",
                "action": "restart",
                "keys": ["env.VALUE"],
                "update": "stop-first",
            },
            {**NO_CHANGE, "name": "scripted"},
        ],
        "global": [],
        "after_daemon_restart": [],
    }
    assert reload(daemon, dry_run=True) == answer
    assert pids(daemon) == before


def test_a_reload_carries_out_its_plan_and_waits_for_it(daemon: House) -> None:
    before = pids(daemon)
    write(daemon, words="new words", env="new")

    answer = reload(daemon)

    result = {"done": True, "ok": True, "undone": False, "reason": "", "evidence": []}
    assert answer["results"] == [
        {"name": "told", "action": "update in place", **result},
        {"name": "renewed", "action": "restart", **result},
    ]
    after = pids(daemon)
    assert {name for name in PROVIDERS if before[name] != after[name]} == {"renewed"}
    assert b"VALUE=new" in Path(f"/proc/{after['renewed']}/environ").read_bytes().split(b"\0")
    listed = ask(str(daemon.socket), "GET", "/v1/providers").json["providers"]
    assert {one["name"]: one["description"] for one in listed}["told"] == "new words"


def test_without_waiting_a_reload_says_what_is_under_way(daemon: House) -> None:
    write(daemon, script="exec sleep 1001")
    before = pids(daemon)

    (result,) = reload(daemon, wait=False)["results"]

    assert (result["name"], result["done"], result["ok"]) == ("scripted", False, False)
    assert re.fullmatch(r"generation \d+ is STARTING", result["reason"])
    eventually(lambda: pids(daemon)["scripted"] not in (None, before["scripted"]))


def test_no_time_at_all_is_a_deadline_as_well(daemon: House) -> None:
    write(daemon, script="exec sleep 1001")

    assert [result["done"] for result in reload(daemon, timeout=0)["results"]] == [False]


def test_what_is_asked_again_meanwhile_is_the_reload_that_is_under_way(daemon: House) -> None:
    write(daemon, script="exec sleep 1001")
    first = reload(daemon, wait=False)["results"]

    again = reload(daemon)

    assert [result["done"] for result in first] == [False]
    assert again["plan"] is None
    assert [(result["name"], result["done"]) for result in again["results"]] == [("scripted", True)]


def test_what_is_under_way_is_waited_for_also_when_there_is_more_to_do(tmp_path: Path) -> None:
    """A failure of another provider is tried again by each reload: what that comes to is not all of it."""
    gate = tmp_path / "gate"
    gate.touch()
    held = {"ready": {"kind": "exec", "command": ["test", "-e", str(gate)], "interval": 0.05}}
    providers = {
        "fails": {**AT_ONCE, "command": ["sh", "-c", "${file:fails}"]},
        "held": {"command": ["sh", "-c", "${file:held}"], **held},
    }
    sleeps = {"fails": "exec sleep 1000", "held": "exec sleep 1000"}
    with house(tmp_path, providers, sleeps) as h:
        h.until("fails", "RUNNING")
        h.until("held", "RUNNING")
        gate.unlink()
        write(h, fails="exit 3", held="exec sleep 1001")
        assert [result["name"] for result in reload(h, wait=False)["results"]] == ["fails", "held"]
        eventually(lambda: h.client.get("/v1/status")["daemon"]["changing"] == ["held"])

        again = reload(h, wait=False)["results"]
        assert [(result["name"], result["done"]) for result in again] == [("fails", False), ("held", False)]
        gate.touch()
        results = {result["name"]: result["ok"] for result in reload(h)["results"]}
        assert results == {"fails": False, "held": True}


def test_a_change_that_fails_is_undone_and_shown_until_a_reload_mends_it(daemon: House) -> None:
    """Seen to fail with a failure that the next reload does not try again."""
    write(daemon, script="echo no such thing >&2; exit 3")

    (result,) = reload(daemon)["results"]

    reason = "exited with 3: no such thing"
    assert {**result, "reason": ""} == {
        "name": "scripted",
        "action": "restart",
        "done": True,
        "ok": False,
        "undone": True,
        "reason": "",
        "evidence": ["no such thing"],
    }
    assert reason in result["reason"]
    status = ask(str(daemon.socket), "GET", "/v1/status").json["daemon"]
    assert [failure["name"] for failure in status["failures"]] == ["scripted"]
    assert reason in status["failures"][0]["reason"]
    assert status["problems"] == []
    daemon.until("scripted", "RUNNING")
    write(daemon, script="exec sleep 1001")
    assert [result["ok"] for result in reload(daemon)["results"]] == [True]
    assert ask(str(daemon.socket), "GET", "/v1/status").json["daemon"]["failures"] == []


def test_a_provider_that_cannot_be_started_as_it_is_wanted_is_kept_with_its_mistakes(daemon: House) -> None:
    before = pids(daemon)
    (daemon.root / "env").unlink()

    dry, answer = reload(daemon, dry_run=True), reload(daemon)

    assert (dry["problems"], dry["plan"]) == (answer["problems"], answer["plan"])
    assert not answer["refused"]
    assert actions(answer)["renewed"] == ("kept", [])
    (step,) = [step for step in answer["plan"]["providers"] if step["mistakes"]]
    assert step["mistakes"] == answer["problems"]
    assert "the secret cannot be read" in step["mistakes"][0]
    assert (answer["changed"], answer["results"]) == (False, [])
    assert ask(str(daemon.socket), "GET", "/v1/status").json["daemon"]["problems"] == answer["problems"]
    assert pids(daemon) == before


def test_a_file_that_is_refused_changes_nothing_and_every_problem_is_told(daemon: House) -> None:
    before, text = pids(daemon), daemon.config.read_text()
    daemon.config.write_text("providers:\n  a: {command: x, instnces: 2, nice: 99}\n")
    try:
        for dry in (True, False):
            answer = reload(daemon, dry_run=dry)
            assert (answer["plan"], answer["changed"], answer["results"]) == (None, False, [])
            assert answer["refused"]
            assert [problem.split(":")[:2] for problem in answer["problems"]] == [
                [str(daemon.config), "2"]
            ] * 2
    finally:
        daemon.config.write_text(text)
    assert pids(daemon) == before
    eventually(lambda: not ask(str(daemon.socket), "GET", "/v1/status").json["daemon"]["problems"])


def test_a_daemon_that_stops_takes_over_nothing_any_more(tmp_path: Path) -> None:
    stubborn = {"command": ["sh", "-c", 'trap "" TERM; echo up; while :; do sleep 1000; done']}
    with house(tmp_path, {"stubborn": {**stubborn, "stop": {"timeout": "1h"}}, **PROVIDERS}, SECRETS) as h:
        path = str(h.socket)
        eventually(lambda: ask(path, "GET", "/v1/logs?name=stubborn").lines, "its trap is laid")
        ask(path, "POST", "/v1/shutdown")
        eventually(lambda: ask(path, "GET", "/readyz").body == b"stopping\n")
        write(h, env="new")
        roll = {"names": ["all"], "rolling": True}
        for target, body in (("/v1/reload", {}), ("/v1/restart", roll)):
            answer = ask(path, "POST", target, body)
            assert answer.error("no_instance") == "the daemon is stopping"
        assert h.stop() == 0
        assert "Traceback" not in h.said()


# A rolling restart.

CLASSES = {"probe": {"class": "probe.Probe", "instances": 2}, "sleeper": SLEEPER, "off": SLEEPER}


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("rolled"), CLASSES, {"probe.py": PROBE}) as h:
        for name in ("probe#1", "probe#2", "sleeper", "off"):
            h.until(name, "RUNNING")
        yield h
        assert "Traceback" not in h.said()


def roll(h: House, *names: str, **body: object) -> Answer:
    return ask(str(h.socket), "POST", "/v1/restart", {"names": names, "rolling": True, **body})


def test_a_rolling_restart_has_a_result_for_each_instance_with_its_new_life(rolled: House) -> None:
    names = ("probe#1", "probe#2", "sleeper")
    before = {name: rolled.view(name) for name in names}

    results = roll(rolled, "probe", "sleeper").json["results"]

    assert [result["name"] for result in results] == list(names)
    for result in results:
        name = result["name"]
        assert (set(result), result["ok"], result["state"]) == (
            {"name", "ok", "state", "pid", "reason"},
            True,
            "RUNNING",
        )
        assert result["pid"] not in (None, before[name]["pid"])
        assert rolled.view(name)["generation"] > before[name]["generation"]


def test_who_leaves_is_shown_beside_the_one_that_leads(rolled: House) -> None:
    was = rolled.until("probe#1", "RUNNING")
    with connected(str(rolled.socket)) as caller:
        body = b'{"method": "wait"}'
        head = f"POST /v1/providers/probe%231/invoke HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}"
        caller.sendall(head.encode() + b"\r\n\r\n" + body)
        eventually(lambda: rolled.view("probe#1")["in_flight"] == 1)
        roll(rolled, "probe")
        view = rolled.view("probe#1")
    (beside,) = view["beside"]
    assert set(beside) == documented(r"each as `\{(.*?)\}`")
    assert (beside["role"], beside["state"], beside["in_flight"]) == ("leaving", "STOPPING", 1)
    assert (beside["pid"], beside["generation"]) == (was["pid"], was["generation"])
    assert beside["reason"] == "another life has taken its place"
    assert view["in_flight"] == 0
    # Its caller has left, and so may it.
    eventually(lambda: rolled.view("probe#1")["beside"] == [])


def test_a_rolling_restart_starts_what_is_down(rolled: House) -> None:
    rolled.client.post("/v1/stop", {"names": ["off"]}, 60)

    (result,) = roll(rolled, "off").json["results"]

    assert (result["name"], result["ok"], result["state"]) == ("off", True, "RUNNING")


def test_a_rolling_restart_of_one_instance_is_one_of_its_provider(rolled: House) -> None:
    names = ("probe#1", "probe#2")
    before = {name: rolled.view(name)["generation"] for name in names}

    results = roll(rolled, "probe#1").json["results"]

    assert [(result["name"], result["ok"]) for result in results] == [(name, True) for name in names]
    assert all(rolled.view(name)["generation"] > before[name] for name in names)


def test_a_rolling_restart_starts_the_one_of_several_that_is_down(rolled: House) -> None:
    """Seen to fail: it was called well and left STOPPED."""
    rolled.client.post("/v1/stop", {"names": ["probe#2"]}, 60)

    results = roll(rolled, "probe").json["results"]

    assert sorted((result["name"], result["ok"], result["state"]) for result in results) == [
        ("probe#1", True, "RUNNING"),
        ("probe#2", True, "RUNNING"),
    ]


def test_a_rolling_restart_that_is_not_done_in_time_says_so(rolled: House) -> None:
    results = roll(rolled, "probe", timeout=0).json["results"]

    assert {(result["ok"], result.get("code")) for result in results} == {(False, "deadline_exceeded")}
    eventually(lambda: all(not rolled.view(name)["beside"] for name in ("probe#1", "probe#2")))


def test_without_waiting_a_rolling_restart_is_a_wish(rolled: House) -> None:
    generation = rolled.view("sleeper")["generation"]

    (result,) = roll(rolled, "sleeper", wait=False).json["results"]

    assert result["ok"]
    eventually(lambda: rolled.view("sleeper")["generation"] > generation)
    rolled.until("sleeper", "RUNNING")


@pytest.mark.parametrize("names", [["nobody"], ["sleeper", "nobody"]])
def test_nothing_is_rolled_when_a_name_is_unknown(rolled: House, names: list[str]) -> None:
    before = rolled.view("sleeper")["pid"]

    assert 'no provider "nobody"' in roll(rolled, *names).error("not_found.provider")
    assert rolled.view("sleeper")["pid"] == before


@pytest.mark.parametrize("rolling", ["yes", 1, None])
def test_rolling_is_true_or_false(rolled: House, rolling: object) -> None:
    before = rolled.view("sleeper")["pid"]
    answer = ask(str(rolled.socket), "POST", "/v1/restart", {"names": ["sleeper"], "rolling": rolling})

    assert answer.error("invalid_request") == "`rolling` must be true or false"
    assert rolled.view("sleeper")["pid"] == before


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is not JSON: "),
        (b"[]", "the body must be a JSON object"),
        ({"timeout": -1}, "`timeout` must be seconds, at most a day"),
        ({"timeout": "60"}, "`timeout` must be seconds, at most a day"),
        ({"timeout": True}, "`timeout` must be seconds, at most a day"),
        ({"dry_run": "yes"}, "`dry_run` must be true or false"),
        ({"dry_run": 1}, "`dry_run` must be true or false"),
        ({"dry_run": None}, "`dry_run` must be true or false"),
    ],
    ids=str,
)
def test_a_reload_that_cannot_be_read_is_refused(rolled: House, body: object, sentence: str) -> None:
    answer = ask(str(rolled.socket), "POST", "/v1/reload", body)

    assert answer.error("invalid_request").startswith(sentence)


# What was applied before.


def versions(h: House) -> list[Any]:
    answer = ask(str(h.socket), "GET", "/v1/config/history").json
    assert set(answer) == {"config", "versions", "but_for"}
    assert answer["config"] == str(h.config)
    return cast(list[Any], answer["versions"])


def test_the_history_has_each_config_that_was_applied_the_newest_first(daemon: House) -> None:
    write(daemon, env="new")
    reload(daemon)

    found = versions(daemon)

    newest = found[0]["number"]
    assert all(set(version) == {"number", "time", "summary", "current"} for version in found)
    assert [version["number"] for version in found] == list(range(newest, newest - len(found), -1))
    assert [version["current"] for version in found] == [True] + [False] * (len(found) - 1)
    assert len(found) > 1
    assert found[0]["summary"] == "restart: renewed"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", version["time"]) for version in found)


def test_the_first_of_a_history_is_what_the_daemon_started_with(rolled: House) -> None:
    (version,) = versions(rolled)

    assert (version["number"], version["current"], version["summary"]) == (1, True, "the daemon started")


def test_a_dry_run_and_a_file_that_is_refused_are_no_history(daemon: House) -> None:
    before = versions(daemon)
    write(daemon, env="new")
    reload(daemon, dry_run=True)
    text = daemon.config.read_text()
    daemon.config.write_text("providers: [")
    reload(daemon)
    kept = versions(daemon)
    daemon.config.write_text(text)

    assert kept == before


def test_a_version_has_its_files_as_they_were_and_no_secret_of_others(daemon: House) -> None:
    newest = versions(daemon)[0]["number"]
    answer = ask(str(daemon.socket), "GET", f"/v1/config/history/{newest}").json

    assert set(answer) == {"number", "time", "config", "files"}
    assert (answer["number"], answer["config"]) == (newest, str(daemon.config))
    assert answer["files"] == {"providers.yaml": daemon.config.read_text()}


@pytest.mark.parametrize(
    ("number", "named"),
    [
        ("2", "'2'"),
        ("0", "'0'"),
        ("-1", "'-1'"),
        ("x", "'x'"),
        ("1.0", "'1.0'"),
        ("%D9%A1", "'\u0661'"),
        ("9" * 5000, f"'{'9' * 40}'"),
        ("%00%0a", r"'\x00\n'"),
        ("..%2f1", "'../1'"),
    ],
    ids=lambda value: value[:12],
)
def test_a_version_that_is_not_there_is_refused(rolled: House, number: str, named: str) -> None:
    sentence = ask(str(rolled.socket), "GET", f"/v1/config/history/{number}").error("invalid_request")

    assert sentence == f'there is no version {named}: see "gleitzeitctl config history"'


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "number", "allowed"),
    [
        ("/v1/config/history", "", [Role.OBSERVER, Role.OPERATOR, Role.OWNER]),
        ("/v1/config/history/{number}", "1", [Role.OWNER]),
    ],
)
async def test_the_texts_of_the_files_are_for_the_owner_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    number: str,
    allowed: list[Role],
) -> None:
    """A config may hold secrets. Seen to fail with every operator allowed."""
    history = History(tmp_path, "p.yaml")
    history.add({"p.yaml": "providers: {}"}, "the daemon started", "")
    reload = SimpleNamespace(
        history=history, house=SimpleNamespace(path="p.yaml", saved_mark=b""), kept=(), failures={}
    )
    routes = ConfigRoutes(cast(Reload, reload), cast(Supervisor, None), lambda: None).routes()
    handlers = {route.path: route.handler for route in routes}
    for role in Role:
        monkeypatch.setattr("gleitzeitd.control.peers.role_of", lambda _, role=role: role)
        request = make_mocked_request("GET", path, match_info={"number": number})
        handler = cast(Any, handlers[path])
        if role in allowed:
            assert cast(web.Response, await handler(request)).status == 200
            continue
        with pytest.raises(CallError, match=f"GET {re.escape(path)} is for ") as refusal:
            await handler(request)
        assert refusal.value.code == "forbidden"
