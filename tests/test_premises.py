"""What a daemon takes hold of when it starts: made with the right modes, never stolen, and given back."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from gleitzeit_extensions import places
from gleitzeitd import listening, premises
from gleitzeitd.core.errors import OccupiedError

NOBODY = 65534
NOBODYS = 54321
"""A group that no user has as the first one."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def control(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "gleitzeitd.sock")


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=lambda umask: f"umask {umask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: str | Path) -> str:
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def is_listening(path: str) -> bool:
    try:
        places.connect(path, timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def refused() -> Iterator[list[str]]:
    """What is told instead."""
    said = list[str]()
    with pytest.raises(OccupiedError) as refusal:
        yield said
    said.append(str(refusal.value))


# One daemon in one directory.


def test_a_second_daemon_is_told_which_runs(control: str) -> None:
    with premises.lock(control):
        with refused() as said, premises.lock(control):
            pass
        assert said == [
            f"a daemon (pid {os.getpid()}) runs at {control} already: "
            "stop it, or choose another place with --socket"
        ]

    with premises.lock(control):
        pass


def test_the_lock_of_a_dead_daemon_holds_nobody(control: str, tmp_path: Path) -> None:
    with premises.lock(control):
        pass
    (tmp_path / "run" / "lock").write_text("1\nand more than our own pid has digits\n")
    with premises.lock(control):
        assert (tmp_path / "run" / "lock").read_text() == f"{os.getpid()}\n"


def test_two_daemons_may_run_in_two_directories(control: str, tmp_path: Path) -> None:
    with premises.lock(control), premises.lock(str(tmp_path / "other" / "gleitzeitd.sock")):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(control: str, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    os.mkdir(tmp_path / "run", 0o711)
    os.symlink(target, tmp_path / "run" / "lock")
    with refused() as said, premises.lock(control):
        pass

    assert said[0].startswith(f"cannot lock {tmp_path}/run/lock: ")
    assert target.read_text() == "precious"


# The directory.


def test_a_directory_that_anybody_may_change_is_refused(control: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o1777)
    with refused() as said, premises.lock(control):
        pass

    assert said == [f"{run} can be changed by other users: choose a directory of the daemon's own"]


def test_a_disk_that_is_full_is_told(control: str, tmp_path: Path) -> None:
    """Broken once by writing through a buffer: it was a traceback."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with refused() as said, premises.lock(control):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said == [f"cannot write {tmp_path}/run/lock: File too large"]


@needs_root
def test_a_directory_of_somebody_else_is_refused(control: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(0o755)
    os.chown(run, NOBODY, NOBODY)
    with refused() as said, premises.lock(control):
        pass

    assert said == [f"{run} can be changed by other users: choose a directory of the daemon's own"]


@needs_root
@pytest.mark.parametrize("directory", ["run", "logs", "state"])
def test_a_directory_that_a_group_may_change_is_refused(
    control: str, tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may change it may lay a link, hard or symbolic, in the place of a log: here it ends."""
    monkeypatch.setenv("LOGS_DIRECTORY", str(tmp_path / "logs"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    path = tmp_path / directory
    path.mkdir()
    path.chmod(0o770)
    os.chown(path, 0, NOBODY)
    with refused() as said:
        premises.logs_directory()
        premises.tokens_file(control)
        with premises.lock(control):
            pass

    assert said == [f"{path} can be changed by other users: choose a directory of the daemon's own"]


def test_a_group_that_has_no_other_member_is_oneself(
    control: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As users have who make all that they make changeable for their group."""
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o770)
    if os.geteuid() == 0:
        os.chown(run, 0, NOBODYS)
    monkeypatch.setattr("gleitzeitd.premises.os.getegid", lambda: run.stat().st_gid)
    members = list[str]()
    monkeypatch.setattr("gleitzeitd.premises.grp.getgrgid", lambda _: SimpleNamespace(gr_mem=members))
    with premises.lock(control):
        pass

    members.append("somebody-else")
    if run.stat().st_gid != 0:
        with refused(), premises.lock(control):
            pass


@pytest.mark.parametrize(
    ("members", "primary", "has_name", "is_refused"),
    [
        ([], [], True, False),
        (["myself"], [], True, False),
        (["myself"], [], False, True),
        ([], ["somebody"], True, True),
        (None, [], False, False),
        (None, ["somebody"], False, True),
    ],
)
def test_a_group_has_those_too_whose_first_one_it_is(
    control: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: list[str] | None,
    primary: list[str],
    has_name: bool,
    is_refused: bool,
) -> None:
    """Broken once: they are in no list of members. In a container neither user nor group may have a name."""
    own, group = 4711, 4712
    run = SimpleNamespace(st_mode=0o40770, st_uid=own, st_gid=group)
    names = {own: "myself"} if has_name else {}
    names |= dict(enumerate(primary))
    users = [SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=group) for uid, name in names.items()]
    groups = {} if members is None else {group: SimpleNamespace(gr_mem=members)}
    known = {user.pw_uid: user for user in users}
    monkeypatch.setattr("gleitzeitd.premises.os.geteuid", lambda: own)
    monkeypatch.setattr("gleitzeitd.premises.os.getegid", lambda: group)
    monkeypatch.setattr("gleitzeitd.premises.grp.getgrgid", groups.__getitem__)
    monkeypatch.setattr("gleitzeitd.premises.pwd.getpwuid", known.__getitem__)
    monkeypatch.setattr("gleitzeitd.premises.pwd.getpwall", lambda: users)

    assert premises._is_shared(run) is is_refused  # type: ignore[arg-type]


def test_a_directory_that_anybody_may_replace_is_refused(control: str, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    run = open_to_all / "run"
    with refused() as said, premises.lock(str(run / "gleitzeitd.sock")):
        pass
    assert said == [f"{run} can be replaced by other users, who may change {open_to_all}: choose another"]

    open_to_all.chmod(0o1777)
    with premises.lock(str(run / "gleitzeitd.sock")):
        pass


@needs_root
def test_whoever_else_owns_a_directory_above_was_chosen(tmp_path: Path) -> None:
    """As whoever built a container's image, or its nobody where root has no number."""
    above = tmp_path / "of-somebody"
    above.mkdir()
    os.chown(above, NOBODY, NOBODY)
    with premises.lock(str(above / "run" / "gleitzeitd.sock")):
        pass


@needs_root
def test_a_directory_that_somebody_laid_in_a_place_for_all_is_refused(tmp_path: Path) -> None:
    """As `/tmp/gz`, made by somebody who waits for a daemon to use what is below it."""
    laid = tmp_path / "tmp" / "gz"
    laid.mkdir(parents=True)
    (tmp_path / "tmp").chmod(0o1777)
    os.chown(laid, NOBODY, NOBODY)
    with refused() as said, premises.lock(str(laid / "run" / "gleitzeitd.sock")):
        pass

    assert said == [f"{laid}/run can be replaced by other users, who may change {laid}: choose another"]


def test_a_link_that_is_laid_while_a_directory_is_made_is_not_followed(
    control: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by a chmod after the mkdir: it gave the mode to what the link led to."""
    target = tmp_path / "target"
    target.mkdir(0o700)
    mkdir = os.mkdir

    def mkdir_and_lose(path: str, mode: int) -> None:
        mkdir(path, mode)
        if path.endswith("/run"):
            os.rmdir(path)
            os.symlink(target, path)

    monkeypatch.setattr("gleitzeitd.premises.os.mkdir", mkdir_and_lose)
    with refused(), premises.lock(control):
        pass

    assert mode(target) == "0o700"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_is_refused(control: str, tmp_path: Path, kind: str) -> None:
    run = tmp_path / "run"
    if kind == "file":
        run.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        run.symlink_to("elsewhere")
    with refused() as said, premises.lock(control):
        pass

    assert said == [f"{run} is not a directory"]


def test_a_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused() as said, premises.lock(str(tmp_path / "file" / "run" / "gleitzeitd.sock")):
        pass

    assert len(said) == 1
    assert said[0].startswith(f"cannot use the directory {tmp_path}/file/run: ")


def test_a_directory_that_was_there_keeps_its_mode(control: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(0o700)
    with premises.lock(control):
        assert mode(tmp_path / "run") == "0o700"


# Modes.


def test_everything_has_its_mode_whatever_the_umask(control: str, tmp_path: Path, umask: int) -> None:
    run, hub = tmp_path / "run", tmp_path / "run" / "hub" / "hub.sock"
    with (
        premises.lock(control),
        listening.unix_socket(control, 0o660, group=True),
        listening.unix_socket(str(hub), 0o666),
        premises.token_file(control, "secret"),
    ):
        assert {str(path.relative_to(run)): mode(path) for path in (run, *run.rglob("*"))} == {
            ".": "0o711",
            "lock": "0o600",
            "gleitzeitd.sock": "0o660",
            "hub": "0o711",
            "hub/hub.sock": "0o666",
            "token": "0o640",
        }
        assert os.umask(umask) == umask


def test_no_directory_on_the_way_can_be_changed_by_others(tmp_path: Path, umask: int) -> None:
    with premises.lock(str(tmp_path / "a" / "b" / "run" / "gleitzeitd.sock")):
        for path in (tmp_path / "a", tmp_path / "a" / "b"):
            assert not path.stat().st_mode & stat.S_IWOTH


def test_logs_are_for_the_daemon_and_its_group(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGS_DIRECTORY", f"{tmp_path / 'logs'}:{tmp_path / 'more'}")

    assert premises.logs_directory() == tmp_path / "logs"
    assert mode(tmp_path / "logs") == "0o750"


def test_logs_of_a_user_are_among_what_programs_remember(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOGS_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if os.geteuid() == 0:
        monkeypatch.setattr("gleitzeitd.premises.os.geteuid", lambda: 1000)

    assert premises.logs_directory() == tmp_path / "state" / "gleitzeit" / "logs"
    assert premises.logs_directory().is_dir()


@needs_root
def test_the_group_may_use_the_control_socket_and_read_the_token(
    control: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeitd.premises.grp.getgrnam", lambda _: SimpleNamespace(gr_gid=54321))
    hub = str(tmp_path / "run" / "hub" / "hub.sock")
    with (
        premises.lock(control),
        listening.unix_socket(control, 0o660, group=True),
        listening.unix_socket(hub, 0o666),
        premises.token_file(control, "secret"),
    ):
        groups = {path: os.stat(path).st_gid for path in (control, str(tmp_path / "run" / "token"), hub)}

    assert list(groups.values()) == [54321, 54321, os.getegid()]


# The Unix sockets.


def test_a_socket_is_there_while_it_is_held(control: str) -> None:
    with listening.unix_socket(control, 0o660) as made:
        assert is_listening(control)
        assert not made.get_inheritable()

    assert not os.path.exists(control)


def test_the_socket_of_a_dead_daemon_is_replaced(control: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(0o711)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(control)
        dead.listen()
    assert os.path.exists(control)

    with listening.unix_socket(control, 0o660):
        assert is_listening(control)


def test_a_socket_that_another_program_listens_at_is_left_to_it(control: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(0o711)
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(control)
        alive.listen()
        with refused() as said, listening.unix_socket(control, 0o660):
            pass

        assert said == [
            f"another program listens at {control}: stop it, or choose another place with --socket"
        ]
        assert is_listening(control)


@pytest.mark.parametrize("kind", ["busy", "datagram"])
def test_a_socket_that_may_be_alive_is_left(control: str, tmp_path: Path, kind: str) -> None:
    (tmp_path / "run").mkdir(0o711)
    with contextlib.ExitStack() as held:
        kinds = {"busy": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}
        alive = held.enter_context(socket.socket(socket.AF_UNIX, kinds[kind]))
        alive.bind(control)
        if kind == "busy":
            alive.listen(0)
            # One waits to be let in, and no other has room to.
            held.enter_context(places.connect(control, timeout=0))
        with refused() as said, listening.unix_socket(control, 0o660):
            pass

        assert said[0].startswith(f"cannot tell who listens at {control}: ")
        assert not said[0].endswith("None")
        assert stat.S_ISSOCK(os.lstat(control).st_mode)


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_in_its_place(control: str, tmp_path: Path, kind: str) -> None:
    (tmp_path / "run").mkdir(0o711)
    match kind:
        case "file":
            Path(control).write_text("precious")
        case "directory":
            os.mkdir(control)
        case "link":
            os.symlink("elsewhere", control)
    before = os.lstat(control)
    with refused() as said, listening.unix_socket(control, 0o660):
        pass

    assert said == [f"{control} is there and is not a socket: move it away"]
    assert os.lstat(control) == before


def test_a_path_may_be_as_long_as_linux_allows_and_no_longer(tmp_path: Path) -> None:
    fill = places.LONGEST - len(os.fsencode(tmp_path)) - 1
    assert fill > 0, "pytest's own directory is too deep for a socket"
    longest = str(tmp_path / ("x" * fill))
    with listening.unix_socket(longest, 0o660):
        assert is_listening(longest)

    with refused() as said, listening.unix_socket(f"{longest}y", 0o660):
        pass
    assert said == [f"the socket path {longest}y is longer than the 107 bytes Linux allows"]


# The token.


def test_the_token_is_there_while_it_is_held(control: str, tmp_path: Path) -> None:
    with premises.lock(control):
        with premises.token_file(control, "secret"):
            assert (tmp_path / "run" / "token").read_text() == "secret\n"
            assert sorted(os.listdir(tmp_path / "run")) == ["lock", "token"]
        assert os.listdir(tmp_path / "run") == ["lock"]


@pytest.mark.parametrize("name", ["token", f"token.{os.getpid()}"], ids=["the token", "its draft"])
def test_a_link_in_the_place_of_the_token_is_not_followed(control: str, tmp_path: Path, name: str) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    with premises.lock(control):
        (tmp_path / "run" / name).symlink_to(target)
        with premises.token_file(control, "secret"):
            assert target.read_text() == "precious"
            token = tmp_path / "run" / "token"
            assert (token.is_symlink(), token.read_text()) == (False, "secret\n")


def test_a_token_that_cannot_be_written_is_explained(control: str, tmp_path: Path) -> None:
    with premises.lock(control):
        (tmp_path / "run" / "token").mkdir()
        with refused() as said, premises.token_file(control, "secret"):
            pass

    assert said == [f"cannot write {tmp_path}/run/token: Is a directory"]


# The TCP sockets.


@contextlib.contextmanager
def bound(url: str) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as held:
        yield [held.enter_context(one) for one in listening.tcp_sockets(url)]


def can_listen(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not can_listen("::1", 0), reason="there is no IPv6 on this machine")


@needs_ipv6
def test_localhost_means_both_loopbacks_and_one_port() -> None:
    with bound("http://localhost:0") as sockets:
        first, second = (one.getsockname()[:2] for one in sockets)

    assert (first[0], second[0]) == ("127.0.0.1", "::1")
    assert first[1] == second[1] != 0


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:0", "127.0.0.1"),
        pytest.param("http://[::1]:0", "::1", marks=needs_ipv6),
        ("http://0.0.0.0:0", "0.0.0.0"),
    ],
)
def test_an_address_means_itself(url: str, host: str) -> None:
    with bound(url) as sockets:
        assert [one.getsockname()[0] for one in sockets] == [host]


def test_a_port_in_use_names_who_has_it() -> None:
    with bound("http://127.0.0.1:0") as (held,):
        port = held.getsockname()[1]
        with refused() as said:
            listening.tcp_sockets(f"http://127.0.0.1:{port}")

    assert said == [
        f"cannot listen at http://127.0.0.1:{port}: port {port} is in use by "
        f"pid {os.getpid()} ({psutil.Process().name()}): stop that, or set global.default_server_url"
    ]


@needs_ipv6
def test_half_of_localhost_is_not_enough_and_is_given_back() -> None:
    with bound("http://[::1]:0") as (held,):
        port = held.getsockname()[1]
        with refused() as said:
            listening.tcp_sockets(f"http://localhost:{port}")

        assert f"port {port} is in use by pid {os.getpid()}" in said[0]
        assert can_listen("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_explained() -> None:
    with refused() as said:
        listening.tcp_sockets("http://192.0.2.1:8000")

    assert said == [
        "cannot listen at http://192.0.2.1:8000 (192.0.2.1, port 8000): Cannot assign requested address"
    ]


def test_a_port_is_free_again_at_once() -> None:
    with bound("http://127.0.0.1:0") as (held,):
        port = held.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            accepted, _ = held.accept()
            # Closed by us first: the connection lingers in TIME_WAIT.
            accepted.close()
            assert caller.recv(1) == b""

    with bound(f"http://127.0.0.1:{port}"):
        pass
