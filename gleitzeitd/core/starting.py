"""How a life begins: at the gate, spawned, and ready once nothing is missing any more. Pure."""

from __future__ import annotations

from dataclasses import replace

from gleitzeitd.core.events import Effect, Spawn
from gleitzeitd.core.process import Need, Phase, Process, State
from gleitzeitd.core.spec import Policy, Rules

RECONNECT_TIME = 5.0
"""Seconds that a provider may live without its connection before it is replaced."""
LOST_CONNECTION = "its connection is lost"
Step = tuple[Process, tuple[Effect, ...]]


def wait(process: Process, now: float) -> Step:
    """To the gate: what it depends on, and the number of starts at once, decide when it is spawned."""
    waiting = replace(
        process, state=State.WAITING, wanted=True, since=now, deadline=None, pid=None, reason=""
    )
    return replace(waiting, phase=Phase.NONE, afresh=False, connected=False, missing=frozenset()), ()


def spawn(process: Process, now: float, *, has_slot: bool = False) -> Step:
    """Begin the next generation. Only what decides about its future is kept of the last one."""
    generation, rules = max(process.generation, process.numbered) + 1, process.rules
    started = Process(
        name=process.name,
        rules=rules,
        state=State.STARTING,
        wanted=True,
        since=now,
        generation=generation,
        numbered=generation,
        missing=_needs(rules),
        has_slot=has_slot and has_to_prove_itself(rules),
        attempts=process.attempts,
        row=process.row,
        doublings=process.doublings,
        failures=process.failures,
        restarts=process.restarts,
    )
    return replace(started, deadline=_bound(started)), (Spawn(generation),)


def _needs(rules: Rules) -> frozenset[Need]:
    needed = {Need.REGISTRATION: rules.registers, Need.CHECK: rules.checked}
    return frozenset(need for need, is_needed in needed.items() if is_needed)


def registered(process: Process, ready: bool, now: float) -> Step:
    met = replace(process, connected=True, missing=process.missing - {Need.REGISTRATION})
    return said(met, ready, "", now)


def said(process: Process, ready: bool, reason: str, now: float) -> Step:
    word = f"{Need.WORD}: {reason}" if reason else Need.WORD
    return _lacks(process, Need.WORD, not ready, word, now)


def checked(process: Process, ready: bool, reason: str, now: float) -> Step:
    return _lacks(process, Need.CHECK, not ready, reason or Need.CHECK, now)


def disconnected(process: Process, now: float) -> Step:
    """Its connection is lost: where it needs one, it has a little time to come back."""
    if not process.connected:
        return process, ()
    lost = replace(process, connected=False)
    if not process.rules.registers:
        # What it said counts no longer: it says it anew when it is back.
        return _lacks(lost, Need.WORD, False, "", now)
    lost, _ = _lacks(lost, Need.REGISTRATION, True, LOST_CONNECTION, now)
    back_by = now + RECONNECT_TIME
    if process.state is State.STARTING:
        return replace(lost, deadline=max(back_by, _bound(lost))), ()
    if process.state is State.RUNNING and process.rules.policy is not Policy.NEVER:
        return replace(lost, deadline=back_by), ()
    return lost, ()


def _lacks(process: Process, need: Need, is_missing: bool, reason: str, now: float) -> Step:
    """The process with or without that need; it is RUNNING as soon as it lacks nothing for the first time."""
    if process.state not in (State.STARTING, State.RUNNING):
        return process, ()
    missing = process.missing | {need} if is_missing else process.missing - {need}
    changed = replace(process, missing=missing, reason=reason if is_missing else _reason(process, need))
    if Need.REGISTRATION in missing:
        return changed, ()  # Whatever else is found out, it has its time to connect.
    if process.state is State.RUNNING:
        return replace(changed, deadline=None), ()
    if not missing and (has_to_prove_itself(process.rules) or now >= _bound(changed)):
        return run(changed, now)
    return replace(changed, deadline=_bound(changed)), ()


def _reason(process: Process, met: Need) -> str:
    """Why it is not ready once a need is met: what a check found stays, as it tells more than a need does."""
    left = min(process.missing - {met}, default="")
    is_of_another = met is Need.CHECK or process.reason.startswith((LOST_CONNECTION, Need.WORD))
    return left if is_of_another or not left else process.reason or left


def has_to_prove_itself(rules: Rules) -> bool:
    """Whether there is better evidence of a start that succeeded than time alive."""
    return rules.registers or rules.checked


def run(process: Process, now: float) -> Step:
    running = replace(process, state=State.RUNNING, since=now, deadline=None, ready_at=now)
    return replace(running, has_slot=False, attempts=0, reason=""), ()


def _bound(process: Process) -> float:
    """When a start that has not succeeded by then has failed, or, for a plain command, succeeded."""
    rules = process.rules
    if Need.REGISTRATION in process.missing:
        return process.since + rules.connection_timeout
    if process.missing:
        return process.since + rules.start_timeout
    return process.since + rules.start_seconds


def overdue(process: Process) -> str:
    """Why a start that has lasted too long has failed; nothing when it lacks nothing."""
    rules = process.rules
    if process.reason == LOST_CONNECTION:
        return f"lost its connection for {RECONNECT_TIME:g} s"
    if Need.REGISTRATION in process.missing:
        return f"did not register within {rules.connection_timeout:g} s"
    if process.missing:
        return f"was not ready within {rules.start_timeout:g} s: {process.reason or min(process.missing)}"
    return ""
