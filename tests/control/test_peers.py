"""Who may do what: the kernel says who asks, and the daemon believes nobody else."""

from __future__ import annotations

import grp
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.peers import Rights, Role, rights, role_of
from gleitzeitd.hub.access.admission import ADMISSION, Admission
from gleitzeitd.hub.access.refusals import Refusals
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import OF_THIS_MACHINE, Grant, Tokens, digest
from tests.house import house

NOBODY = 65534
GROUP = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

ROUTES = [
    ("GET", "/v1/version"),
    ("GET", "/v1/status"),
    ("POST", "/v1/start"),
    ("POST", "/v1/stop"),
    ("POST", "/v1/restart"),
    ("POST", "/v1/reload"),
    ("GET", "/v1/config/history"),
    ("GET", "/v1/config/history/1"),
    ("GET", "/v1/logs"),
    ("GET", "/v1/why"),
    ("GET", "/v1/providers"),
    ("GET", "/v1/providers/sleeper/health"),
    ("POST", "/v1/providers/sleeper/invoke"),
    ("POST", "/v1/providers/sleeper/stream"),
    ("POST", "/v1/invoke"),
    ("POST", "/v1/stream"),
    ("GET", "/v1/models"),
    ("GET", "/v1/route"),
    ("GET", "/metrics"),
    ("GET", "/v1/tokens"),
    ("POST", "/v1/tokens"),
    ("DELETE", "/v1/tokens/ci"),
    ("POST", "/v1/shutdown"),
]


def asked_by(uid: int, gid: int, path: str, *arguments: str) -> str:
    """What curl gets when this user asks: the body, and then the status."""
    answer = subprocess.run(
        ["curl", "-s", "-w", " %{http_code}", "--unix-socket", path, *arguments],
        user=uid,
        group=gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout


@needs_root
def test_a_stranger_gets_nothing_even_through_an_open_door(open_directory: Path) -> None:
    with house(open_directory, {"sleeper": {"command": ["sleep", "1000"], "start_seconds": 0}}) as h:
        pid = h.until("sleeper", "RUNNING")["pid"]
        path = str(h.socket)
        assert asked_by(NOBODY, NOBODY, path, "http://d/livez") == " 000", "the door is shut"
        h.socket.chmod(0o666)

        assert asked_by(NOBODY, NOBODY, path, "http://d/livez") == "ok\n 200"
        assert asked_by(NOBODY, NOBODY, path, "http://d/readyz") == "ok\n 200"
        for method, route in ROUTES:
            body = ["-d", '{"names": ["all"], "method": "add"}'] if method == "POST" else []
            answer = asked_by(NOBODY, NOBODY, path, "-X", method, *body, f"http://d{route}")
            assert answer.endswith(" 403"), (route, answer)
            assert '"code": "forbidden"' in answer
            assert f"{method} {route} is for root and the " in answer
        assert h.view("sleeper")["pid"] == pid


# The rule itself, with a group that need not exist.


@asynccontextmanager
async def asking(path: Path) -> AsyncIterator[int]:
    """A server that tells each peer its role, at `path` and at the TCP port that is given."""

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=role_of(request).name)

    app = web.Application()
    app.router.add_get("/", tell)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        os.chmod(path, 0o666)
        yield runner.addresses[-1][1]
    finally:
        await runner.cleanup()


async def role_by(uid: int, gid: int, path: Path) -> str:
    return await anyio.to_thread.run_sync(asked_by, uid, gid, str(path), "http://d/")


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gleitzeitd.control.peers.grp.getgrnam", lambda _: SimpleNamespace(gr_gid=GROUP))


@needs_root
@pytest.mark.anyio
@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("uid", "gid", "role"),
    [
        pytest.param(0, 0, "OWNER", id="root"),
        pytest.param(0, GROUP, "OWNER", id="root in the group"),
        pytest.param(NOBODY, GROUP, "OPERATOR", id="a member"),
        pytest.param(54322, GROUP, "OPERATOR", id="a member without a name"),
        pytest.param(NOBODY, NOBODY, "NONE", id="a stranger"),
        pytest.param(54322, 54322, "NONE", id="a stranger without a name"),
    ],
)
async def test_a_role_is_by_user_and_group(open_directory: Path, uid: int, gid: int, role: str) -> None:
    path = open_directory / "s"
    async with asking(path):
        assert await role_by(uid, gid, path) == f"{role} 200"


