"""What the host does with an extension: it is found, configured, made, and stood for by a provider."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.building import CannotMake, check_names
from gleitzeit_extensions.catalog.meta import ExtensionMeta, Found
from gleitzeit_extensions.catalog.survey import survey
from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.exceptions import ExtensionError
from gleitzeit_extensions.extensions import loading, making
from gleitzeit_extensions.extensions.modules import Modules
from gleitzeit_extensions.extensions.provider import ExtensionProvider
from gleitzeit_extensions.extensions.shelf import Shelf
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

OF_ANY_PROVIDER = ("name", "server_url")
"""What a block may say whether it is declared or not; the daemon has seen that it agrees."""
MISTAKES = (
    *(ArithmeticError, AttributeError, ImportError, LookupError, NameError, SyntaxError, TypeError),
    ValueError,
)
"""What an author's code raises again the next time."""


def make(name: str, paths: Sequence[str], config: dict[str, Any], launch: Launch) -> SocketIOProviderClient:
    """The provider; raises `Misconfigured`, or `CannotMake` where another try may succeed."""
    found = _found(name, paths)
    declared = found.meta.config
    given = {key: value for key, value in config.items() if key in declared or key not in OF_ANY_PROVIDER}
    token = LAUNCH.set(launch)
    try:
        extension = loading.load(found, given).instance
        provider = _itself(extension, found.meta) or ExtensionProvider(extension, found.meta)
    except ExtensionError as exc:
        raised = exc.__cause__
        may_pass = isinstance(raised, Exception) and not isinstance(raised, (*MISTAKES, ExtensionError))
        raise (CannotMake if may_pass else Misconfigured)(str(exc)) from (raised or exc)
    finally:
        LAUNCH.reset(token)
    check_names(provider)
    return provider


def find(name: str, paths: Sequence[str]) -> None:
    """Import the extension, and make nothing of it; raises `Misconfigured`."""
    found = _found(name, paths)
    try:
        loading.require(found)
        making.check(loading.class_of(found, Modules(found.home)), name)
    except ExtensionError as exc:
        raise Misconfigured(str(exc)) from (exc.__cause__ or exc)


def _found(name: str, paths: Sequence[str]) -> Found:
    """Files that only run tell what they are run when the others do not have it. Raises `Misconfigured`."""
    places = [Path(path) for path in paths]
    if found := survey(places).found.get(name):
        return found
    shelf = Shelf.of(places)
    if found := shelf.found.get(name):
        return found
    if broken := [trouble.sentence for trouble in shelf.troubles if trouble.name == name]:
        raise Misconfigured(f'the extension "{name}" cannot be used: {"; ".join(broken)}')
    near = get_close_matches(name, shelf.found, n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    others = "".join(f"; {trouble.sentence}" for trouble in shelf.troubles if not trouble.name)
    raise Misconfigured(f'there is no extension "{name}"{hint}: looked in {", ".join(paths)}{others}')


def _itself(extension: object, meta: ExtensionMeta) -> SocketIOProviderClient | None:
    """One that is a provider needs nobody to stand for it."""
    if not isinstance(extension, SocketIOProviderClient):
        return None
    extension.models = extension.models or [model.name for model in meta.models]
    extension.capabilities = extension.capabilities or list(meta.capabilities)
    extension.description = extension.description or meta.description
    return extension
