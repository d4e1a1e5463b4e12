"""The rules about `ready` and `health`: what each kind of check needs, and what it has no use for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gleitzeitd.config.block import Block
from gleitzeitd.config.commands import wrong_with
from gleitzeitd.config.place import Path, Problem
from gleitzeitd.core.spec import CheckKind

_KIND_OF = {"url": CheckKind.HTTP, "host": CheckKind.TCP, "port": CheckKind.TCP, "command": CheckKind.EXEC}
_NEEDED = {CheckKind.HTTP: "url", CheckKind.TCP: "port", CheckKind.EXEC: "command"}
_OF_A_REPEATED_CHECK = ("interval", "timeout", "failures", "successes")


def of_another_kind(own: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Path]:
    """What the defaults say of a check that is none of the kind that the block says itself."""
    for section in ("ready", "health"):
        ours, theirs = own.get(section), common.get(section)
        kind = ours.get("kind") if isinstance(ours, dict) else None
        if kind is None or not isinstance(theirs, dict):
            continue
        if kind != theirs.get("kind", CheckKind.PROVIDER):
            yield from ((section, key) for key in _KIND_OF)
        if section == "ready" and kind == CheckKind.PROVIDER:
            yield from ((section, key) for key in _OF_A_REPEATED_CHECK)


def ready(block: Block) -> Iterator[Problem]:
    yield from _keys(block, "ready")
    if _kind(block, "ready") is CheckKind.PROVIDER:
        for key in _OF_A_REPEATED_CHECK:
            if block.section("ready").get(key) is not None:
                sentence = "is of no use here: kind provider waits until it registers, and asks nothing"
                yield block.problem(("ready", key), sentence, key=True)


def health(block: Block) -> Iterator[Problem]:
    yield from _keys(block, "health")
    is_asked = _kind(block, "health") is CheckKind.PROVIDER
    if is_asked and "command" in block.given and _kind(block, "ready") is not CheckKind.PROVIDER:
        sentence = (
            "a command can be asked over the hub only if it registers there: "
            "add `ready: {kind: provider}`, or choose the kind http, tcp or exec"
        )
        yield block.problem(("health",), sentence, key=True)


def _kind(block: Block, section: str) -> CheckKind | None:
    """The kind of the check; None when there is no such check, or no such kind."""
    given = block.get(section)
    kind = given.get("kind", CheckKind.PROVIDER) if isinstance(given, dict) else None
    return CheckKind(kind) if isinstance(kind, str) and kind in list(CheckKind) else None


def _keys(block: Block, section: str) -> Iterator[Problem]:
    kind, given = _kind(block, section), block.section(section)
    if kind is None:
        return
    for key, owner in _KIND_OF.items():
        if given.get(key) is not None and owner is not kind:
            sentence = f"is for a check of kind {owner}, and this one is of kind {kind}"
            yield block.problem((section, key), sentence, key=True)
    if (needed := _NEEDED.get(kind)) and given.get(needed) is None:
        yield block.problem((section,), f"a check of kind {kind} needs `{needed}`", key=True)
    for key, sentence in _values(given, block.as_written((section, "command"))):
        yield block.problem((section, key), sentence)


def _values(given: Mapping[str, Any], command: Any) -> Iterator[tuple[str, str]]:
    url, host = given.get("url"), given.get("host")
    if isinstance(url, str) and not _is_url(url):
        yield "url", 'must be a URL such as "http://127.0.0.1:8080/health"'
    if isinstance(host, str) and not _is_host(host):
        yield "host", "must be the name or the address of a host, such as 127.0.0.1"
    if sentence := wrong_with(given.get("command"), command):
        yield "command", sentence


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    # urlsplit takes out what is not printable, and lets spaces be.
    is_clean = url.isprintable() and " " not in url
    return is_clean and parts.scheme in ("http", "https") and port != 0 and _is_host(host)


def _is_host(host: str) -> bool:
    try:
        if ":" in host:
            return bool(ipaddress.IPv6Address(host))
        return bool(host.encode("idna")) and host.isprintable() and not set(host) & set(" /@?#[]")
    except ValueError:
        return False
