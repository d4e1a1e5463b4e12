"""Web pages of others: a browser is told by them to ask us, and says so.

No answer of ours ever has a CORS header, so they could not read what they ask. That must not be all: what a
POST does is done, and a WebSocket is not kept from them at all.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from gleitzeit_extensions.protocol import CallError


def refuse_foreign(request: web.BaseRequest, own_host: str) -> None:
    """Raises CallError `forbidden` for a page of another site; `own_host` is the one the hub is known by."""
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin")
    if origin is not None and _place_in(origin) != host.lower():
        raise CallError("forbidden", f"pages of {origin[:100]!a} may not use this hub: it has another origin")
    # A page whose name is made to point here (DNS rebinding) has the same origin, but not our name.
    if host and _came_by_loopback(request) and not _is_ours(_name_in(host), own_host):
        sentence = f"this hub is not {host[:100]!a}: ask for localhost or the host of default_server_url"
        raise CallError("forbidden", sentence)


def _came_by_loopback(request: web.BaseRequest) -> bool:
    place = request.transport.get_extra_info("sockname") if request.transport else None
    return isinstance(place, tuple) and ipaddress.ip_address(place[0].partition("%")[0]).is_loopback


def _place_in(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ours(name: str, own_host: str) -> bool:
    if name in ("localhost", own_host.lower()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
