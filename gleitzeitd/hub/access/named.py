"""A token that people made, as it is kept: all but the token itself."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import LOCAL, Grant

DIGEST_SIZE = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Named:
    """Times are seconds of the wall clock, since a token outlives the daemon."""

    grant: Grant
    digest: bytes
    created: float
    used: float | None = None
    """When it was last shown."""

    def view(self) -> dict[str, Any]:
        """What may be known of it."""
        grant = self.grant
        return {
            "name": grant.name,
            "scopes": [str(scope) for scope in grant.scopes],
            "created": self.created,
            "expires": grant.expires,
            "used": self.used,
            "rate": grant.rate,
        }


def check_name(name: str) -> None:
    """Raises CallError `invalid_request`, `conflict`."""
    if not NAME.fullmatch(name):
        sentence = f"{name[:100]!a} is no name for a token: letters, digits, _ . and - make one"
        raise CallError("invalid_request", sentence)
    if name == LOCAL:
        raise CallError("conflict", f'"{LOCAL}" is the token of this machine: choose another name')


def written(tokens: Iterable[Named], used: Mapping[str, float]) -> str:
    """The text of the file that they are kept in."""
    kept = [
        {**replace(one, used=used.get(one.grant.name, one.used)).view(), "sha256": one.digest.hex()}
        for one in tokens
    ]
    return json.dumps({"tokens": kept}, indent=1) + "\n"


def read(text: str) -> dict[str, Named]:
    """The tokens by name. Raises ValueError when the text is none of `written`."""
    try:
        kept = [_read(one) for one in json.loads(text)["tokens"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, CallError) as exc:
        raise ValueError(f"no list of tokens: {exc!r}") from exc
    named = {one.grant.name: one for one in kept}
    if len(named) < len(kept):
        raise ValueError("no list of tokens: two have the same name")
    return named


def _read(kept: Mapping[str, Any]) -> Named:
    check_name(kept["name"])
    digest = bytes.fromhex(kept["sha256"])
    numbers = [kept[key] for key in ("rate", "expires", "used") if kept[key] is not None]
    if len(digest) != DIGEST_SIZE or not all(map(_is_number, [kept["created"], *numbers])):
        raise ValueError(f"the token {kept['name']} has a digest, a time or a rate that is none")
    scopes = tuple(Scope.read(scope) for scope in kept["scopes"])
    grant = Grant(name=kept["name"], scopes=scopes, rate=kept["rate"], expires=kept["expires"])
    return Named(grant, digest, kept["created"], kept["used"])


def _is_number(value: object) -> bool:
    """Whether it is one that can be counted with: 0 is no rate, nor a time that anything happened at."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
