"""Who can answer a call that names a provider, a model or a capability: how names are looked up.

Pure. Whether one of them can take the call now is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class By(StrEnum):
    """What a caller named."""

    TARGET = "target"
    """Whatever has that name, in the order of `How`."""
    PROVIDER = "provider"
    MODEL = "model"
    CAPABILITY = "capability"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a call is for, as its caller says it."""

    by: By
    name: str

    def __str__(self) -> str:
        return f'"{self.name}"' if self.by is By.TARGET else f'{self.by} "{self.name}"'


class How(StrEnum):
    """By what a name was found, in the order of looking."""

    PROVIDER = "provider"
    INSTANCE = "instance"
    MODEL = "model"
    ALIAS = "alias"
    WILDCARD = "wildcard"
    CAPABILITY = "capability"


WAYS: Mapping[By, tuple[How, ...]] = {
    By.TARGET: tuple(How),
    By.PROVIDER: (How.PROVIDER, How.INSTANCE),
    By.MODEL: (How.MODEL, How.ALIAS, How.WILDCARD),
    By.CAPABILITY: (How.CAPABILITY,),
}


@dataclass(frozen=True, slots=True)
class Offering:
    """What one provider can be called for."""

    provider: str
    models: tuple[str, ...] = ()
    """Names, and patterns such as `gpt-*`, where `*` stands for any text."""
    capabilities: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names of its models: alias to model."""
    is_known: bool = True
    """It has said what it offers; its aliases are known before, from the config file."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who can answer a target: the providers of one pool."""

    target: Target
    how: How
    models: Mapping[str, str]
    """Provider to the model's name there, in name order; "" when it was not found by a model."""
    pattern: str = ""
    """The wildcard that matched."""

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(self.models)


def resolve(target: Target, offerings: Iterable[Offering], owners: Mapping[str, str]) -> Resolution | None:
    """Who can answer; None: nobody. `owners` are the providers of instances, such as `calc#2` to `calc`.

    The first way that finds anybody decides, and all that it finds share the calls. So one that offers a
    model by its name is never mixed with one that has it as an alias or matches it with a wildcard.
    """
    offered = sorted(offerings, key=_provider)
    for how in WAYS[target.by]:
        if models := _found(how, target.name, offered, owners):
            pattern = _longest(target.name, offered) if how is How.WILDCARD else ""
            return Resolution(target, how, models, pattern)
    return None


def undecided(target: Target, offerings: Iterable[Offering]) -> tuple[str, ...]:
    """The providers that may turn out to offer it, since they have not said yet what they offer."""
    if target.by is By.PROVIDER:
        return ()
    return tuple(sorted(offering.provider for offering in offerings if not offering.is_known))


def is_pattern(model: str) -> bool:
    return "*" in model


def _provider(offering: Offering) -> str:
    return offering.provider


def _found(how: How, name: str, offered: list[Offering], owners: Mapping[str, str]) -> dict[str, str]:
    match how:
        case How.PROVIDER:
            return {o.provider: "" for o in offered if o.provider == name}
        case How.INSTANCE:
            return {owners[name]: ""} if name in owners else {}
        case How.MODEL:
            return {o.provider: name for o in offered if name in o.models and not is_pattern(name)}
        case How.ALIAS:
            return {o.provider: o.aliases[name] for o in offered if name in o.aliases}
        case How.CAPABILITY:
            return {o.provider: "" for o in offered if name in o.capabilities}
        case How.WILDCARD:
            pattern = _longest(name, offered)
            return {o.provider: name for o in offered if pattern and pattern in o.models}


def _longest(name: str, offered: list[Offering]) -> str:
    """The pattern that says most of the name, with the longest beginning of two that say as much."""
    patterns = {model for o in offered for model in o.models if is_pattern(model)}
    fitting = [pattern for pattern in patterns if _fits(name, pattern)]
    return min(fitting, key=_vagueness, default="")


def _vagueness(pattern: str) -> tuple[int, int, str]:
    return (pattern.count("*") - len(pattern), -pattern.index("*"), pattern)


def _fits(name: str, pattern: str) -> bool:
    # A regular expression would try every way to share the name among many stars.
    beginning, *parts, ending = pattern.split("*")
    at, end = len(beginning), len(name) - len(ending)
    if at > end or not (name.startswith(beginning) and name.endswith(ending)):
        return False
    for part in parts:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
