"""From a file to the house it wants: read, validate, then check what only the whole can show."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import ValidationError

from gleitzeitd.config import schema
from gleitzeitd.config.complaint import complaints
from gleitzeitd.config.document import Document, Path, read
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, House, Policy, Routing, Rules, Spec

NAMES = ("config/providers.yaml", "providers.yaml")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


def find(given: str | None, *, service: bool = False) -> str:
    """The config file: what is given, `$GLEITZEIT_CONFIG`, or the first that exists of the usual places.

    A `service` that root starts without either reads /etc alone, so that a stray file in its current
    directory is never run as root. Raises ConfigError when there is none.
    """
    if chosen := given or os.environ.get("GLEITZEIT_CONFIG"):
        return chosen
    home = os.path.expanduser("~/.config/gleitzeit/providers.yaml")
    system = "/etc/gleitzeit/providers.yaml"
    places = (system,) if service and os.geteuid() == 0 else (*NAMES, home, system)
    for place in places:
        if os.path.exists(place):
            return place
    looked = ", ".join(places)
    raise ConfigError(
        (f"there is no config file (looked for {looked}): name one with --provider-config FILE",)
    )


def load(path: str) -> House:
    """The house that the file wants. Raises ConfigError with every mistake in it."""
    document = read(path)
    if document.data is None:
        raise ConfigError((f"{path}:1:1: the file is empty: it needs a section `providers`",))
    try:
        file = schema.File.model_validate(document.data)
    except ValidationError as exc:
        raise ConfigError(complaints(document, exc, schema.File)) from exc
    problems = tuple(Review(document, file).problems())
    if problems:
        raise ConfigError(problems)
    return _house(document, file)


@dataclass(frozen=True)
class Review:
    """The rules that types alone cannot state. Each gives sentences."""

    document: Document
    file: schema.File

    def problems(self) -> Iterator[str]:
        yield from self._server_url()
        for name, provider in self.file.providers.items():
            yield from self._name(name)
            yield from self._target(name, provider)
            yield from self._command(name, provider)
            yield from self._told_twice(name, provider)
            yield from self._cwd(name, provider)

    def _say(self, path: Path, sentence: str, *, key: bool = False) -> str:
        return f"{self.document.at(path, key=key)}: {'.'.join(map(str, path))}: {sentence}"

    def _server_url(self) -> Iterator[str]:
        try:
            parts = urlsplit(self.file.global_.default_server_url)
            fine = parts.scheme == "http" and parts.hostname and parts.path in ("", "/")
            _ = parts.port
        except ValueError:
            fine = False
        if not fine:
            yield self._say(("global", "default_server_url"), "must look like http://localhost:8000")

    def _name(self, name: str) -> Iterator[str]:
        if not _NAME.fullmatch(name) or len(name) > 100 or name == "all":
            rule = "letters, digits, _ . and - (not at the ends), at most 100, and not the word all"
            yield self._say(("providers", name), f"a provider's name is made of {rule}", key=True)

    def _target(self, name: str, provider: schema.Provider) -> Iterator[str]:
        given = [key for key in ("class", "command") if key in self.document.data["providers"][name]]
        if len(given) != 1:
            both = "has both `class` and `command`" if given else "has neither `class` nor `command`"
            yield self._say(("providers", name), f"{both}: give exactly one of them", key=True)

    def _command(self, name: str, provider: schema.Provider) -> Iterator[str]:
        path = ("providers", name, "command")
        if isinstance(provider.command, str):
            try:
                lexer = shlex.shlex(provider.command, posix=True, punctuation_chars=True)
                lexer.whitespace_split = True
                words = list(lexer)
            except ValueError as exc:
                yield self._say(path, f"cannot be split into words: {str(exc).lower()}")
                return
            if any(set(word) <= set("();<>|&") for word in words if word):
                remedy = f"write command: [sh, -c, {shlex.quote(provider.command)}]"
                yield self._say(path, f"is not run by a shell: {remedy}")
        if provider.command is not None and not _argv(provider.command):
            yield self._say(path, "is empty: name a program")
        elif provider.command is not None and any("\0" in word for word in _argv(provider.command)):
            yield self._say(path, "has a NUL character, which no argument can have")

    def _told_twice(self, name: str, provider: schema.Provider) -> Iterator[str]:
        """What the class is told in `config` and what the daemon knows must agree."""
        path = ("providers", name, "config")
        told = provider.config.get("name", name)
        if told != name:
            yield self._say(
                (*path, "name"), f'is "{told}", but the block is called "{name}": make them equal'
            )
        url = self.file.global_.default_server_url
        told = provider.config.get("server_url", url)
        if provider.class_ and str(told).rstrip("/") != url.rstrip("/"):
            sentence = f'is "{told}", but this daemon listens at "{url}": make them equal or leave it out'
            yield self._say((*path, "server_url"), sentence)

    def _cwd(self, name: str, provider: schema.Provider) -> Iterator[str]:
        if provider.cwd is not None and not os.path.isdir(_beside(self.document.path, provider.cwd)):
            yield self._say(("providers", name, "cwd"), f'there is no directory "{provider.cwd}"')


def _argv(command: list[str] | str) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else command)


def _beside(path: str, other: str) -> str:
    """`other` as seen from the config file's directory."""
    return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(other))


def _house(document: Document, file: schema.File) -> House:
    wanted = {name: provider for name, provider in file.providers.items() if provider.enabled}
    return House(
        path=document.path,
        specs=tuple(_spec(document, file.global_, name, provider) for name, provider in wanted.items()),
        server_url=file.global_.default_server_url.rstrip("/"),
        auto_start=file.global_.auto_start,
        disabled=frozenset(file.providers) - frozenset(wanted),
    )


def _spec(document: Document, common: schema.Global, name: str, provider: schema.Provider) -> Spec:
    target = ClassTarget(provider.class_) if provider.class_ else CommandTarget(_argv(provider.command or []))
    return Spec(
        name=name,
        type=provider.type,
        target=target,
        rules=_rules(common, provider),
        routing=Routing(**dict(provider.routing)),
        config=provider.config,
        description=provider.description,
        auto_discover_models=provider.auto_discover_models,
        health_interval=common.health_check_interval,
        env={key: _text(value) for key, value in provider.env.items()},
        cwd=_beside(document.path, provider.cwd) if provider.cwd else None,
        python_path=tuple(_beside(document.path, path) for path in provider.python_path),
        where=document.at(("providers", name), key=True).rsplit(":", 1)[0],
    )


def _rules(common: schema.Global, provider: schema.Provider) -> Rules:
    restart, stop = provider.restart, provider.stop
    attempts, timeout = provider.max_retry_attempts, provider.connection_timeout
    return Rules(
        registers=provider.class_ is not None,
        start_seconds=provider.start_seconds,
        connection_timeout=common.connection_timeout if timeout is None else timeout,
        policy=restart.policy or (Policy.ALWAYS if common.auto_restart else Policy.NEVER),
        initial=restart.initial,
        max_delay=restart.max_delay,
        reset_after=restart.reset_after,
        intensity=restart.intensity,
        period=restart.period,
        max_retry_attempts=common.max_retry_attempts if attempts is None else attempts,
        stop_signal=stop.signal,
        stop_timeout=stop.timeout,
        drain_timeout=stop.drain_timeout,
    )


def _text(value: str | float | bool) -> str:
    """A variable's value as the file shows it: `true`, not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
