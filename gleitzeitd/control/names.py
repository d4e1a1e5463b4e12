"""Which instances a caller means: a provider's name means all of its instances."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.processes.supervisor import Supervisor


def chosen(supervisor: Supervisor, names: Iterable[str]) -> list[str]:
    """The instances of these providers and instances, each once. Raises CallError `not_found.provider`."""
    found = dict.fromkeys(name for given in names for name in _meant(supervisor, given))
    return list(found)


def providers_of(supervisor: Supervisor, names: Iterable[str]) -> list[str]:
    """The providers whose instances all are among `names`."""
    given = set(names)
    return [name for name, instances in supervisor.order.instances.items() if given.issuperset(instances)]


def _meant(supervisor: Supervisor, name: str) -> Iterable[str]:
    if name == "all":
        return supervisor.instances
    if name in supervisor.instances:
        return (name,)
    if name in supervisor.order.instances:
        return supervisor.order.instances[name]
    raise CallError("not_found.provider", not_ours(supervisor, name))


def not_ours(supervisor: Supervisor, name: str) -> str:
    """What to say to someone who named a provider that this daemon does not run."""
    names = [*supervisor.order.instances, *supervisor.instances]
    if close := difflib.get_close_matches(name, names, n=1):
        return f'this daemon runs no provider "{name}": did you mean "{close[0]}"?'
    known = ", ".join(supervisor.order.instances) or "none"
    hint = "an external one is stopped, and has its output, where it was started"
    return f'this daemon runs no provider "{name}": it runs {known} ({hint})'
