"""Tokens as their users see them: made at the command line, shown from elsewhere, and gone when revoked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import PATIENCE, House, eventually, house

SLOW = """
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Slow(SocketIOProviderClient):
    def __init__(self, **options):
        super().__init__(**options, models=["m1", "m2"], capabilities=["slowness"])

    async def twice(self, n):
        return 2 * n

    async def wait(self):
        print("waits", flush=True)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            print("was cancelled", flush=True)
            raise
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    providers = {"slow": {"class": "slow.Slow", "routing": {"aliases": {"swift": "m1"}}}}
    with house(tmp_path_factory.mktemp("tokens"), providers, {"slow.py": SLOW}) as h:
        h.until("slow", "RUNNING")
        yield h


def hub(h: House) -> str:
    return str(h.client.get("/v1/status")["daemon"]["hub"][0])


def made(h: House, name: str, *words: str) -> str:
    """The token that the command prints, alone."""
    answer = h.ctl("token", "create", name, *words)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("gz_")
    return answer.stdout.removesuffix("\n")


def curl(token: str, url: str, body: object = None, *, method: str = "") -> tuple[int, Any]:
    """The status and the JSON of an answer over TCP, as any program would ask."""
    data = [] if body is None else ["-d", json.dumps(body)]
    asked = ["curl", "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token}", *data]
    asked += ["-X", method] if method else []
    answer = subprocess.run([*asked, url], capture_output=True, text=True, check=True, timeout=PATIENCE)
    text, _, status = answer.stdout.rpartition("\n")
    return int(status), json.loads(text)


def test_a_token_made_at_the_command_line_opens_the_api_over_tcp(daemon: House) -> None:
    url = hub(daemon)
    token = made(
        daemon, "ci", "--scope", "invoke:slow", "--scope", "observe", "--expires", "30d", "--rate", "9"
    )

    call = {"provider": "slow", "method": "twice", "args": {"n": 4}}
    assert curl(token, f"{url}/v1/invoke", call) == (200, {"result": 8})
    status, seen = curl(token, f"{url}/v1/status")
    assert (status, seen["instances"][0]["name"]) == (200, "slow")
    status, refused = curl(token, f"{url}/v1/stop", {"names": ["slow"]})
    assert (status, refused["error"]["code"]) == (403, "forbidden")
    status, refused = curl(token, f"{url}/v1/tokens")
    assert (status, refused["error"]["code"]) == (403, "forbidden")

    listed = daemon.ctl("token", "list").stdout
    assert "ci" in listed
    assert "invoke:slow observe" in listed
    assert "9/s" in listed
    (view,) = json.loads(daemon.ctl("token", "list", "--json").stdout)["tokens"]
    assert view["expires"] - view["created"] == pytest.approx(30 * 86400)
    assert view["used"] >= view["created"]
    (kept,) = (daemon.root / "state" / "tokens").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    for place in (kept.read_text(), daemon.said(), listed):
        assert token[3:] not in place

    assert daemon.ctl("token", "revoke", "ci").returncode == 0
    assert curl(token, f"{url}/v1/status")[0] == 401
    assert daemon.ctl("token", "list", "--json").stdout.split() == ['{"tokens":', "[]}"]


def test_the_local_token_operates_over_tcp_and_does_not_own(daemon: House) -> None:
    token = (daemon.socket.parent / "token").read_text().strip()
    url = hub(daemon)
    assert curl(token, f"{url}/v1/version")[0] == 200
    assert curl(token, f"{url}/v1/start", {"names": ["slow"]})[0] == 200
    assert curl(token, f"{url}/v1/tokens", {"name": "x", "scopes": ["admin"]})[0] == 403
    assert curl(token, f"{url}/v1/shutdown", {})[0] == 403


def test_an_admin_token_makes_and_revokes_others(daemon: House) -> None:
    admin, url = made(daemon, "boss", "--scope", "admin"), hub(daemon)
    status, answer = curl(
        admin, f"{url}/v1/tokens", {"name": "other", "scopes": ["observe"], "expires_in": 60}
    )
    assert status == 201
    assert curl(answer["token"], f"{url}/v1/version")[0] == 200
    assert curl(admin, f"{url}/v1/tokens/other", method="DELETE") == (200, {})
    assert curl(answer["token"], f"{url}/v1/version")[0] == 401
    status, refused = curl(admin, f"{url}/v1/tokens/other", method="DELETE")
    assert (status, refused["error"]["code"]) == (404, "not_found.token")
    assert curl(admin, f"{url}/v1/tokens/boss", method="DELETE") == (200, {})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x", "--scope", "obsrve"], "there is no scope 'obsrve' (did you mean \"observe\"?)"),
        (["x", "--scope", "invoke"], 'the scope "invoke" needs the name of what it is for'),
        (["a b", "--scope", "observe"], "'a b' is no name for a token"),
        (["x", "--scope", "observe", "--expires", "soon"], "--expires soon is no time"),
        (["x", "--scope", "observe", "--rate", "0"], "--rate takes calls in a second, above 0"),
        (["local", "--scope", "observe"], '"local" is the token of this machine'),
    ],
)
def test_what_cannot_be_a_token_is_refused_in_words(daemon: House, words: list[str], sentence: str) -> None:
    answer = daemon.ctl("token", "create", *words)
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert sentence in answer.stderr


