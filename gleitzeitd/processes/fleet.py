"""All instances there are: those that lead, by their names, and those beside them for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gleitzeitd.core.events import Event
from gleitzeitd.core.gates import Order
from gleitzeitd.core.process import AT_REST
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.instance import Instance, Ledger, Role
from gleitzeitd.processes.logs.output import Output


class Fleet:
    def __init__(self, specs: Iterable[Spec], logs: Path, slots: int) -> None:
        self._logs = logs
        self._slots = slots
        self._ledgers: dict[str, Ledger] = {}
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

    def retired(self) -> list[Instance]:
        """Those whose name nobody leads any more."""
        return [instance for instance in self.beside if instance.name not in self.leading]

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
        self.leading[name] = Instance(spec, self._ledger(name, spec))
        return self.leading[name]

    def call(self, name: str, spec: Spec) -> Instance:
        """A new one that may take the place of who leads."""
        self.beside.append(Instance(spec, self._ledger(name, spec), Role.COMING))
        return self.beside[-1]

    def _ledger(self, name: str, spec: Spec) -> Ledger:
        """As long as anything of that name is left it is the same: its log is never open twice."""
        if name not in self._ledgers:
            output = Output(name, str(self._logs / f"{name}.log"), spec.logs)
            self._ledgers[name] = Ledger(name, output)
        return self._ledgers[name]

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
        self.reorder()

    def bury(self) -> tuple[list[str], list[Ledger]]:
        """Take away of whom nothing is left and who is not wanted: the providers that are gone, and the
        ledgers that nobody needs any more."""
        if not self.beside and not self.going:
            return [], []
        self.beside = [instance for instance in self.beside if not _is_at_rest(instance)]
        gone = [name for name in self.going if all(map(_is_at_rest, self._all_of(name)))]
        for provider in gone:
            for instance in self.of(provider):
                del self.leading[instance.name]
            del self.specs[provider]
            self.going.discard(provider)
            self.reorder()
        names = {instance.name for instance in self}
        return gone, [self._ledgers.pop(name) for name in self._ledgers.keys() - names]

    def _all_of(self, provider: str) -> Iterator[Instance]:
        return (instance for instance in self if instance.spec.name == provider)

    def ledgers(self) -> Iterable[Ledger]:
        return self._ledgers.values()

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


def _is_at_rest(instance: Instance) -> bool:
    return instance.process.state in AT_REST and not instance.process.wanted
