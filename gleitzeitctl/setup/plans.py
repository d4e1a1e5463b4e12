"""Which steps put the daemon in place for the system or for one user, and which take it away."""

from __future__ import annotations

import grp
import os
import shutil
import stat
import sys
from contextlib import suppress

from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.setup.steps import Command, Example, File, Gone, Step, User, printed

SERVICE = "gleitzeitd"
USER = "gleitzeit"
PLACE = "/etc/gleitzeit"
CONFIG = f"{PLACE}/providers.yaml"
UNIT = f"/etc/systemd/system/{SERVICE}.service"
SYSUSERS, TMPFILES = "/etc/sysusers.d/gleitzeit.conf", "/etc/tmpfiles.d/gleitzeit.conf"
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What the unit's sandbox does not show to the daemon."""
SHARED = "share/gleitzeit/systemd"
SYSTEM, OWN = ("systemctl",), ("systemctl", "--user")


def system(config: str) -> list[Step]:
    """`config`: the text of the file to begin with. Raises Complaint."""
    _demand_root()
    _demand_systemd()
    place = _installation()
    if hidden := _hidden(place):
        way_out = (
            'install it for all, as with "python3 -m venv /opt/gleitzeit", '
            '"/opt/gleitzeit/bin/pip install gleitzeitd", "/opt/gleitzeit/bin/gleitzeitctl setup system"'
        )
        said = f"Gleitzeit is installed in {hidden}, which the service's user cannot see: {way_out}"
        raise Complaint(said, 1, "conflict")
    return [
        File(SYSUSERS, _shipped("gleitzeit.sysusers.conf")),
        User(USER, Command(("systemd-sysusers", SYSUSERS))),
        File(TMPFILES, _shipped("gleitzeit.tmpfiles.conf")),
        Command(("systemd-tmpfiles", "--create", TMPFILES), lambda: not _is_as_it_should_be(PLACE)),
        Example(File(CONFIG, config, 0o640, USER)),
        File(UNIT, _unit(f"{SERVICE}.service", place)),
        _reading(SYSTEM),
    ]


def user(config: str) -> list[Step]:
    """The same for the user who runs this."""
    _demand_systemd()
    _demand_session()
    return [
        Example(File(own_config(), config, 0o600)),
        File(_own(f"systemd/user/{SERVICE}.service"), _unit(f"{SERVICE}.user.service", _installation())),
        _reading(OWN),
    ]


def removal() -> list[Step]:
    """What takes the service away again, and keeps what it was for: the config, the logs, the state."""
    _demand_systemd()
    unit = Gone(_own(f"systemd/user/{SERVICE}.service"), _shipped(f"{SERVICE}.user.service"))
    others = list[Step]()
    systemctl: tuple[str, ...] = OWN
    if os.geteuid() == 0 and any(map(os.path.lexists, (UNIT, TMPFILES, SYSUSERS))):
        unit, systemctl = Gone(UNIT, _shipped(f"{SERVICE}.service")), SYSTEM
        others = [
            Gone(TMPFILES, _shipped("gleitzeit.tmpfiles.conf")),
            Gone(SYSUSERS, _shipped("gleitzeit.sysusers.conf")),
        ]
    if not unit.pending(False):
        return [*others, _reading(systemctl)]  # a unit that somebody else wrote is theirs to stop
    ending = Command((*systemctl, "disable", "--now", SERVICE), lambda: True)
    # the unit's file goes last: while it is there, the next run does again what an interruption left
    return [ending, *others, unit, _reading(systemctl)]


def _reading(systemctl: tuple[str, ...]) -> Command:
    """Have systemd read the units anew."""
    asking = (*systemctl, "show", "-p", "NeedDaemonReload", "--value", SERVICE)

    return Command((*systemctl, "daemon-reload"), lambda: printed(*asking) == "yes")


def _is_as_it_should_be(directory: str) -> bool:
    """As the file of tmpfiles.d has it; a start that misses it makes one that is the service's user's."""
    with suppress(FileNotFoundError, KeyError):
        found, group = os.stat(directory), grp.getgrnam(USER).gr_gid
        return (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o750, 0, group)
    return False


def own_config() -> str:
    """The config of the service of the user who runs this."""
    return _own("gleitzeit/providers.yaml")


def _own(path: str) -> str:
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), path)


def _installation() -> str:
    """The directory of the installed commands."""
    found = os.path.dirname(os.path.abspath(sys.argv[0]))
    for place in (found, os.path.dirname(sys.executable)):
        if os.access(os.path.join(place, SERVICE), os.X_OK):
            return place
    raise misuse(f"there is no {SERVICE} beside {sys.argv[0]}: install Gleitzeit first")


def _hidden(place: str) -> str:
    """What of the installation, or of its interpreter, the service would not see."""
    for path in (place, sys.prefix, sys.base_prefix):
        real = os.path.realpath(path)
        if any(f"{real}/".startswith(f"{hidden}/") for hidden in HIDDEN):
            return real
    return ""


def _unit(name: str, place: str) -> str:
    return _shipped(name).replace("/usr/bin/", f"{place}/")


def _shipped(name: str) -> str:
    """One of the files that come along. Raises Complaint."""
    sources = os.path.join(os.path.dirname(__file__), "..", "..", "systemd")
    for directory in (os.path.join(sys.prefix, SHARED), sources):
        try:
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            continue
    missing = os.path.join(sys.prefix, SHARED, name)
    raise Complaint(f"{missing} is missing: install Gleitzeit anew", 1, "internal")


def _demand_root() -> None:
    if os.geteuid() != 0:
        way_out = 'use sudo, or "gleitzeitctl setup user" for your own'
        raise Complaint(f"only root may set up a service of the system: {way_out}", 8, "forbidden")


def _demand_systemd() -> None:
    if shutil.which("systemctl") is None:
        way_out = 'have "gleitzeitd --config FILE" started by whatever starts your services'
        raise Complaint(f"this machine has no systemd: {way_out}", 1, "conflict")


def _demand_session() -> None:
    if printed(*OWN, "show", "--property=Version") is None:
        way_out = 'log in as that user, not by su or sudo, or run "loginctl enable-linger NAME"'
        raise Complaint(f"no systemd of this user runs here: {way_out}", 1, "conflict")
