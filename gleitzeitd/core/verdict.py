"""Whether an instance is good, by what its checks found: failures and successes are counted in a row.

Pure. `processes/checks` asks; what follows from a verdict others decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gleitzeitd.core.spec import Check


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found."""

    ok: bool | None
    """None: it could not be asked, for a lack of ours that says nothing about the instance."""
    reason: str = ""
    """A sentence, unless it is ok."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks of one life found so far."""

    good: bool | None = None
    """None: not known yet."""
    failures: int = 0
    """In a row, up to now."""
    successes: int = 0
    """In a row, up to now."""
    reason: str = ""
    """Why the last check that was not ok was not; empty once it is good and the last one was ok."""


def count(verdict: Verdict, check: Check, outcome: Outcome) -> Verdict:
    """The verdict after one more outcome."""
    match outcome.ok:
        case None:
            return replace(verdict, reason=outcome.reason)
        case True:
            successes = verdict.successes + 1
            good = True if successes >= check.successes else verdict.good
            # What is still bad keeps the reason for being so.
            return Verdict(good, 0, successes, "" if good else verdict.reason)
        case False:
            failures = verdict.failures + 1
            good = False if failures >= check.failures else verdict.good
            return Verdict(good, failures, 0, outcome.reason)
