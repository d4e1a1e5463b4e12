"""What a change of the settings means for the instances: who is new, who takes over, who leaves.

The primitives of `changes.py`. Each acts at once, and tells the supervisor's loop what is wanted:

add, remove     a provider and its instances are known, or end and are forgotten
adopt           what runs takes over what it can
revise          what runs ends, and its next life is as wanted
call_up         a second life is started beside what runs; then it is
give_lead       in its place, or it is
send_away       not needed
retire          a name is not wanted any more, as others of its provider are there
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gleitzeitd.core import events
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.callbacks import Callbacks
from gleitzeitd.processes.fleet import Fleet
from gleitzeitd.processes.instance import Instance, Role
from gleitzeitd.processes.schedules import Schedules


class Succession:
    def __init__(
        self,
        fleet: Fleet,
        schedules: Schedules,
        tell: Callable[[Instance, events.Event], None],
        callbacks: Callbacks,
    ) -> None:
        self._fleet = fleet
        self._schedules = schedules
        self._tell = tell
        self._call = callbacks

    def add(self, spec: Spec) -> list[Instance]:
        """Know a provider and its instances; those that were not there, who have yet to be started."""
        fleet = self._fleet
        fleet.going.discard(spec.name)
        fleet.specs[spec.name] = spec
        fresh = [fleet.add(name, spec) for name in spec.instance_names if name not in fleet.leading]
        for instance in fresh:
            self._schedules.keep(instance)
        fleet.reorder()
        return fresh

    def remove(self, provider: str) -> None:
        """End a provider, after those that depend on it and are to end as well, and forget it."""
        self._fleet.going.add(provider)
        for instance in self._fleet:
            if instance.spec.name == provider:
                self._schedules.drop(instance)
                self._tell(instance, events.Stop(hurries=False))

    def arrange(self, providers: Iterable[str], slots: int) -> None:
        """Show them in this order; so many may be STARTING at once."""
        self._fleet.arrange(providers, slots)

    def adopt(self, instance: Instance, spec: Spec) -> None:
        """Have what runs take over what it can; the rest is for its next life."""
        self._want(instance, spec)
        instance.process = replace(instance.process, rules=spec.rules)
        if instance.life is not None:
            instance.life.wanted.take(spec.health)

    def move(self, spec: Spec) -> None:
        """Nothing of it changed but the line where it stands, which is told with its failures."""
        self._fleet.specs[spec.name] = spec
        for instance in self._fleet.of(spec.name):
            instance.spec = replace(instance.spec, where=spec.where)

    def revise(self, instance: Instance, spec: Spec, reason: str) -> None:
        """Have its next life be as wanted, and that be now, unless somebody stopped it."""
        self._want(instance, spec)
        self._tell(instance, events.Revise(reason))

    def _want(self, instance: Instance, spec: Spec) -> None:
        had, instance.spec = instance.spec, spec
        instance.output.limit(spec.logs)
        if had.restart_schedule != spec.restart_schedule:
            self._schedules.keep(instance)

    def call_up(self, name: str, spec: Spec) -> Instance:
        """Start one that may take the place of who leads."""
        leading, coming = self._fleet.leading[name].process, self._fleet.call(name, spec)
        coming.process = replace(coming.process, restarts=leading.restarts)
        self._tell(coming, events.Start())
        return coming

    def send_away(self, coming: Instance) -> None:
        """It did not come up, or is not wanted any more."""
        coming.role = Role.LEAVING
        self._tell(coming, events.Retire(0, "it does not take over"))

    def give_lead(self, coming: Instance) -> None:
        """Who came up leads; who led ends its calls and goes."""
        before = self._fleet.give_lead(coming)
        self._schedules.drop(before)
        self._schedules.keep(coming)
        coming.output.limit(coming.spec.logs)
        self._call.changed(before.process, coming.process, True)
        self._tell(before, events.Retire(coming.spec.update_drain))

    def retire(self, instance: Instance) -> None:
        """Take a name away, after its last calls: there are others of its provider."""
        self._schedules.drop(instance)
        self._fleet.step_aside(instance)
        self._call.retired(instance.name)
        self._tell(instance, events.Retire(instance.spec.update_drain))
