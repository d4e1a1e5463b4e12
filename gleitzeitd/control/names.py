"""Which instances a caller means by names, patterns such as `calc*` or `worker#?`, and `all`.

A provider's name means all of its instances.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.processes.supervisor import Supervisor

MARKS = frozenset("*?[")
"""What makes a pattern: no name has them."""
LONGEST_SHOWN = 100
"""Letters of a name that nobody has, in what is said of it."""
LONGEST_PATTERN = 200
MOST_NAMES = 10
"""Names that somebody is told who asked for one that nobody has."""


def chosen(supervisor: Supervisor, names: Iterable[str], others: Collection[str] = ()) -> list[str]:
    """The instances that these names mean, in the order of the names, each once.

    `others` are known as well, and not among what is chosen. Raises CallError `not_found.provider`.
    """
    found = dict.fromkeys(name for given in names for name in _meant(supervisor, given, others))
    return list(found)


def selected(
    views: Iterable[dict[str, Any]], names: Iterable[str], demand: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Those of the instances that the names mean, in their own order. Raises CallError `not_found.provider`.

    `demand` says what is wrong with a plain name that means none of them.
    """
    found, given = list(views), list(names)
    for name in given:
        if name != "all" and not any(means(name, view["name"], view["provider"]) for view in found):
            if is_pattern(name):
                there = _listed(dict.fromkeys(view["provider"] for view in found))
                raise CallError("not_found.provider", f'there is no provider like "{name}": there is {there}')
            demand(name)
    return [view for view in found if any(means(name, view["name"], view["provider"]) for name in given)]


def means(given: str, instance: str, provider: str) -> bool:
    """Whether what was given means this instance of that provider."""
    if given in ("all", instance, provider):
        return True
    return is_pattern(given) and (fnmatchcase(instance, given) or fnmatchcase(provider, given))


def is_pattern(given: str) -> bool:
    return len(given) <= LONGEST_PATTERN and not MARKS.isdisjoint(given)


def providers_of(supervisor: Supervisor, names: Iterable[str]) -> list[str]:
    """The providers whose instances all are among `names`."""
    given = set(names)
    return [name for name, instances in supervisor.order.instances.items() if given.issuperset(instances)]


def not_ours(supervisor: Supervisor, name: str) -> str:
    """What to say to someone who named a provider that this daemon does not run."""
    # a name that nobody can have need not be compared whole, nor repeated
    name = name[:LONGEST_SHOWN]
    names = [*supervisor.order.instances, *supervisor.instances]
    if close := difflib.get_close_matches(name, names, n=1):
        return f'this daemon runs no provider "{name}": did you mean "{close[0]}"?'
    hint = "an external one is stopped, and has its output, where it was started"
    return f'this daemon runs no provider "{name}": it runs {_listed(supervisor.order.instances)} ({hint})'


def _meant(supervisor: Supervisor, given: str, others: Collection[str]) -> Iterable[str]:
    if given == "all":
        return supervisor.instances
    if given in supervisor.instances:
        return (given,)
    if given in supervisor.order.instances:
        return supervisor.order.instances[given]
    own = supervisor.instances.items() if is_pattern(given) else ()
    found = [name for name, instance in own if means(given, name, instance.spec.name)]
    if found or any(means(given, other, other) for other in others):
        return found
    if is_pattern(given):
        there = _listed(supervisor.order.instances)
        raise CallError(
            "not_found.provider",
            f'this daemon runs no provider like "{given[:LONGEST_SHOWN]}": it runs {there}',
        )
    raise CallError("not_found.provider", not_ours(supervisor, given))


def _listed(providers: Collection[str]) -> str:
    more = f" and {len(providers) - MOST_NAMES} more" if len(providers) > MOST_NAMES else ""
    return (", ".join(list(providers)[:MOST_NAMES]) or "none") + more