@needs_root
@pytest.mark.anyio
@pytest.mark.usefixtures("group")
async def test_the_user_of_the_daemon_owns_it(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gleitzeitd.control.peers.os.geteuid", lambda: NOBODY)
    path = open_directory / "s"
    async with asking(path):
        assert await role_by(NOBODY, NOBODY, path) == "OWNER 200"
        assert await role_by(0, 0, path) == "OWNER 200"
        assert await role_by(54322, 54322, path) == "NONE 200"


@needs_root
@pytest.mark.anyio
async def test_a_member_by_the_list_of_the_group_operates(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeitd.control.peers.grp.getgrnam", lambda _: SimpleNamespace(gr_gid=GROUP))
    monkeypatch.setattr(
        "gleitzeitd.control.peers.os.getgrouplist", lambda name, gid: {"nobody": [gid, GROUP]}[name]
    )
    path = open_directory / "s"
    async with asking(path):
        assert await role_by(NOBODY, NOBODY, path) == "OPERATOR 200"


@needs_root
@pytest.mark.anyio
@pytest.mark.usefixtures("group")
async def test_a_member_by_a_group_of_its_process_operates(open_directory: Path) -> None:
    """As a unit of systemd has by `SupplementaryGroups=`, which no list knows of."""
    path = str(open_directory / "s")
    becoming = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}"]
    asked = ["curl", "-s", "--unix-socket", path, "http://d/"]
    async with asking(open_directory / "s"):
        told = [
            (await anyio.run_process([*becoming, f"--groups={group}", *asked])).stdout
            for group in (GROUP, GROUP + 1)
        ]

    assert told == [b"OPERATOR", b"NONE"]


@needs_root
@pytest.mark.anyio
async def test_without_the_group_there_are_no_members(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> grp.struct_group:
        raise KeyError(name)

    monkeypatch.setattr("gleitzeitd.control.peers.grp.getgrnam", missing)
    path = open_directory / "s"
    async with asking(path):
        assert await role_by(NOBODY, GROUP, path) == "NONE 200"


@pytest.mark.anyio
async def test_who_comes_over_tcp_is_nobody(open_directory: Path) -> None:
    async with asking(open_directory / "s") as port:
        answer = await anyio.run_process(["curl", "-s", f"http://127.0.0.1:{port}/"])

    assert answer.stdout == b"NONE"


DEMANDS = {
    "see": lambda its: its.demand_see("calculator"),
    "look": Rights.demand_look,
    "invoke": lambda its: its.demand_invoke("calculator"),
    "operate": Rights.demand_operate,
    "own": Rights.demand_own,
}


def allowed(request: web.Request) -> list[str]:
    """What the one who asks may. Every refusal is `forbidden`, and names what was asked for."""
    found = []
    for name, demand in DEMANDS.items():
        refusal = None
        try:
            demand(rights(request))
            found.append(name)
        except CallError as exc:
            refusal = exc
        if refusal is not None:
            assert refusal.code == "forbidden"
            assert "POST /v1/x is for " in refusal.message or '"calculator"' in refusal.message
    return found


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.NONE, []),
        (Role.OPERATOR, ["see", "look", "invoke", "operate"]),
        (Role.OWNER, ["see", "look", "invoke", "operate", "own"]),
    ],
)
def test_a_role_has_the_rights_of_those_below_it(
    monkeypatch: pytest.MonkeyPatch, role: Role, may: list[str]
) -> None:
    monkeypatch.setattr("gleitzeitd.control.peers.role_of", lambda _: role)
    assert allowed(make_mocked_request("POST", "/v1/x")) == may


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (["observe"], ["see", "look"]),
        (["invoke:*"], ["see", "invoke"]),
        (["invoke:calc*", "observe"], ["see", "look", "invoke"]),
        (["invoke:other"], []),
        (["provide:*"], []),
        (["admin"], ["see", "look", "invoke", "operate", "own"]),
    ],
)
def test_a_token_has_the_rights_of_its_scopes(scopes: list[str], may: list[str]) -> None:
    grant = Grant(name="ci", scopes=tuple(map(Scope.read, scopes)))
    request = bearing("Bearer secret", grant)
    assert allowed(request) == may
    assert rights(request).caller == "token:ci"


def test_the_token_of_this_machine_is_for_what_a_member_of_the_group_may() -> None:
    request = bearing("bearer the local token", OF_THIS_MACHINE)
    assert allowed(request) == ["see", "look", "invoke", "operate"]
    assert rights(request).caller == "local"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic secret", "secret"])
def test_without_a_good_token_nobody_is_anybody(header: str) -> None:
    """Not even root, who may come by the hub's Unix socket."""
    request = bearing(header, Grant(name="ci", scopes=(Scope.read("admin"),)))
    with pytest.raises(CallError) as refusal:
        rights(request)
    assert refusal.value.code == "unauthenticated"


def bearing(header: str, grant: Grant) -> web.Request:
    """A request at the hub's sockets, where the token `secret` has that grant."""
    tokens = Tokens("the local token")
    if grant is not OF_THIS_MACHINE:
        tokens.add(grant, digest("secret"))
    request = make_mocked_request("POST", "/v1/x", headers={"Authorization": header})
    refusals = Refusals(lambda code: None)
    request[ADMISSION] = Admission(tokens, lambda _: None, lambda *_: False, refusals)
    return request
