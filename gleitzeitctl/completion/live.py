"""What a daemon knows that may stand for a NAME, a METHOD or a MODEL, if it tells at once.

Somebody waits with a finger on TAB: what cannot be had in a moment is not offered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gleitzeitctl.client import Client

PATIENCE = 0.3
"""Seconds in which a daemon that is well has answered."""

FILES = ("FILE", "PATH", "DIRECTORY", "DIR")
"""Words in a usage for what the shell completes by itself."""

# What providers say about themselves ends in a shell's line, and may hold nothing that a shell would act on.
_HARMLESS = re.compile(r"\w[\w.:/@+#-]*=?", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """Whom to ask, what the line says already by the names of its parameters, and the word it ends with."""

    client: Client
    said: Mapping[str, Any]
    typed: str
    until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)
    """The moment at which all answers must have come."""

    def get(self, what: str, key: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self.ask(what)[key]
        return answer

    def ask(self, what: str) -> Any:
        if (left := self.until - time.monotonic()) <= 0:
            raise TimeoutError
        return self.client.get(f"/v1/{what}", patience=left)

    @property
    def words(self) -> set[str]:
        """Values of the line, of which none is offered twice."""
        values = (value if isinstance(value, (list, tuple)) else [value] for value in self.said.values())
        return {word for some in values for word in some if isinstance(word, str)}


Offer = Callable[[Asked], Iterable[str]]


def offered(offer: Offer, asked: Asked) -> list[str]:
    """The words, if they come in time; else raises whatever was wrong."""
    given = asked.words
    return [word for word in offer(asked) if _HARMLESS.fullmatch(word) and word not in given]


def instances(asked: Asked) -> Iterator[str]:
    """Providers, and the instances of those that have several."""
    for one in asked.get("status", "instances"):
        yield one["provider"]
        yield one["name"]


def instances_or_all(asked: Asked) -> Iterator[str]:
    yield from instances(asked)
    yield "all"


def providers(asked: Asked) -> Iterator[str]:
    return (one["name"] for one in asked.get("providers", "providers"))


def callable_names(asked: Asked) -> Iterator[str]:
    """Whatever a call can be for."""
    yield from instances(asked)
    known = asked.ask("models")
    for one in known["models"]:
        yield from (one["name"], *one["aliases"])
    yield from (one["name"] for one in known["capabilities"])


def models(asked: Asked) -> Iterator[str]:
    for one in asked.get("models", "models"):
        yield from (one["name"], *one["aliases"])


def tokens(asked: Asked) -> Iterator[str]:
    return (one["name"] for one in asked.get("tokens", "tokens"))


def methods(asked: Asked) -> Iterator[str]:
    return (method["name"] for method in _methods(asked))


def arguments(asked: Asked) -> Iterator[str]:
    """`a=` for each argument of the method that is not given yet."""
    given = {word.partition("=")[0] for word in asked.words}
    for method in _methods(asked):
        if method["name"] == asked.said.get("method"):
            properties = (method.get("parameters") or {}).get("properties", {})
            yield from (f"{name}=" for name in properties if name not in given)


def _methods(asked: Asked) -> Iterator[dict[str, Any]]:
    """Of the provider that the line names, or of all that have what it names."""
    name = str(asked.said.get("name") or "")
    for one in asked.get("providers", "providers"):
        if name.partition("#")[0] in (one["name"], *one["models"], *one["capabilities"]):
            yield from one["methods"]


def nothing(asked: Asked) -> Iterable[str]:
    return ()


def config_keys(asked: Asked) -> Iterator[str]:
    """All of `global`; of a provider once it is named."""
    from gleitzeitctl.completion.keys import keys

    yield from (f"global.{key}" for key in keys("Global"))
    for name in dict.fromkeys(one["provider"] for one in asked.get("status", "instances")):
        below = f"providers.{name}."
        if asked.typed.startswith(below):
            yield from (below + key for key in keys("Provider"))
        else:
            yield below


BY_COMMAND: dict[tuple[str, ...], Offer] = {
    ("start", "NAME"): instances_or_all,
    ("stop", "NAME"): instances_or_all,
    ("restart", "NAME"): instances_or_all,
    ("route", "NAME"): callable_names,
    ("providers", "list", "NAME"): callable_names,
    ("providers", "invoke", "NAME"): callable_names,
    ("providers", "stream", "NAME"): callable_names,
    ("providers", "health", "NAME"): providers,
    ("providers", "methods", "NAME"): callable_names,
    ("providers", "create-template", "NAME"): nothing,
    ("config", "set", "KEY"): config_keys,
    ("config", "enable", "NAME"): nothing,
    ("token", "create", "NAME"): nothing,
    ("token", "revoke", "NAME"): tokens,
    ("run", "NAME"): nothing,
    ("add", "NAME"): nothing,
}
"""What a word in one command's usage stands for, where that is not what it stands for elsewhere."""

BY_WORD: dict[str, Offer] = {
    "NAME": instances,
    "METHOD": methods,
    "MODEL": models,
    "PROVIDER": providers,
}


def offer_for(path: tuple[str, ...], word: str) -> Offer | None:
    """Who knows what may stand there, by the names of the command and the word in its usage."""
    if "=" in word:  # however a usage calls an argument of a method and its value
        return arguments
    return BY_COMMAND.get((*path, word)) or BY_WORD.get(word)
