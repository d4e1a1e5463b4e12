"""What will happen to a process next, as a sentence for someone who asks why it is as it is. Pure."""

from __future__ import annotations

from gleitzeitd.core.process import Need, Phase, Process, State


def outlook(process: Process, now: float) -> str:
    """What comes next by itself, when, and what a person can do."""
    left = f"{max(0.0, (process.deadline or now) - now):.1f} s"
    start = f"gleitzeitctl start {process.name}"
    match process.state:
        case State.STOPPED:
            return f"It stays stopped until somebody starts it: {start}."
        case State.WAITING:
            return "It is started when that is so."
        case State.STARTING:
            return _starting(process, left)
        case State.RUNNING:
            return _running(process, left)
        case State.BACKOFF:
            return f"It is tried again in {left}{_attempts(process)}; at once with {start}."
        case State.STOPPING:
            return _stopping(process, left)
        case State.EXITED:
            return f"By its policy ({process.rules.policy}) it is not started again: {start}."
        case State.FATAL if process.deadline is not None:
            return f"It is tried again in {left}; at once with {start}."
        case State.FATAL:
            return f"It is tried again when its settings or its own source change; at once with {start}."
        case State.LOST:
            return f"It is killed again in {left}; only the kernel can let go of it."


def _starting(process: Process, left: str) -> str:
    if Need.REGISTRATION in process.missing:
        return f"It has {left} to register with the hub, else it is ended and counted as a failure."
    if process.missing:
        return f"It has {left} to become ready, else it is ended and counted as a failure."
    return f"It counts as RUNNING if it stays alive for {left}."


def _running(process: Process, left: str) -> str:
    if process.deadline is not None:
        return f"It has {left} to connect again, else it is replaced."
    if process.missing:
        return "It is given no calls until it is ready again."
    return "Nothing is due."


def _attempts(process: Process) -> str:
    most, so_far = process.rules.max_retry_attempts, process.attempts
    return f" (start {so_far + 1} of {most} before it gives up)" if most and so_far else ""


def _stopping(process: Process, left: str) -> str:
    then = "Then it is decided whether it is started again"
    if process.afresh or not process.wanted:
        then = "Then it is started again" if process.wanted else "Then it is stopped"
    match process.phase:
        case Phase.HELD:
            return f"It is ended when those who depend on it have stopped. {then}."
        case Phase.DRAINING:
            return f"Its calls have {left} to finish, then it is asked to end. {then}."
        case Phase.TERMINATING:
            return f"It was asked to end and is killed in {left} if it does not. {then}."
        case _:
            return f"What is left of it is being killed. {then}."
