"""Asks an instance again and again whether it is good, and tells what the answers come to.

How one asks is in `http`, `tcp` and `execution`; a check of kind `provider` is the hub's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import count as numbers

import anyio

from gleitzeitd.core.spec import Check, CheckKind
from gleitzeitd.core.verdict import Outcome, Verdict, count
from gleitzeitd.processes.checks.execution import Execution
from gleitzeitd.processes.checks.http import get
from gleitzeitd.processes.checks.lookup import Lookup
from gleitzeitd.processes.checks.tcp import connect
from gleitzeitd.processes.checks.unended import Unended
from gleitzeitd.processes.child import OPEN
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.launch import Launch

Ask = Callable[[], Awaitable[Outcome]]
"""Asks once. It never raises, and takes no longer than the check's timeout and the clearing after it."""


class Checks:
    """What all checks of one daemon share."""

    def __init__(self, siblings: set[int], enclosure: Enclosure = OPEN) -> None:
        """What every Child is given: the pids of all whom somebody waits for, and what encloses them."""
        self._siblings = siblings
        self._enclosure = enclosure
        self._lookup = Lookup()
        self._unended = Unended()
        self._numbers = numbers(1)

    def asker(self, check: Check, launch: Launch) -> Ask:
        """What asks by this check; `launch` is that of the instance.

        Raises ValueError for a check that is the hub's to make.
        """
        match check.kind:
            case CheckKind.HTTP:
                return partial(get, check, self._lookup)
            case CheckKind.TCP:
                return partial(connect, check, self._lookup)
            case CheckKind.EXEC:
                # The next generation must not start another beside what this one could not end.
                instance = launch.marker.rpartition(":")[0]
                left = self._unended, (instance, check.argv)
                return Execution(check, self._marked(launch), self._siblings, self._enclosure, *left).ask
            case CheckKind.PROVIDER:
                raise ValueError("a provider is asked over its connection with the hub")

    def _marked(self, launch: Launch) -> Launch:
        """With a mark of its own, for each check: those of one life must not kill each other either."""
        return replace(launch, marker=f"{launch.marker}:check{next(self._numbers)}")


async def watch(check: Check, ask: Ask, told: Callable[[Verdict], None], first_delay: float = 0.0) -> None:
    """Ask until cancelled. A verdict is told when it turned, and when its reason became another one.

    So the first failure is known before it is one too many, and a hundred of the same say it once.
    """
    verdict = Verdict()
    await anyio.sleep(first_delay)
    while True:
        before, verdict = verdict, count(verdict, check, await ask())
        if (verdict.good, verdict.reason) != (before.good, before.reason):
            told(verdict)
        await anyio.sleep(check.interval)
