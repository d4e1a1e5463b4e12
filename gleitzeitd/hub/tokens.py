"""Who may connect: the token of this machine, and one for each life of each child."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to be that generation of that instance, or, without one, whatever is free."""

    instance: str | None = None
    generation: int = 0


class Tokens:
    """Tokens are looked up by their digest, so that timing tells nothing about a near miss."""

    def __init__(self, local: str) -> None:
        self._grants = {_digest(local): Grant()}
        self._digests: dict[Grant, bytes] = {}

    def issue(self, instance: str, generation: int) -> str:
        """A token that only this generation has. One that has it already loses it."""
        grant = Grant(instance, generation)
        self.revoke(grant)
        token = new_token()
        self._digests[grant] = _digest(token)
        self._grants[self._digests[grant]] = grant
        return token

    def revoke(self, grant: Grant) -> None:
        """It ends with its generation."""
        if digest := self._digests.pop(grant, None):
            del self._grants[digest]

    def check(self, token: object) -> Grant | None:
        return self._grants.get(_digest(token)) if isinstance(token, str) else None


def new_token() -> str:
    return secrets.token_hex(32)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
