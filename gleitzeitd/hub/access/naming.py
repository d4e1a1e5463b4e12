"""Who may register under which name."""

from __future__ import annotations

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.spec import NAME_RULE, Spec, is_name
from gleitzeitd.hub.access.tokens import Grant


def demand_name(name: str, grant: Grant, spec: Spec | None, *, is_ours: bool) -> None:
    """Raises CallError unless who has that grant may be called `name`.

    `spec`: what the daemon started it with; None for an external one. `is_ours`: the daemon runs a provider
    of that name.
    """
    if grant.instance is not None and spec is None:
        raise CallError("protocol", "the life that this token was for has ended")
    if spec is not None and name != spec.name:
        sentence = f'this process is "{spec.name}" in the config file but registers as "{name}"'
        raise CallError("forbidden", sentence)
    if not is_name(name):
        raise CallError("invalid_request", f"a provider's name is made of {NAME_RULE}")
    if spec is None and not grant.may_provide(name):
        sentence = f'this token may not provide "{name}": it needs the scope provide:{name}'
        raise CallError("forbidden", sentence)
    if spec is None and is_ours and not grant.may_join(name):
        command = f"gleitzeitctl token create NAME --scope provide:{name}"
        sentence = f'"{name}" is run by this daemon: disable it, or create a token to join it with'
        raise CallError("forbidden", f'{sentence}: "{command}"')
