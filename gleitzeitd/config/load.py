"""From a file to the house it wants: read, validate, then check what only the whole can show."""

from __future__ import annotations

import os

from pydantic import ValidationError

from gleitzeitd.config import schema
from gleitzeitd.config.complaint import complaints
from gleitzeitd.config.document import Problem, read
from gleitzeitd.config.review import review
from gleitzeitd.config.wanted import house
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import House

NAMES = ("config/providers.yaml", "providers.yaml")


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
    flag = "--config" if service else "--provider-config"
    raise ConfigError((f"there is no config file (looked for {looked}): name one with {flag} FILE",))


def load(path: str) -> House:
    """The house that the file wants. Raises ConfigError with every mistake in it, in its order."""
    document = read(path)
    if document.data is None:
        raise ConfigError((f"{path}:1:1: the file is empty: it needs a section `providers`",))
    problems: set[Problem] = set(review(document))
    try:
        file = schema.File.model_validate(document.data)
    except ValidationError as exc:
        problems.update(complaints(document, exc, schema.File))
        raise _error(problems) from exc
    if problems:
        raise _error(problems)
    return house(document, file)


def _error(problems: set[Problem]) -> ConfigError:
    return ConfigError(tuple(problem.text for problem in sorted(problems)))
