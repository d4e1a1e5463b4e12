"""What a life is started with: its program, its environment, and what the SDK's host has to know."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

from gleitzeit_extensions import places
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, House, Spec
from gleitzeitd.processes.containment.marker import marker
from gleitzeitd.processes.environment import child_environment
from gleitzeitd.processes.launch import Launch

HOST = ("-P", "-m", "gleitzeit_extensions.host")
"""How Python is called to run a class or an extension."""


class Launches:
    def __init__(
        self, house: House, control: str, expect: Callable[[Spec, str, int], str], *, search_here: bool
    ) -> None:
        """`control`: see Daemon, as `search_here`; `expect`: the hub's, which gives a life its token."""
        self._configured_url = house.server_url
        self._directory = os.path.dirname(os.path.abspath(house.path))
        self._hub_socket = places.hub_socket(control)
        self._expect = expect
        self._search_here = search_here
        self.hub_url = ""
        """Where the hub listens, once it does."""

    def launch(self, spec: Spec, instance: str, generation: int) -> Launch:
        """Raises ConfigError for a spec with mistakes."""
        if spec.mistakes:
            raise ConfigError(spec.mistakes)
        token = self._expect(spec, instance, generation)
        environment = child_environment(os.environ, spec)
        if not isinstance(spec.target, CommandTarget):
            # Two saves within a second look alike to Python's cache of compiled modules.
            uncached = ("-B",) if spec.watch else ()
            argv: tuple[str, ...] = (spec.python or sys.executable, *uncached, *HOST)
            stdin = json.dumps(self._context(spec, spec.target, instance, token)).encode() + b"\n"
        else:
            argv, stdin = spec.target.argv, b""
            environment = {**environment, **self._address(token), **spec.env}
        return Launch(
            argv,
            environment,
            marker(instance, generation),
            spec.cwd,
            stdin,
            spec.identity,
            spec.limits,
            given=frozenset(spec.env),
        )

    def python_path(self, spec: Spec) -> list[str]:
        """Where its modules are looked for first."""
        here = (os.getcwd(),) if self._search_here else ()
        return [*spec.python_path, self._directory, *here]

    def _address(self, token: str) -> dict[str, str]:
        """What a command needs to register with the hub, if it wants to."""
        return {
            "GLEITZEIT_HUB_URL": self.hub_url,
            "GLEITZEIT_HUB_SOCKET": self._hub_socket,
            "GLEITZEIT_TOKEN": token,
        }

    def _context(
        self, spec: Spec, target: ClassTarget | ExtensionTarget, instance: str, token: str
    ) -> Mapping[str, object]:
        """It goes over stdin, so that no secret shows elsewhere."""
        is_any_port = self._configured_url.endswith(":0")
        return {
            "instance": instance,
            "name": spec.name,
            "type": spec.type,
            **_runs(target),
            "config": spec.config,
            "description": spec.description,
            "auto_discover_models": spec.auto_discover_models,
            "python_path": self.python_path(spec),
            "hub_socket": self._hub_socket,
            "server_url": self.hub_url if is_any_port else self._configured_url,
            "token": token,
        }


def _runs(target: ClassTarget | ExtensionTarget) -> Mapping[str, object]:
    match target:
        case ClassTarget():
            return {"class": target.path}
        case ExtensionTarget():
            return {"extension": {"name": target.name, "paths": target.paths}}
