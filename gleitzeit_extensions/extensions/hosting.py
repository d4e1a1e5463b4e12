"""What the host does with an extension: it is found, configured, made, and stood for by a provider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gleitzeit_extensions import building
from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.catalog.meta import ExtensionMeta, Found
from gleitzeit_extensions.catalog.survey import survey
from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.exceptions import ExtensionError
from gleitzeit_extensions.extensions import loading, making
from gleitzeit_extensions.extensions.modules import Modules
from gleitzeit_extensions.extensions.provider import ExtensionProvider, capabilities
from gleitzeit_extensions.extensions.shelf import Shelf
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

OF_ANY_PROVIDER = ("name", "server_url")
"""What a block may say whether it is declared or not; the daemon has seen that it agrees."""


def make(name: str, paths: Sequence[str], config: dict[str, Any], launch: Launch) -> SocketIOProviderClient:
    """The provider; raises `Misconfigured`, or `CannotMake` where another try may succeed."""
    found = _found(name, paths)
    given = {key: config[key] for key in _own(found, config)}
    token = LAUNCH.set(launch)
    try:
        extension = loading.load(found, given).instance
        provider = (
            extension
            if isinstance(extension, SocketIOProviderClient)
            else ExtensionProvider(extension, found.meta)
        )
    except making.NotMade as exc:
        raise building.failed(exc.raised)(str(exc)) from exc.raised
    except ExtensionError as exc:
        raise Misconfigured(str(exc)) from (exc.__cause__ or exc)
    finally:
        LAUNCH.reset(token)
    building.check(provider, launch)
    _complete(provider, found.meta)
    return provider


def find(name: str, paths: Sequence[str], given: Iterable[str]) -> None:
    """Import the extension, and make nothing of it.

    `given` are the names of its values. Raises `Misconfigured`, also where it takes no such values.
    """
    found = _found(name, paths)
    try:
        loading.require(found)
        making.refuse_unknown(loading.class_of(found, Modules(found.home)), found, _own(found, given))
    except ExtensionError as exc:
        raise Misconfigured(str(exc)) from (exc.__cause__ or exc)


def _found(name: str, paths: Sequence[str]) -> Found:
    """Files that only run tell what they are run when the others do not have it. Raises `Misconfigured`."""
    places = [Path(path) for path in paths]
    if found := survey(places).found.get(name):
        return found
    try:
        return Shelf.of(places).take(name)
    except ExtensionError as exc:
        raise Misconfigured(str(exc)) from exc


def _own(found: Found, given: Iterable[str]) -> list[str]:
    return [key for key in given if key in found.meta.config or key not in OF_ANY_PROVIDER]


def _complete(provider: SocketIOProviderClient, meta: ExtensionMeta) -> None:
    """What a provider leaves open, its extension declares."""
    provider.models = provider.models or [model.name for model in meta.models]
    provider.capabilities = provider.capabilities or capabilities(meta)
    provider.description = provider.description or meta.description
