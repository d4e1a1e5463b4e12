"""What comes of a call, as people see it: results and tokens as they come, a failure as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.render import as_json, flat, seen
from gleitzeitctl.session import Session

TRACEBACK = "Traceback (most recent call last):"


@contextmanager
def told_by(name: str, session: Session) -> Iterator[None]:
    """For people, a provider's words are one line with a name before; `--json` has the error as it came."""
    try:
        yield
    except CallError as exc:
        if session.json:
            raise
        message = in_one_line(exc.message)
        # the daemon's own sentence begins with a name in quotes; what a provider raised has its type with it
        is_ours = message.startswith('"') and "type" not in exc.detail
        if is_ours or f'"{name}"' in message or exc.code not in ("provider_error", "unavailable"):
            raise CallError(exc.code, message, exc.detail) from exc
        look = ' (see "gleitzeitctl logs")' if exc.code == "provider_error" else ""
        raise CallError(exc.code, f'"{name}" said: {message}{look}', exc.detail) from exc


def in_one_line(message: str) -> str:
    """A provider's words without the traceback in them, of which the last line says what it was."""
    before, traceback, story = message.partition(TRACEBACK)
    lines = [line for line in story.splitlines() if line.strip()]
    return flat(f"{before} {lines[-1] if lines else ''}" if traceback else message)


def print_on(texts: Iterator[str]) -> None:
    """Print each text as it comes; the line that the last one leaves open is ended, whatever happens."""
    last = "\n"
    try:
        for text in filter(None, map(seen, texts)):
            print(text, end="", flush=True)
            last = text
    finally:
        print(end="" if last.endswith("\n") else "\n")


def until_end(frames: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The frames of a stream, to the one that says it is whole."""
    for frame in frames:
        if "error" in frame:
            raise CallError.read(frame["error"])
        yield frame
        if "end" in frame:
            return
    raise CallError("protocol", "the stream stopped without a word: whether it was whole is not known")


def in_words(frames: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The text to print: tokens run on, anything else has a line of its own."""
    line_start = ""
    for frame in until_end(frames):
        match frame:
            case {"item": str(text) | {"token": str(text)} | {"text": str(text)}}:
                line_start = line_start if not text else "" if text.endswith("\n") else "\n"
                yield text
            case {"item": item}:
                yield f"{line_start}{as_json(item)}\n"
                line_start = ""


def in_json(frames: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The frames as they come, each on a line."""
    return (f"{as_json(frame)}\n" for frame in until_end(frames))


def words_of(result: Any) -> str:
    """A result to print: text as it is, else JSON to be read by people."""
    return result if isinstance(result, str) else as_json(result, indent=2)
