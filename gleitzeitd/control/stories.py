"""What happened to each instance and what comes next, for whoever asks why it is as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from gleitzeitd.control.names import chosen, means
from gleitzeitd.control.views import View, ailment_of, next_in, of_life
from gleitzeitd.core.outlook import outlook
from gleitzeitd.core.process import State
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.instance import Instance
from gleitzeitd.processes.recorder import Entry, rfc3339
from gleitzeitd.processes.supervisor import Supervisor


def stories(
    supervisor: Supervisor, hub: Hub, failures: Mapping[str, str], names: Sequence[str], now: float
) -> list[View]:
    """Of the providers and instances that these names mean (see `chosen`), those that others started last.

    `failures`: by provider, why what should be in its place is not. Raises CallError `not_found.provider`.
    """
    connected = hub.registry.registrations
    external = [one for one in connected() if one.is_external]
    guests = [one for one in external if any(means(name, one.name, one.name) for name in names)]
    own = [supervisor.instances[name] for name in chosen(supervisor, names, {one.name for one in guests})]
    return [
        *(_own(one, connected(one.name), failures.get(one.spec.name, ""), now) for one in own),
        *(_guest(one, now) for one in guests),
    ]


def _own(instance: Instance, connected: list[Registration], failure: str, now: float) -> View:
    process = instance.process
    return {
        "name": instance.name,
        "source": instance.spec.where,
        "state": process.state,
        "pid": process.pid,
        "generation": process.generation,
        "restarts": process.restarts,
        "reason": process.reason or ailment_of(of_life(process, connected), now),
        "since": now - process.since,
        "next": outlook(process, now),
        "next_in": next_in(process, now),
        "failed_replacement": failure,
        "history": [asdict(entry) for entry in instance.recorder.entries()],
    }


def _guest(registration: Registration, now: float) -> View:
    """One that others started: all that is known of it is its connection."""
    reason, since = ailment_of([registration], now), now - registration.since
    begun = rfc3339(datetime.now(UTC) - timedelta(seconds=since))
    calls = "It is given calls" if not reason else "It is given calls again when that is over"
    return {
        "name": registration.name,
        "source": None,
        "state": State.RUNNING,
        "pid": registration.origin.pid,
        "generation": 0,
        "restarts": 0,
        "reason": reason,
        "since": since,
        "next": f"{calls}, for as long as it stays connected; it is stopped where it was started.",
        "next_in": None,
        "failed_replacement": "",
        "history": [asdict(Entry(begun, 0, State.RUNNING, f"registered {_whence(registration)}"))],
    }


def _whence(registration: Registration) -> str:
    grant = registration.grant
    token = "this machine's token" if grant.is_local else f'the token "{grant.name}"'
    return f"from {registration.origin.address or 'the Unix socket'}, with {token}"
