"""What a new provider, its module and its class are called, out of one name that somebody typed."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec

from gleitzeitctl.complaint import misuse

KINDS = ("provider", "extension")
"""Words that a class ends with, so that it is called like nothing that it uses."""


@dataclass(frozen=True)
class Names:
    name: str
    """Of the provider, in its config and for callers."""
    module: str
    cls: str

    @property
    def variable(self) -> str:
        """What its environment variables begin with."""
        return self.module.upper()


def names(given: str, kind: str) -> Names:
    """As near to what was typed as may be; `kind` is `provider` or `extension`. Raises Complaint."""
    from gleitzeitd.core.spec import NAME_RULE, is_name

    plain = unicodedata.normalize("NFKD", given).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")
    if not name.strip("_") or not is_name(name):
        raise misuse(f"{given!r:.120} can be no provider's name: it is made of {NAME_RULE}")
    words = _words(name)
    if words[0][0].isdigit():
        words = [kind, *words]
    if keyword.iskeyword("_".join(words)) or keyword.issoftkeyword("_".join(words)):
        words = [*words, kind]
    module = "_".join(words)
    _demand_free(module)
    ending = [] if words[-1] in KINDS else [kind]
    return Names(name, module, "".join(word.capitalize() for word in [*words, *ending]))


def _words(name: str) -> list[str]:
    """`my-llm`, `my_llm` and `MyLLM` are the same two."""
    humps = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [word.lower() for word in re.split(r"[_.-]+", humps) if word]


def _demand_free(module: str) -> None:
    """Two modules of one name would hide each other from whoever imports them."""
    other = "of Python itself" if module in sys.stdlib_module_names else _installed(module)
    if other:
        raise misuse(f"there is a module {module} {other}, which yours would hide: choose another name")


def _installed(module: str) -> str | None:
    found = find_spec(module)
    # Without an origin it is a mere directory, such as the one that is about to be made.
    return f"at {found.origin}" if found is not None and found.origin else None
