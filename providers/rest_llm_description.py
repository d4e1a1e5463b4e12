"""How an API is described in the config file: the keys, and what about them can be wrong at the start. Pure.

The classes define the keys: the daemon holds a block against them before it makes the provider.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from providers import rest_llm_path, rest_llm_template
from providers.rest_llm_path import Path


@dataclass(frozen=True, kw_only=True)
class _Keys:
    """Unknown keys are mistakes."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Request(_Keys):
    """What every method has: where it is asked, by POST, and what is sent."""

    path: str
    body: dict[str, Any]
    model: str | None = None
    input_tokens: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answering(Request):
    """A method that answers with text."""

    text: str
    output_tokens: str | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Streaming(Answering):
    """One that answers in pieces. `end` is the last of them as a word, `done` a place that it has then."""

    format: Literal["sse", "ndjson"] = "sse"
    end: str | None = None
    done: str | None = None


@dataclass(frozen=True, kw_only=True)
class Embedding(Request):
    embeddings: str


@dataclass(frozen=True, kw_only=True)
class Methods(_Keys):
    """Those that the API has; the others are not offered."""

    generate: Answering | None = None
    chat: Answering | None = None
    stream: Streaming | None = None
    embed: Embedding | None = None


@dataclass(frozen=True, kw_only=True)
class ModelList(_Keys):
    """Where the models are listed, by GET, and where in the answer their names are."""

    path: str
    names: str


NEEDS = {
    "generate": ("prompt", "messages"),
    "chat": ("messages",),
    "stream": ("prompt", "messages"),
    "embed": ("input",),
}
"""What a body has to have a place for: one of them, or what it is asked would not be sent."""

NO_PLACES = ("path", "body", "format", "end")
"""Keys that are not places in an answer."""


@dataclass(frozen=True)
class Described:
    """A method as it is used."""

    request: Request
    takes: frozenset[str]
    places: dict[str, Path]
    """Where things are in its answer, by their keys."""


def described(methods: Methods) -> dict[str, Described]:
    """Raises ValueError that names the key."""
    found = {
        name: _described(getattr(methods, name), name) for name in NEEDS if getattr(methods, name) is not None
    }
    if not found:
        raise ValueError(f"config.methods has none of {', '.join(NEEDS)}: describe what the API can do")
    return found


def url_path(path: str, where: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f'{where}: "{path:.100}" does not begin with /')
    return path


def _described(request: Request, name: str) -> Described:
    where = f"config.methods.{name}"
    in_path = rest_llm_template.names(url_path(request.path, f"{where}.path"), f"{where}.path")
    if others := in_path - {"model"}:
        raise ValueError(f"{where}.path: {{{min(others)}}} belongs into the body; a path may have {{model}}")
    takes = rest_llm_template.names(request.body, f"{where}.body")
    if not takes.intersection(NEEDS[name]):
        needs = " or ".join(f'"{{{one}}}"' for one in NEEDS[name])
        raise ValueError(f"{where}.body: what it is asked has no place: put {needs} somewhere")
    places = {
        field.name: rest_llm_path.parsed(getattr(request, field.name), f"{where}.{field.name}")
        for field in fields(request)
        if field.name not in NO_PLACES and getattr(request, field.name) is not None
    }
    return Described(request, takes | in_path, places)
