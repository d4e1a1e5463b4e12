"""All instances there are: those that lead, by their names, and those beside them for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gleitzeitd.core.events import Event
from gleitzeitd.core.gates import Order
from gleitzeitd.core.process import AT_REST
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.instance import Instance, Role
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.recorder import Recorder


class Fleet:
    def __init__(self, specs: Iterable[Spec], logs: Path, slots: int) -> None:
        self._logs = logs
        self._slots = slots
        self.leading: dict[str, Instance] = {}
        self.beside: list[Instance] = []
        self._ranks: dict[str, int] = {}
        """Of the providers, as the file has them; some of them may not be known as yet."""
        self.specs: dict[str, Spec] = {}
        """What is wanted of each provider; of one that is going what was."""
        self.going = set[str]()
        """Providers that nobody wants any more, of which something is left."""
        for spec in specs:
            self.specs[spec.name] = spec
            for name in spec.instance_names:
                self.add(name, spec)
        self.order = self._ordered()

    def __iter__(self) -> Iterator[Instance]:
        yield from self.leading.values()
        yield from self.beside

    def of(self, provider: str) -> list[Instance]:
        """A provider's leading instances; none when it is not known."""
        return [self.leading[name] for name in self.order.instances.get(provider, ())]

    def beside_of(self, name: str) -> list[Instance]:
        return [instance for instance in self.beside if instance.name == name]

    def meant(self, name: str, event: Event) -> Instance | None:
        """Whom an event is about: the life that it names, or, when it is a want, who leads."""
        leading = self.leading.get(name)
        generation = getattr(event, "generation", None)
        if generation is None or (leading is not None and leading.process.generation == generation):
            return leading
        others = self.beside_of(name)
        return next((other for other in others if other.process.generation == generation), leading)

    def add(self, name: str, spec: Spec) -> Instance:
        """A new one that leads."""
        output = Output(name, str(self._logs / f"{name}.log"), spec.logs)
        self.leading[name] = Instance(name, spec, output, Recorder())
        return self.leading[name]

    def call(self, name: str, spec: Spec) -> Instance:
        """A new one that may take the place of who leads."""
        leading = self.leading[name]
        coming = Instance(name, spec, leading.output, leading.recorder, Role.COMING)
        self.beside.append(coming)
        return coming

    def give_lead(self, coming: Instance) -> Instance:
        """It leads from now on; who led before."""
        before = self.leading[coming.name]
        self.beside.remove(coming)
        self.beside.append(before)
        self.leading[coming.name] = coming
        before.role, coming.role = Role.LEAVING, Role.LEADING
        return before

    def step_aside(self, leading: Instance) -> None:
        del self.leading[leading.name]
        leading.role = Role.LEAVING
        self.beside.append(leading)

    def shut(self, provider: str) -> list[Instance]:
        """Forget a provider of which nothing is left: what were its instances."""
        gone = self.of(provider)
        for instance in gone:
            del self.leading[instance.name]
        del self.specs[provider]
        self.going.discard(provider)
        self.reorder()
        return gone

    def number(self, name: str, generation: int) -> list[Instance]:
        """Those of one name, who have to know that there is a life with this number."""
        known = [*self.beside_of(name), *([self.leading[name]] if name in self.leading else [])]
        return [instance for instance in known if instance.process.numbered < generation]

    def departed(self) -> list[Instance]:
        """Take away who is beside the others and has nothing left."""
        gone = [i for i in self.beside if i.process.state in AT_REST and not i.process.wanted]
        self.beside = [instance for instance in self.beside if instance not in gone]
        return gone

    def arrange(self, providers: Iterable[str], slots: int) -> None:
        """Have the providers in this order; those that go come last."""
        self._ranks = {name: rank for rank, name in enumerate(providers)}
        self._slots = slots
        self.reorder()

    def reorder(self) -> None:
        """After a change of who there is, or of what they need."""
        last = len(self._ranks)
        self.specs = dict(sorted(self.specs.items(), key=lambda item: self._ranks.get(item[0], last)))
        names = (name for spec in self.specs.values() for name in spec.instance_names)
        first = {name: self.leading[name] for name in names if name in self.leading}
        self.leading = first | self.leading
        self.order = self._ordered()

    def _ordered(self) -> Order:
        names: dict[str, list[str]] = {provider: [] for provider in self.specs}
        for instance in self.leading.values():
            names[instance.spec.name].append(instance.name)
        needs = {provider: spec.depends_on for provider, spec in self.specs.items()}
        return Order({provider: tuple(own) for provider, own in names.items()}, needs, self._slots)
