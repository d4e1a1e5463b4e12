"""What is said of a daemon that is not there, is not ours to ask, hangs, ends or speaks something else."""

from __future__ import annotations

import os
import stat
import time

from gleitzeit_extensions.places import GROUP, connect
from gleitzeit_extensions.protocol import CODES
from gleitzeitctl.complaint import UNREACHABLE, Complaint, misuse, skew
from gleitzeitctl.wire import NotHttp, Wire

SETTLED = 1.0
"""Seconds after which a daemon that was killed listens no more, on a busy machine, too."""
PAUSE = 0.05
"""Seconds between two looks whether it does."""

LOOK = 'look into its log, such as "journalctl -u gleitzeitd"'
START_IT = 'start it with "gleitzeit serve" or "systemctl start gleitzeitd"'
JOIN = f'ask to be added to the group "{GROUP}" and log in anew, or ask as root or as the daemon\'s user'


def complaint(exc: Exception, path: str, wire: Wire | None, patience: float) -> Complaint:
    """What to tell when asking the daemon at `path` came to this; `wire`: the connection, if there is one."""
    match exc:
        case FileNotFoundError():
            return _unreachable(f"no daemon at {path}: {START_IT}")
        case ConnectionRefusedError():
            return _unreachable(f"no daemon at {path}: {_left(path)}: {START_IT}")
        case PermissionError():
            return Complaint(
                f"may not use the daemon at {path}: {JOIN}", CODES["forbidden"].exit, "forbidden"
            )
        case TimeoutError():
            return too_late(path, patience)
        case EOFError() | ConnectionError():
            return _unreachable(f"the daemon at {path} {_ending(path, wire)}: {LOOK}")
        case NotHttp():
            why = skew(wire.server if wire else "") or "is it another program's socket?"
            return _unreachable(f"what answers at {path} does not speak the control API: {why}")
        case OSError(strerror=str(reason)):
            return _unreachable(f"cannot reach the daemon at {path}: {reason}")
    return misuse(str(exc))


def too_late(path: str, patience: float) -> Complaint:
    late = f"did not answer within {patience:g} s: it hangs, or is very busy"
    code = "deadline_exceeded"
    return Complaint(f"the daemon at {path} {late}: {LOOK}", CODES[code].exit, code)


def _left(path: str) -> str:
    """What is there, though nobody listens."""
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        is_socket = True
    return "its socket is one that an earlier daemon left" if is_socket else "what is there is no socket"


def _ending(path: str, wire: Wire | None) -> str:
    """How a connection was closed too early, and whether that was the end of the daemon."""
    when = "in the middle of its answer" if wire and wire.is_answered else "before it had answered"
    # what a process has open is closed one after the other when it is killed
    deadline = time.monotonic() + SETTLED
    while time.monotonic() < deadline:
        time.sleep(PAUSE)
        try:
            connect(path, SETTLED).close()
        except (FileNotFoundError, ConnectionRefusedError):
            return f"ended {when}"
        except OSError:
            break
    return f"closed the connection {when}"


def _unreachable(sentence: str) -> Complaint:
    return Complaint(sentence, UNREACHABLE, "unreachable")
