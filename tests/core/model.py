"""A second opinion on the life of a process, written from its specification and not from `step`.

It keeps what happened, and derives the rest whenever it is asked: the state from what lives and what is
wanted, the counters from the list of lives that ended. Where the code spreads a delay, it knows bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gleitzeitd.core import events
from gleitzeitd.core.events import Effect, Event, Want
from gleitzeitd.core.process import State
from gleitzeitd.core.spec import Policy, Rules

RECONNECT, GRACE, KILL_AGAIN, LOST_AFTER, SPAWN_PAUSE = 5.0, 2.0, 1.0, 5.0, 0.5
STAGES = ("held", "drain", "ask", "kill")


@dataclass
class Life:
    """A generation of which something may be there."""

    since: float
    holds_slot: bool
    connected: bool = False
    lost_at: float | None = None
    """When it lost its connection."""
    word: bool = True
    check: bool = False
    running_since: float | None = None
    stage: str = ""
    """How hard it is being ended; nothing while nobody wants it to end."""
    pressed_at: float = 0.0
    drain_time: float = 0.0
    """How long its calls may take, from then on."""
    failed: bool = False
    """We end it because it is of no use, or takes too much."""
    is_useless: bool = False
    """There is nothing that it could finish."""
    first_killed: float | None = None
    code: int | None = None


@dataclass(frozen=True)
class Record:
    """A life that failed: what the next decision looks back at."""

    over: float
    ran: float | None
    """How long it was RUNNING; None when it never was."""
    was_restarted: bool
    was_delayed: bool


@dataclass
class Model:
    rules: Rules
    wanted: bool = False
    anew: bool = False
    """The next life is one that somebody asked for, and not a consequence of the last."""
    generation: int = 0
    life: Life | None = None
    rest: State = State.STOPPED
    """The state while there is no life."""
    due: tuple[float, float] | None = None
    """While there is no life: the earliest and the latest time of the next attempt."""
    records: list[Record] = field(default_factory=list)
    before: int = 0
    """The records from before the last life that was RUNNING, however that one ended."""

    # What one can see.

    @property
    def state(self) -> State:
        life = self.life
        if life is None:
            return self.rest
        if life.stage == "lost":
            return State.LOST
        if life.stage:
            return State.STOPPING
        return State.STARTING if life.running_since is None else State.RUNNING

    @property
    def is_ready(self) -> bool:
        return self.state is State.RUNNING and self.lacks_nothing

    @property
    def holds_slot(self) -> bool:
        return self.state is State.STARTING and self.life is not None and self.life.holds_slot

    @property
    def lacks_nothing(self) -> bool:
        life, rules = self.life, self.rules
        assert life is not None
        return (life.connected or not rules.registers) and (life.check or not rules.checked) and life.word

    def deadline(self) -> tuple[float, float] | None:
        """The earliest and the latest time when something happens by itself."""
        if self.life is None:
            return self.due
        at = self._life_deadline(self.life)
        return None if at is None else (at, at)

    def _life_deadline(self, life: Life) -> float | None:
        rules, state = self.rules, self.state
        lacks_connection = rules.registers and not life.connected
        back_by = None if life.lost_at is None else life.lost_at + RECONNECT
        if state is State.STARTING and lacks_connection:
            return max(life.since + rules.connection_timeout, back_by or 0.0)
        if state is State.STARTING:
            return life.since + (rules.start_seconds if self.lacks_nothing else rules.start_timeout)
        if state is State.RUNNING:
            return back_by if lacks_connection and rules.policy is not Policy.NEVER else None
        patience = {
            "held": None,
            "drain": life.drain_time,
            "ask": GRACE if life.is_useless else rules.stop_timeout,
        }.get(life.stage, KILL_AGAIN)
        return None if patience is None else life.pressed_at + patience

    # What happens.

    def tell(self, event: Event, now: float) -> list[Effect]:
        life = self.life
        if isinstance(event, events.Elapsed | events.Opened | events.Held):
            return self._go_on(event, now)
        if not isinstance(event, Want):
            if life is None or event.generation != self.generation:
                return []
            return self._learn(life, event, now)
        return self._want(event, now)

    def _want(self, want: Event, now: float) -> list[Effect]:
        state, life = self.state, self.life
        is_up = state in (State.STARTING, State.RUNNING)
        if isinstance(want, events.Renew) and not is_up:
            return []
        if isinstance(want, events.Stop):
            return self._want_down(want.hurries, now)
        if isinstance(want, events.Retire):
            return self._want_gone(want.drain_timeout, now)
        if isinstance(want, events.Revise) and not self.wanted:
            return []
        if life is None:
            self._forget()
            self._to_gate()
            return []
        if isinstance(want, events.Start) and is_up:
            return []
        if not isinstance(want, events.Renew):
            self._forget()
        self.wanted = self.anew = True
        return self._end_gently(life, now) if is_up else []

    def _forget(self) -> None:
        self.records.clear()
        self.before = 0

    def _want_down(self, hurries: bool, now: float) -> list[Effect]:
        was_wanted, life = self.wanted, self.life
        self.wanted = self.anew = False
        if life is None:
            self.rest, self.due = State.STOPPED, None
            return []
        if not life.stage:
            life.stage = "held"
            return []
        if life.stage == "drain" and not hurries and not was_wanted:
            life.drain_time = min(life.drain_time, now + self.rules.drain_timeout - life.pressed_at)
        return self._press(life, now) if hurries and not was_wanted else []

    def _want_gone(self, drain_timeout: float, now: float) -> list[Effect]:
        life = self.life
        if life is None or life.stage:
            return self._want_down(False, now)
        self.wanted = self.anew = False
        life.stage = "held"
        return self._press(life, now, drain_timeout)

    def _go_on(self, event: Event, now: float) -> list[Effect]:
        life = self.life
        if isinstance(event, events.Held):
            return []
        if isinstance(event, events.Opened):
            if self.state is State.WAITING:
                return self._spawn(now, through_gate=True)
            return self._press(life, now) if life is not None and life.stage == "held" else []
        deadline = self.deadline()
        if deadline is None or now < deadline[1]:
            return []
        if life is None:
            self._to_gate()
            return []
        if life.stage:
            return self._press(life, now)
        if self.state is State.STARTING and self.lacks_nothing:
            self._runs(life, now)
            return []
        return self._end_at_once(life, now)

    def _learn(self, life: Life, fact: Event, now: float) -> list[Effect]:
        match fact:
            case events.SpawnFailed(_, _, mistake):
                life.failed = True
                return self._over(life, mistake, now)
            case events.Gone():
                return self._over(life, False, now)
            case events.Exited(_, end):
                life.code = end.code if life.code is None else life.code
                life.connected = False
                life.stage = "lost" if life.stage == "lost" else "kill"
                life.pressed_at = now
                life.first_killed = now if life.first_killed is None else life.first_killed
                return []
            case events.Drained() if life.stage == "drain":
                return self._press(life, now)
            case events.Disconnected():
                return self._disconnect(life, now)
            case events.Failed() if life.running_since is not None and self._may_be_replaced(life):
                return self._end_at_once(life, now)
            case events.Outgrew() if self._may_be_replaced(life):
                life.failed = True
                return self._end_gently(life, now)
            case events.Registered() | events.Said() | events.Checked():
                self._evidence(life, fact, now)
        return []

    def _evidence(self, life: Life, fact: Event, now: float) -> None:
        if isinstance(fact, events.Registered):
            life.connected, life.lost_at = True, None
        if life.stage:
            return
        if isinstance(fact, events.Checked):
            life.check = fact.ready
        elif isinstance(fact, events.Registered | events.Said):
            life.word = fact.ready
        self._may_run(life, now)

    def _may_run(self, life: Life, now: float) -> None:
        proved = self.rules.registers or self.rules.checked or now >= life.since + self.rules.start_seconds
        if life.running_since is None and self.lacks_nothing and proved:
            self._runs(life, now)

    def _runs(self, life: Life, now: float) -> None:
        life.running_since = now
        self.before = len(self.records)

    def _disconnect(self, life: Life, now: float) -> list[Effect]:
        if life.stage == "drain":
            life.connected = False
            return self._press(life, now)
        if life.connected:
            life.connected = False
            if not life.stage:
                life.word, life.lost_at = True, now
                self._may_run(life, now)
        return []

    # How a life begins and ends.

    def _to_gate(self) -> None:
        self.wanted, self.anew, self.life = True, False, None
        self.rest, self.due = State.WAITING, None

    def _spawn(self, now: float, *, through_gate: bool) -> list[Effect]:
        self.generation += 1
        self.life = Life(now, through_gate and (self.rules.registers or self.rules.checked))
        return [events.Spawn(self.generation)]

    def _may_be_replaced(self, life: Life) -> bool:
        starts = life.running_since is None
        return not life.stage and (starts or self.rules.policy is not Policy.NEVER)

    def _end_gently(self, life: Life, now: float) -> list[Effect]:
        life.stage = "held"
        return self._press(life, now)

    def _end_at_once(self, life: Life, now: float) -> list[Effect]:
        life.failed = life.is_useless = True
        life.stage, life.pressed_at = "ask", now
        return [events.Terminate(self.generation)]

    def _press(self, life: Life, now: float, drain_timeout: float | None = None) -> list[Effect]:
        """One stage harder."""
        life.pressed_at = now
        if life.stage == "held" and life.connected:
            life.stage = "drain"
            life.drain_time = self.rules.drain_timeout if drain_timeout is None else drain_timeout
            return [events.Drain(self.generation, life.drain_time)]
        if life.stage in ("held", "drain"):
            life.stage = "ask"
            return [events.Terminate(self.generation)]
        life.first_killed = now if life.first_killed is None else life.first_killed
        lasts = now - life.first_killed >= LOST_AFTER
        life.stage = "lost" if lasts or life.stage == "lost" else "kill"
        again = events.Kill(self.generation)
        return [again, events.Examine(self.generation)] if life.stage == "lost" else [again]

    def _over(self, life: Life, mistake: bool, now: float) -> list[Effect]:
        """Nothing is left of the life."""
        self.life, self.due = None, None
        if not self.wanted:
            self.rest = State.STOPPED
            return []
        if self.anew:
            self._to_gate()
            return []
        mistake = mistake or (not life.failed and life.code in (78, 126, 127))
        succeeded = not life.failed and life.code == 0
        policy = self.rules.policy
        if mistake:
            self.rest = State.FATAL
            return []
        if policy is Policy.NEVER or (policy is Policy.ON_FAILURE and succeeded):
            self.rest = State.EXITED
            return []
        return self._after_failure(life, now)

    def _after_failure(self, life: Life, now: float) -> list[Effect]:
        rules = self.rules
        ran = None if life.running_since is None else now - life.running_since
        lasted = ran is not None and ran >= rules.reset_after
        row = [] if lasted else self._in_a_row()
        restarts = [record for record in row if record.was_restarted]
        if self._is_too_much(ran, now):
            self.records.append(Record(now, ran, was_restarted=False, was_delayed=False))
            self.rest = State.FATAL
            every = rules.retry_fatal_every
            self.due = (now + every, now + every) if every else None
            return []
        was_spawned = life.code is not None
        at_once = was_spawned and not restarts and ran is not None
        no_delay = at_once or (was_spawned and rules.initial == 0)
        self.records.append(Record(now, ran, was_restarted=True, was_delayed=not no_delay))
        if at_once:
            return self._spawn(now, through_gate=False)
        if no_delay:
            self._to_gate()
            return []
        initial = rules.initial if was_spawned else max(rules.initial, SPAWN_PAUSE)
        doubled = initial * 2.0 ** sum(record.was_delayed for record in row)
        delay = min(doubled, max(rules.max_delay, initial))
        self.rest, self.due = State.BACKOFF, (now + 0.8 * delay, now + 1.2 * delay)
        return []

    def _in_a_row(self) -> list[Record]:
        """The failures since a life that lasted, that one included."""
        lasting = [
            at
            for at, record in enumerate(self.records)
            if record.ran is not None and record.ran >= self.rules.reset_after
        ]
        return self.records[lasting[-1] if lasting else 0 :]

    def _is_too_much(self, ran: float | None, now: float) -> bool:
        rules = self.rules
        lives = [*(record.ran for record in self.records[self.before :]), ran]
        never_ready = next((n for n, past in enumerate(reversed(lives)) if past is not None), len(lives))
        recent = 1 + sum(now - record.over < rules.period for record in self.records)
        return (0 < rules.max_retry_attempts <= never_ready) or (0 < rules.intensity < recent)
