"""What a token allows, and which tokens are good: the machine's, the named ones, and each child's."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from gleitzeitd.hub.access.scopes import Right, Scope

LOCAL = "local"
"""The name of the token of this machine, which no other may have."""
PREFIX = "gz_"
"""Of every token that people keep, so that programs that search for leaked secrets know one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to be one generation of an instance, or, with a name, what its scopes say."""

    instance: str | None = None
    generation: int = 0
    name: str = ""
    scopes: tuple[Scope, ...] = ()
    rate: float | None = None
    """Calls in a second."""
    expires: float | None = None
    """The time, as of the wall clock, from which it is good no more."""

    @property
    def who(self) -> str:
        """Who asks with it; no two of them are the same."""
        if self.instance is not None:
            return f"provider:{self.instance}"
        return LOCAL if self.is_local else f"token:{self.name}"

    @property
    def is_local(self) -> bool:
        """Whether it is this machine's own, which its file gives to the daemon's user and group."""
        return self.name == LOCAL

    @property
    def is_admin(self) -> bool:
        return any(scope.right is Right.ADMIN for scope in self.scopes)

    @property
    def may_observe(self) -> bool:
        return self.has(Right.OBSERVE)

    def has(self, right: Right) -> bool:
        """Whether it has the right at all, be it for some names only."""
        return self.is_admin or any(scope.right is right for scope in self.scopes)

    def may_invoke(self, name: str) -> bool:
        """Whether it may call the provider, the instance, the model or the capability of that name."""
        provider = name.partition("#")[0]
        return self.is_admin or self._covers(Right.INVOKE, name) or self._covers(Right.INVOKE, provider)

    def may_provide(self, name: str) -> bool:
        """Whether it may register under that name."""
        return self.is_admin or self._covers(Right.PROVIDE, name)

    def may_join(self, name: str) -> bool:
        """Whether it may do so beside the instances that the daemon itself runs."""
        return not self.is_local and self.may_provide(name)

    def _covers(self, right: Right, name: str) -> bool:
        return any(scope.right is right and scope.covers(name) for scope in self.scopes)


OF_THIS_MACHINE = Grant(
    name=LOCAL, scopes=(Scope(Right.INVOKE, "*"), Scope(Right.OBSERVE), Scope(Right.PROVIDE, "*"))
)


class Tokens:
    """Tokens are looked up by their digest, so that timing tells nothing about a near miss.

    A fast digest is enough: slow ones are for passwords, which can be guessed. 256 random bits cannot.
    """

    def __init__(self, local: str) -> None:
        self._grants = {digest(local): OF_THIS_MACHINE}
        self._digests: dict[Grant, bytes] = {}
        self.used: dict[str, float] = {}
        """When each named token was last shown, by the wall clock."""

    def issue(self, instance: str, generation: int) -> str:
        """A token that only this generation has. One that has it already loses it."""
        grant = Grant(instance, generation)
        self.revoke(grant)
        token = new_token()
        self.add(grant, digest(token))
        return token

    def add(self, grant: Grant, of_token: bytes) -> None:
        """Whoever shows the token with this digest has the grant from now on."""
        self._digests[grant] = of_token
        self._grants[of_token] = grant

    def revoke(self, grant: Grant) -> None:
        """It is good no more; without effect when it was not."""
        if of_token := self._digests.pop(grant, None):
            del self._grants[of_token]

    def check(self, token: object) -> Grant | None:
        """What it allows, even when it has expired."""
        return self._grants.get(digest(token)) if isinstance(token, str) else None

    def note_use(self, grant: Grant) -> None:
        if grant.name:
            self.used[grant.name] = time.time()


def new_token() -> str:
    return secrets.token_hex(32)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