def test_who_hangs_up_over_tcp_cancels_the_call(daemon: House) -> None:
    token, url = made(daemon, "leaver", "--scope", "invoke:*"), hub(daemon)
    log = daemon.root / "logs" / "slow.log"
    call = json.dumps({"provider": "slow", "method": "wait"})
    with subprocess.Popen(
        ["curl", "-s", "-H", f"Authorization: Bearer {token}", "-d", call, f"{url}/v1/invoke"]
    ) as caller:
        eventually(lambda: "waits" in log.read_text())
        caller.kill()
    eventually(lambda: "was cancelled" in log.read_text())
    assert daemon.view("slow")["state"] == "RUNNING"


def test_a_provider_started_elsewhere_joins_with_its_token_and_leaves_with_it(
    daemon: House, tmp_path: Path
) -> None:
    token, url = made(daemon, "gpu-box", "--scope", "provide:slow"), hub(daemon)
    (tmp_path / "slow.py").write_text(SLOW)
    run = f"import asyncio; from slow import Slow; asyncio.run(Slow(name='slow', server_url={url!r}).run())"
    environment = {**daemon.environment, "GLEITZEIT_TOKEN": token, "GLEITZEIT_SOCKET": str(tmp_path / "none")}
    with subprocess.Popen([sys.executable, "-c", run], cwd=tmp_path, env=environment) as joined:
        try:
            eventually(lambda: _joined(daemon), "the external one is there")
            assert daemon.invoke("slow", "twice", {"n": 1}) == 2

            assert daemon.ctl("token", "revoke", "gpu-box").returncode == 0
            eventually(lambda: not _joined(daemon), "it has gone")
            assert daemon.view("slow")["state"] == "RUNNING"
        finally:
            joined.kill()


def _joined(h: House) -> bool:
    return "external provider registered" in h.said().rpartition("external provider left")[2]


def test_who_may_call_sees_what_they_may_call_and_nothing_else(daemon: House) -> None:
    url, token = hub(daemon), made(daemon, "caller", "--scope", "invoke:swift", "--scope", "invoke:slow")
    none = made(daemon, "stranger", "--scope", "invoke:other")

    status, seen = curl(token, f"{url}/v1/models")
    assert (status, [(one["name"], one["aliases"]) for one in seen["models"]]) == (200, [("m1", ["swift"])])
    assert seen["capabilities"] == []
    assert [one["name"] for one in curl(token, f"{url}/v1/providers")[1]["providers"]] == ["slow"]
    assert curl(token, f"{url}/v1/route?target=swift")[1]["how"] == "alias"
    for hidden in ("m2", "nobody"):
        assert curl(token, f"{url}/v1/route?target={hidden}")[1]["error"]["code"] == "forbidden"

    assert curl(none, f"{url}/v1/models")[1] == {"models": [], "capabilities": []}
    assert curl(none, f"{url}/v1/providers")[1] == {"providers": []}
    assert curl(none, f"{url}/v1/status")[0] == 403
    provider = made(daemon, "gpu", "--scope", "provide:*")
    assert curl(provider, f"{url}/v1/models")[0] == 403


def test_tokens_outlive_the_daemon(tmp_path: Path) -> None:
    with house(tmp_path, {}) as h:
        token = made(h, "ci", "--scope", "observe")
        h.stop()
        h.start()
        assert curl(token, f"{hub(h)}/v1/version")[0] == 200
        h.stop()
        (kept,) = (tmp_path / "state" / "tokens").iterdir()
        (view,) = json.loads(kept.read_text())["tokens"]
        assert view["used"] > view["created"]
        kept.write_text("{")
        answer = subprocess.run(
            [sys.executable, "-m", "gleitzeitd", "--config", str(h.config)],
            env=h.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert answer.returncode == 1
        assert f"{kept} is damaged: mend it, or move it away" in answer.stderr
