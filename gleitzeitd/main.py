"""The command `gleitzeitd`, and the daemon in the foreground for `gleitzeit serve`."""

from __future__ import annotations

import argparse
import ctypes
import gc
import os

from gleitzeit_extensions import places
from gleitzeit_extensions.version import VERSION

PR_SET_DUMPABLE = 4  # linux/prctl.h


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="gleitzeitd",
        description="Keeps AI providers alive and carries calls to them.",
        epilog="exit status: 0 stopped; 1 an address is taken or may not be used; 2 unusable config",
    )
    parser.add_argument("--config", metavar="FILE", help="the providers.yaml to run ($GLEITZEIT_CONFIG)")
    parser.add_argument(
        "--socket", metavar="PATH", help="where to listen for gleitzeitctl ($GLEITZEIT_SOCKET)"
    )
    parser.add_argument("--version", action="version", version=f"gleitzeitd {VERSION}")
    given = parser.parse_args()
    return serve(given.config, given.socket, foreground=False)


def serve(config: str | None, socket: str | None, *, foreground: bool) -> int:
    """Run until stopped; the exit status. `foreground`: for someone who watches a terminal."""
    _open_standard_streams()
    _keep_memory_private()
    # Imported as late as can be, so that `--help` and a mistake in the file are answered at once; the log
    # comes first, since it decides what structlog takes along.
    from gleitzeitd import logging

    logging.configure(for_people=foreground)

    from gleitzeitd.config.load import find, load
    from gleitzeitd.core.errors import ConfigError, GleitzeitError

    try:
        flag = "--provider-config" if foreground else "--config"
        # What is told of it later is read by people who are somewhere else.
        house = load(os.path.abspath(find(config, flag, service=not foreground)))

        import anyio

        from gleitzeitd import foreground as watched
        from gleitzeitd.daemon import Daemon
        from gleitzeitd.listening import Kept
        from gleitzeitd.systemd import Manager, handed_over

        manager = Manager.of(os.environ)
        kept = Kept(manager, handed_over(os.environ))
        control = _control_path(socket)
        daemon = Daemon(house, control, search_here=foreground, manager=manager, kept=kept)
        # What a start makes lasts to the end: no search for garbage has to go through it.
        gc.freeze()
        anyio.run(watched.run if foreground else Daemon.run, daemon)
    except GleitzeitError as exc:
        logging.last_words(str(exc))
        return 2 if isinstance(exc, ConfigError) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def _open_standard_streams() -> None:
    """What was closed would be taken by the next file opened, and a print would go there."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _keep_memory_private() -> None:
    """No core dump, and no look into it but root's (prctl(2), PR_SET_DUMPABLE): here are the secrets of all
    providers, and each of them runs as the same user."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _control_path(given: str | None) -> str:
    """Where this daemon is to listen: a daemon makes its own place, it does not look for another's."""
    chosen = given or os.environ.get("GLEITZEIT_SOCKET")
    return os.path.abspath(chosen) if chosen else os.path.join(places.own_run_directory(), places.CONTROL)
