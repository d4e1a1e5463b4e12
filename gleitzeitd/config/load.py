"""From the files of a config to the house it wants: found, read, evaluated, and made into specs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping

from gleitzeitd.config import schema
from gleitzeitd.config.document import compose
from gleitzeitd.config.evaluate import Evaluated, Judged, evaluate
from gleitzeitd.config.extensions import Chosen, declared
from gleitzeitd.config.gather import Files, gather
from gleitzeitd.config.lookups import Outside, Secret, beside, read_secret
from gleitzeitd.config.masked import Declared
from gleitzeitd.config.settings import settings
from gleitzeitd.config.wanted import spec
from gleitzeitd.core.errors import ConfigError, GleitzeitError
from gleitzeitd.core.spec import TRANSIENT, CommandTarget, House, Spec, Tls

NAMES = ("config/providers.yaml", "providers.yaml")


def find(given: str | None, flag: str, *, service: bool = False) -> str:
    """The config file: what is given, `$GLEITZEIT_CONFIG`, or the first that exists of the usual places.

    `flag`: how one is named by whoever asks. A `service` that root starts without either reads /etc alone, so
    that a stray file in its current directory is never run as root. Raises ConfigError when there is none.
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
    way_out = f'name one with {flag} FILE, or write one with "gleitzeit config create"'
    raise ConfigError((f"there is no config file (looked for {looked}): {way_out}",))


def load(path: str, transient: str = "") -> House:
    """The house that the file wants. Raises ConfigError with every mistake that refuses it, in their order.

    What hurts one provider only, such as a variable that is not set, is in the `mistakes` of its spec.
    """
    files = gather(path, transient)
    whole, secrets, refused = _evaluated_but_for(path, files, transient)
    saved = tuple(file for file in files if os.path.dirname(file[0]) != transient) if transient else files
    common = whole.settings
    enabled = [judged for judged in whole.providers if judged.block.is_enabled]
    disabled = [judged for judged in whole.providers if not judged.block.is_enabled]
    return House(
        path=path,
        specs=(*(_spec(judged, transient) for judged in enabled), *refused),
        server_url=common.default_server_url.rstrip("/"),
        tls=_tls(path, common.hub.tls),
        max_connections=common.hub.max_connections,
        auto_start=common.auto_start,
        parallel_starts=common.parallel_starts,
        disabled=frozenset(judged.block.name for judged in disabled),
        settings={
            "auto_start": common.auto_start,
            "default_server_url": common.default_server_url.rstrip("/"),
            "hub": common.hub.model_dump(),
            "parallel_starts": common.parallel_starts,
        },
        secrets=tuple(secrets),
        extension_paths=whole.extension_paths,
        mark=_mark(files, secrets, whole.extension_mark),
        saved_mark=_mark(saved, secrets, whole.extension_mark),
        transient=transient,
    )


def _tls(path: str, given: schema.Tls | None) -> Tls | None:
    return None if given is None else Tls(beside(path, given.certificate), beside(path, given.key))


def evaluated(path: str, files: Files, transient: str = "") -> tuple[Evaluated, Mapping[str, Secret]]:
    """What the files mean, and the secrets that were read for it. Raises ConfigError as `load` does."""
    document, problems = compose(files, transient)
    outside = Outside(path, os.environ)
    return evaluate(document, outside.lookups, problems), outside.secrets


def _evaluated_but_for(
    path: str, files: Files, transient: str
) -> tuple[Evaluated, Mapping[str, Secret], list[Spec]]:
    """As `evaluated`, of all files but those of `transient` that are refused, and what is wrong with these.

    What was run in passing, in a directory that is gone since, must not keep people's files from being read.
    """
    refused = list[Spec]()
    while True:
        try:
            return (*evaluated(path, files, transient), refused)
        except ConfigError as exc:
            wrong = {file: _about(file, exc) for file, _ in files if os.path.dirname(file) == transient}
            if not transient or not any(wrong.values()):
                raise
        refused += [_unusable(file, told) for file, told in wrong.items() if told]
        files = tuple(file for file in files if not wrong.get(file[0]))


def _about(file: str, exc: ConfigError) -> tuple[str, ...]:
    return tuple(problem for problem in exc.problems if problem.startswith(f"{file}:"))


def _unusable(file: str, problems: tuple[str, ...]) -> Spec:
    name = os.path.splitext(os.path.basename(file))[0]
    return Spec(name, "tool", CommandTarget(()), mistakes=problems, where=TRANSIENT)


def declared_secrets(path: str) -> Declared:
    """What the extensions that the config names declare to be secret; nothing when the files are refused."""
    try:
        whole, _ = evaluated(path, gather(path))
    except GleitzeitError:
        return frozenset()
    blocks = [judged.block for judged in whole.providers]
    return frozenset(
        ("providers", block.name, "config", field) for block in blocks for field in block.secrets
    )


def fingerprint(
    path: str, secrets: Iterable[str] = (), extension_paths: Iterable[str] = (), transient: str = ""
) -> bytes:
    """The mark of the house that `load` would make now, if it used these secrets and extensions.

    Raises ConfigError for what cannot be read.
    """
    files = gather(path, transient)
    return _mark(files, {secret: read_secret(secret) for secret in secrets}, declared(extension_paths))


def _mark(files: Files, secrets: Mapping[str, Secret], extensions: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for name, held in (*files, *secrets.items()):
        raw = str(held).encode("utf-8", "surrogateescape") if isinstance(held, ConfigError) else held
        digest.update(f"{len(name)} {len(raw)} {type(held).__name__} ".encode())
        digest.update(os.fsencode(name) + raw)
    digest.update(extensions)
    return digest.digest()


def _spec(judged: Judged, transient: str) -> Spec:
    block, provider = judged.block, judged.provider
    where = block.document.where(block.at, key=True).rpartition(":")[0]
    if transient and os.path.dirname(where) == transient:
        where = TRANSIENT
    target = judged.extension.target if judged.extension else None
    keys = {**settings(provider), **_declared(judged.extension)}
    return spec(block.name, provider, target, where, keys, judged.mistakes)


def _declared(extension: Chosen | None) -> dict[str, str]:
    """What takes a new process, though it stands in no file of the config."""
    if extension is None:
        return {}
    target = extension.target
    place = target.home or os.pathsep.join(target.paths)
    return {"extension.place": place, "extension.declares": extension.declared}
