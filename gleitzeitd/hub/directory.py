"""Who there is and what each can be called for: by the config file, by its connections, and by what it said.

What a provider offered is remembered while its process is away, so that calls wait for the next one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeitd.core.spec import Routing, Rules, Spec
from gleitzeitd.core.targets import By, Offering, Target, is_pattern
from gleitzeitd.hub.calls import anything
from gleitzeitd.hub.offers import Offer
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.standings import Standings

CLOSE = 3
"""Names that somebody is offered who asked for one that nobody has."""
FEW = 1000
"""Names that are compared with it: every call would wait while more are."""


class Directory:
    def __init__(self, specs: Iterable[Spec], disabled: frozenset[str]) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.disabled = disabled
        self.standings = Standings(self.specs.values())
        self._connected: dict[str, Registration] = {}
        self._named: dict[str, dict[str, Registration]] = {}
        self._said: dict[str, dict[str, Offer]] = {}
        self._offerings: dict[str, Offering] = {}
        for name in self.specs:
            self._offer(name)

    # What is asked.
    def spec(self, name: str) -> Spec | None:
        """The spec of a provider, or of the provider that an instance is one of; None for an external one."""
        return self.standings.spec(name)

    def routing(self, name: str) -> Routing:
        spec = self.spec(name)
        return spec.routing if spec else Routing()

    def is_provider(self, name: str) -> bool:
        """Whether there is a provider of that name: one that is wanted, or one that is connected."""
        return name in self._offerings

    def is_reserved(self, name: str) -> bool:
        """Whether it can only mean a provider or an instance, be it there or not: no pattern takes it."""
        return name in self.disabled or ("#" in name and self.is_provider(name.partition("#")[0]))

    @property
    def providers(self) -> Iterable[str]:
        return self._offerings.keys()

    def registration(self, sid: str) -> Registration | None:
        return self._connected.get(sid)

    def registrations(self, name: str | None = None) -> list[Registration]:
        """All connections, a provider's, or those of one instance; the newest life comes first."""
        found = self._connected if name is None else self._named.get(name, {})
        return sorted(found.values(), key=lambda registration: -registration.grant.generation)

    @property
    def offerings(self) -> Iterable[Offering]:
        return self._offerings.values()

    def offering(self, provider: str) -> Offering | None:
        return self._offerings.get(provider)

    def said(self, provider: str, instance: str) -> Offer | None:
        """What an instance offered when it was connected last."""
        return self._said.get(provider, {}).get(instance)

    def missing(self, target: Target, may_see: Callable[[str], bool] = anything) -> CallError:
        """Why nobody can be found for a target, with those names that come closest and may be seen."""
        if target.by in (By.PROVIDER, By.TARGET) and target.name in self.disabled:
            return CallError("no_instance", f'"{target.name}" is disabled in the config file')
        code, sentence, see = MISSING[target.by]
        names = set(self._names(target.by))
        seen = [name for name in names if may_see(name)] if len(names) <= FEW else []
        close = difflib.get_close_matches(target.name, seen, n=CLOSE)
        quoted = [f'"{name}"' for name in close]
        hint = f" (did you mean {' or '.join(quoted)}?)" if close else f': see "gleitzeitctl providers {see}"'
        return CallError(code, sentence.format(target.name) + hint + self._silent(target.by, may_see))

    def _silent(self, by: By, may_see: Callable[[str], bool]) -> str:
        """Who might have it, if it had ever come up to say so."""
        unknown = [] if by is By.PROVIDER else [one.provider for one in self.offerings if not one.is_known]
        silent = [provider for provider in unknown if may_see(provider)]
        if not silent:
            return ""
        return f"; what {', '.join(silent[:CLOSE])} would offer is not known, as it never came up"

    def _names(self, by: By) -> Iterable[str]:
        if by in (By.PROVIDER, By.TARGET):
            yield from self.standings.names
            yield from self._offerings
        for offering in self._offerings.values():
            if by in (By.MODEL, By.TARGET):
                yield from offering.models
                yield from offering.aliases
            if by in (By.CAPABILITY, By.TARGET):
                yield from offering.capabilities

    def catalogue(self) -> Wire:
        """Every model and capability, and who offers it."""
        models: dict[str, Wire] = {}
        capabilities: dict[str, list[str]] = {}
        for offering in sorted(self._offerings.values(), key=lambda offering: offering.provider):
            for model in offering.models:
                _entry(models, model)["providers"].append(offering.provider)
            for alias, model in offering.aliases.items():
                _entry(models, model)["aliases"].append(alias)
            for capability in offering.capabilities:
                capabilities.setdefault(capability, []).append(offering.provider)
        return {
            "models": [
                {**models[name], "aliases": sorted(set(models[name]["aliases"]))} for name in sorted(models)
            ],
            "capabilities": [
                {"name": name, "providers": capabilities[name]} for name in sorted(capabilities)
            ],
        }

    # What becomes known.
    def know(self, spec: Spec) -> None:
        """A provider, new or as it is wanted from now on."""
        before = self.specs.get(spec.name)
        if before is not None and _runs(before) != _runs(spec):
            self._said.pop(spec.name, None)
        self.specs[spec.name] = spec
        self.standings.know(spec)
        self._offer(spec.name)

    def forget(self, provider: str) -> None:
        """Nothing is left of a provider that was supervised."""
        self.specs.pop(provider, None)
        self._said.pop(provider, None)
        self.standings.forget(provider)
        self._offer(provider)

    def retire(self, instance: str) -> str | None:
        """Nobody has that name any more; the provider that it was one of."""
        spec = self.spec(instance)
        self.standings.retire(instance)
        if spec is None:
            return None
        self._said.get(spec.name, {}).pop(instance, None)
        self._offer(spec.name)
        return spec.name

    def add(self, registration: Registration) -> None:
        self._connected[registration.sid] = registration
        for name in {registration.name, registration.instance}:
            self._named.setdefault(name, {})[registration.sid] = registration
        if not registration.is_external:
            self.standings.offers(registration.name)
        self.heard(registration)

    def heard(self, registration: Registration) -> None:
        """It said what it offers."""
        # Of an instance that is at its last calls, no other life will offer this.
        if not registration.is_external and registration.instance in self.standings.owners:
            said = self._said.setdefault(registration.name, {})
            said[registration.instance] = registration.offer
        self._offer(registration.name)

    def remove(self, sid: str) -> Registration | None:
        registration = self._connected.pop(sid, None)
        if registration is None:
            return None
        for name in {registration.name, registration.instance}:
            del self._named[name][sid]
            if not self._named[name]:
                del self._named[name]
        rest = [one for one in self.registrations(registration.instance) if not one.is_external]
        said = self._said.get(registration.name, {})
        if rest and registration.instance in said:
            # What one life said that failed to take the place of another is not to be waited for.
            said[registration.instance] = rest[0].offer
        self._offer(registration.name)
        return registration

    def _offer(self, provider: str) -> None:
        """Put together what a provider offers now."""
        spec = self.specs.get(provider)
        live = [registration.offer for registration in self._named.get(provider, {}).values()]
        if spec is None and not live:
            self._offerings.pop(provider, None)
            return
        offers = [*self._said.get(provider, {}).values(), *live]
        self._offerings[provider] = Offering(
            provider,
            tuple(dict.fromkeys(model for offer in offers for model in offer.models)),
            tuple(dict.fromkeys(name for offer in offers for name in offer.capabilities)),
            spec.routing.aliases if spec else {},
            is_known=bool(offers) or spec is None or not spec.rules.registers,
        )


MISSING: Mapping[By, tuple[str, str, str]] = {
    By.TARGET: (
        "not_found.provider",
        'there is no capability, no model and no provider "{}"',
        "list",
    ),
    By.PROVIDER: ("not_found.provider", 'there is no provider "{}"', "list"),
    By.MODEL: ("not_found.model", 'nobody offers the model "{}"', "models"),
    By.CAPABILITY: ("not_found.capability", 'nobody offers the capability "{}"', "capabilities"),
}
"""By what was asked for: the code, the sentence, and the command that lists what there is."""


def _runs(spec: Spec) -> Spec:
    """What decides what a process of it offers."""
    return replace(
        Spec(spec.name, spec.type, spec.target),
        config=spec.config,
        auto_discover_models=spec.auto_discover_models,
        env=spec.env,
        env_file=spec.env_file,
        python=spec.python,
        python_path=spec.python_path,
        rules=Rules(registers=spec.rules.registers),
    )


def _entry(models: dict[str, Wire], name: str) -> Wire:
    return models.setdefault(
        name, {"name": name, "providers": [], "aliases": [], "pattern": is_pattern(name)}
    )
