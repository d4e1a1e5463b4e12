"""What a file holds and is, in the words of a call: text or base64, and a few fields."""

from __future__ import annotations

import base64
import binascii
import os
import re
from datetime import UTC, datetime
from typing import Any, Literal

from gleitzeit_extensions import InvalidRequest
from providers.file_roots import Place, kind

CHARACTER = 4
"""Bytes that one may have in UTF-8."""

Encoding = Literal["text", "base64"]
Item = dict[str, Any]


def described(place: Place, status: os.stat_result) -> Item:
    return {
        "path": str(place),
        "type": kind(status),
        "size": status.st_size,
        "modified": _as_time(status.st_mtime),
        "mode": f"{status.st_mode & 0o7777:o}",
    }


def _as_time(seconds: float) -> str | None:
    """As ISO 8601; None for one that no calendar has, as a damaged disk may."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None


def read(handle: int, offset: int, most: int) -> bytes:
    """So many bytes, unless the file ends before; a single call may give fewer."""
    data = bytearray()
    while len(data) < most and (more := os.pread(handle, most - len(data), offset + len(data))):
        data += more
    return bytes(data)


def whole_characters(data: bytes) -> bytes:
    """Without the beginning of a character at the end, which the next part begins with."""
    try:
        data.decode()
    except UnicodeDecodeError as exc:
        if exc.reason == "unexpected end of data":
            return data[: exc.start]
    return data


def text_of(data: bytes, place: Place) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest(
            f'"{place}" is no UTF-8 text at byte {exc.start} of what was read: read it with encoding "base64"'
        ) from exc


def bytes_of(content: str, encoding: Encoding) -> bytes:
    try:
        return content.encode() if encoding == "text" else base64.b64decode(content, validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as exc:
        raise InvalidRequest(f"the content is not {encoding}: {exc}") from exc


def rights(mode: str | None) -> int | None:
    if mode is None:
        return None
    if not re.fullmatch("0?[0-7]{3}", mode, re.ASCII):
        raise InvalidRequest(f'the mode "{mode:.20}" is none: write three digits from 0 to 7, such as 640')
    return int(mode, 8)
