"""The bytes that Redis keeps, as JSON: text, or `{"base64": "..."}` for what is not UTF-8."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

from gleitzeit_extensions import InvalidRequest

LONGEST = 10 * 365 * 24 * 3600.0
"""Seconds until a key expires; Redis itself fails beyond its clock's range."""


def as_bytes(value: Any) -> bytes:
    match value:
        case str():
            text = value
        case {"base64": str(encoded), **others} if not others:
            try:
                return base64.b64decode(encoded, validate=True)
            except ValueError as exc:
                raise InvalidRequest(f"this is no base64: {exc}") from exc
        case _:
            try:
                text = json.dumps(value, ensure_ascii=False)
            except RecursionError as exc:
                raise InvalidRequest("a value is nested too deeply") from exc
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest(f"a text has no form in UTF-8: {exc.reason}") from exc


def as_value(data: bytes | None) -> Any:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data or b"").decode()}


def shown(name: bytes) -> str:
    """A name of something; bytes that are not UTF-8 are seen as `\\\\xff`."""
    return name.decode(errors="backslashreplace")


def escaped(text: str) -> str:
    """A pattern that only `text` fits."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def milliseconds(seconds: float) -> int:
    if not 0.001 <= seconds <= LONGEST:
        raise InvalidRequest(f"seconds have to be from 0.001 to {LONGEST:,.0f} (ten years), not {seconds:g}")
    return round(seconds * 1000)


def number(score: float) -> float | str:
    """JSON has no infinity."""
    return score if math.isfinite(score) else str(score)
