"""Text from the bytes of the web, by the charset that they are in."""

from __future__ import annotations

import codecs
import re

BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

META = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?\s*([a-z0-9_:.-]{1,40})",
    re.IGNORECASE,
)

IN_HEADER = re.compile(r"charset\s*=\s*\"?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)

KNOWN = re.compile(
    r"utf-(8|16|32)|iso8859|cp\d|koi8|kz1048|mac|gb|big5|euc|shift_jis|johab|tis|iso2022|ascii"
)
"""Names that Python has for charsets; among its others are `idna`, `punycode` and `unicode_escape`."""

WINDOWS = {"ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254"}
"""As browsers have it: who says Latin-1 means Windows."""


def text(body: bytes, content_type: str) -> str:
    """What cannot be decoded is replaced."""
    for bom, unicode in BOMS.items():
        if body.startswith(bom):
            return body[len(bom) :].decode(unicode, errors="replace")
    if name := _said(content_type) or _meant(body):
        return body.decode(name, errors="replace")
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        # A character that was cut at the end is no sign of another charset.
        is_cut = exc.end == len(body) and exc.reason == "unexpected end of data"
        return body.decode("utf-8" if is_cut else "cp1252", errors="replace")


def _said(content_type: str) -> str | None:
    found = IN_HEADER.search(content_type)
    return _usable(found[1]) if found else None


def _meant(body: bytes) -> str | None:
    found = META.search(body[:2048])
    name = _usable(found[1].decode()) if found else None
    # What is read byte by byte up to here cannot be UTF-16, whatever it says.
    return "utf-8" if name and name.startswith(("utf-16", "utf-32")) else name


def _usable(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    return WINDOWS.get(name, name) if KNOWN.match(name) else None
