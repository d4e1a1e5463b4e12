"""Where a daemon's sockets and token lie. One rule: they lie in the directory of its control socket.

So whoever knows the control socket (`--socket`, `$GLEITZEIT_SOCKET`, or the default) finds the rest.
"""

from __future__ import annotations

import os
import socket

CONTROL = "gleitzeitd.sock"
HUB = "hub/hub.sock"
TOKEN = "token"
GROUP = "gleitzeit"
"""Its members may operate the system's daemon."""
SYSTEM_RUN = "/run/gleitzeit"
SYSTEM_LOGS = "/var/log/gleitzeit"
LONGEST = 107
"""Bytes that a Unix socket's path may have on Linux (unix(7): `sun_path` is 108 with its end mark)."""


def own_run_directory() -> str:
    """The run directory of a daemon that this user starts."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return given.split(":")[0]
    if os.geteuid() == 0:
        return SYSTEM_RUN
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(base, "gleitzeit")
    return _place_for_all()


def _place_for_all() -> str:
    """Where anybody may have made a directory before us."""
    return f"/tmp/gleitzeit-{os.geteuid()}"


def state_directory() -> str:
    """Where a daemon that this user starts keeps what outlives it. It may not be there yet."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return given.split(":")[0]
    if os.geteuid() == 0:
        return "/var/lib/gleitzeit"
    return os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "gleitzeit")


def logs_directory() -> str:
    """Where such a daemon keeps what its providers print. It may not be there yet."""
    if given := os.environ.get("LOGS_DIRECTORY"):
        return given.split(":")[0]
    return SYSTEM_LOGS if os.geteuid() == 0 else os.path.join(state_directory(), "logs")


def control_socket(given: str | None = None) -> str:
    """The socket to look for a daemon at: what is given, else `$GLEITZEIT_SOCKET`, else the user's own
    daemon where one listens, else the system's."""
    if chosen := given or os.environ.get("GLEITZEIT_SOCKET"):
        return os.path.abspath(chosen)
    directory = own_run_directory()
    own, system = os.path.join(directory, CONTROL), os.path.join(SYSTEM_RUN, CONTROL)
    if directory == _place_for_all() and _is_of_others(directory):
        return system  # somebody waits there to be taken for the daemon
    return system if not os.path.exists(own) and os.path.exists(system) else own


def _is_of_others(path: str) -> bool:
    try:
        return os.lstat(path).st_uid not in (0, os.geteuid())
    except OSError:
        return False


def hub_socket(control: str) -> str:
    return os.path.join(os.path.dirname(control), HUB)


def token_file(control: str) -> str:
    return os.path.join(os.path.dirname(control), TOKEN)


def given_token() -> str:
    """`$GLEITZEIT_TOKEN`; empty without one. Raises ValueError for what cannot be a token."""
    return _token(os.environ.get("GLEITZEIT_TOKEN", ""), "$GLEITZEIT_TOKEN")


def local_token() -> str:
    """`$GLEITZEIT_TOKEN`, else the token of this machine's daemon if there is one that this user may read.

    Raises ValueError for what cannot be a token.
    """
    if token := given_token():
        return token
    path = token_file(control_socket())
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return _token(file.read(), path)
    except OSError:
        return ""


def _token(given: str, where: str) -> str:
    token = given.strip()
    if token.isascii() and token.isprintable():
        return token
    # never the token itself: errors end in logs
    raise ValueError(f"{where} is not a token: it has a character that no token has")


def connect(path: str, timeout: float | None = None) -> socket.socket:
    """A stream connected to the Unix socket at `path`. Raises OSError; ValueError for too long a path."""
    if len(os.fsencode(path)) > LONGEST:
        raise ValueError(f"the socket path {path} is longer than the {LONGEST} bytes Linux allows")
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout)
        stream.connect(path)
    except BaseException:
        stream.close()
        raise
    return stream
