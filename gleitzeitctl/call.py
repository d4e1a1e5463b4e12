"""A call as it stands on a command line: whom it is for, and its arguments by what the method takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.arguments import Misfit, Takes, together
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import misuse
from gleitzeitctl.given import given, utf_8


@dataclass(frozen=True)
class Whom:
    """Whom a call is for, its method, and its arguments as they were written."""

    by: str
    """`target`, or `model` where the name can be nothing but a model."""
    name: str
    method: str
    pairs: list[str]

    @classmethod
    def of(cls, name: str, method: str | None, pairs: list[str], model: str | None) -> Whom:
        """What the words mean. Raises Complaint.

        `--model gpt-4 chat a=5` names nobody else; `ollama chat a=5 --model gpt-4` has it as an argument.
        """
        words = [word for word in (method, *pairs) if word is not None]
        if not name or model == "":
            raise misuse("the name of whom to call is missing")
        if model is not None and (method is None or "=" in method):
            return cls("model", model, name, [utf_8(word) for word in words])
        if method is None:
            raise misuse("missing argument 'METHOD': see \"gleitzeitctl providers invoke --help\"")
        of_model = [] if model is None else [f"model={model}"]
        return cls("target", name, method, [utf_8(word) for word in (*pairs, *of_model)])

    def wire(self) -> dict[str, str]:
        return {self.by: self.name, "method": self.method}

    def __str__(self) -> str:
        return f'"{self.method}" of "{self.name}"'


def arguments_of(client: Client, whom: Whom, args: str) -> tuple[dict[str, Any], str]:
    """The arguments, and what to say if the call fails where their types had to be guessed.

    Raises Complaint, and CallError `not_found.*`.
    """
    plain = given(args)
    if not whom.pairs:
        # what is JSON needs nobody who knows its types: the provider checks it
        return plain, ""
    takes = _takes(client, whom)
    try:
        arguments = together(takes or Takes(), plain, whom.pairs)
    except Misfit as exc:
        raise misuse(f"cannot call {whom}: {exc}") from exc
    return arguments, "" if takes else _guessed(whom, arguments)


def _takes(client: Client, whom: Whom) -> Takes | None:
    """What the method takes; None where nobody has said."""
    query = [("name" if whom.by == "target" else whom.by, whom.name)]
    for one in client.get("/v1/providers", query)["providers"]:
        for method in one["methods"]:
            if method["name"] == whom.method and isinstance(method.get("parameters"), dict):
                return Takes(method["parameters"])
    return None


def _guessed(whom: Whom, arguments: dict[str, Any]) -> str:
    names = [pair.partition("=")[0].removesuffix(":") for pair in whom.pairs]
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    told = [f"{name} as {kinds.get(type(arguments[name]), 'JSON')}" for name in names]
    return f"what {whom} takes is not known: it was given {', '.join(told)}"


@contextmanager
def saying(guessed: str) -> Iterator[None]:
    """Where types were guessed, a failure that may come of that says so."""
    try:
        yield
    except CallError as exc:
        if guessed and exc.code in ("invalid_request", "provider_error"):
            raise CallError(exc.code, f"{exc.message} ({guessed})", exc.detail) from exc
        raise
