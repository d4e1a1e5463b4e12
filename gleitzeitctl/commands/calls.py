"""`providers invoke` and `providers stream`: call a method of whoever has a name."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import a_number_of_seconds, misuse, seconds
from gleitzeitctl.render import as_json
from gleitzeitctl.session import Session

LONGEST_ID = 200
"""Characters of a key or a session, at most."""

LONGEST_SHOWN = 100
"""Characters of wrong arguments that are repeated."""

GRACE = 5.0
"""Seconds that the daemon has beyond a call's deadline to say that it passed."""

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A provider, an instance as calculator#2, a model or a capability."),
]
Method = Annotated[str, typer.Argument(metavar="METHOD", help="What to call.")]
Args = Annotated[
    str,
    typer.Option("--args", metavar="JSON", help="Its arguments as a JSON object; - reads it from stdin."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        parser=a_number_of_seconds,
        help="How long it may take [default: the provider's].",
    ),
]
Idempotent = Annotated[bool, typer.Option("--idempotent", help="It may be repeated if its provider dies.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="However often it is asked for, it is done once.")
]
Belongs = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Calls of one session go to one instance, if sticky."),
]


def invoke(
    context: typer.Context,
    name: Name,
    method: Method,
    args: Args = "{}",
    idempotent: Idempotent = False,
    timeout: Timeout = None,
    key: Key = None,
    belongs: Belongs = None,
) -> None:
    """Call a method and print its result.

    \b
    Example:
      gleitzeitctl providers invoke calculator add --args '{"a": 5, "b": 3}'
    """
    session = Session.of(context)
    body = _body(name, method, args, timeout, idempotent=idempotent, key=key, session=belongs)
    with told_by(name, session):
        answer = session.client.post("/v1/invoke", body, None if timeout is None else timeout + GRACE)
    session.show(answer, lambda answer: print(_words(answer["result"])))


def stream(
    context: typer.Context,
    name: Name,
    method: Method,
    args: Args = "{}",
    idempotent: Idempotent = False,
    timeout: Timeout = None,
    key: Key = None,
    belongs: Belongs = None,
) -> None:
    """Call a method that streams and print what comes.

    Items with a `token` or a `text` run on as text; any other is a line of JSON.

    \b
    Example:
      gleitzeitctl providers stream ollama stream --args '{"prompt": "Hello!"}'
    """
    session = Session.of(context)
    body = _body(name, method, args, timeout, idempotent=idempotent, key=key, session=belongs)
    frames = session.client.follow("/v1/stream", body=body)
    with told_by(name, session):
        print_on((f"{as_json(frame)}\n" for frame in until_end(frames)) if session.json else in_words(frames))


@contextmanager
def told_by(name: str, session: Session) -> Iterator[None]:
    """For people, a provider's own words have a name before them; `--json` shows the error as it came."""
    try:
        yield
    except CallError as exc:
        # the daemon's own sentence begins with a name in quotes; what a provider raised has its type with it
        is_ours = exc.message.startswith('"') and "type" not in exc.detail
        is_named = is_ours or f'"{name}"' in exc.message
        if session.json or is_named or exc.code not in ("provider_error", "unavailable"):
            raise
        look = ' (see "gleitzeitctl logs")' if exc.code == "provider_error" else ""
        raise CallError(exc.code, f'"{name}" said: {exc.message}{look}', exc.detail) from exc


def print_on(texts: Iterator[str]) -> None:
    """Print each text as it comes; the line that the last one leaves open is ended, whatever happens."""
    last = "\n"
    try:
        for text in filter(None, texts):
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
            case {"item": {"token": str(text)} | {"text": str(text)}}:
                line_start = line_start if not text else "" if text.endswith("\n") else "\n"
                yield text
            case {"item": item}:
                yield f"{line_start}{as_json(item)}\n"
                line_start = ""


def _body(name: str, method: str, args: str, timeout: float | None, **options: object) -> dict[str, Any]:
    """The body of a call, without the options that were not given."""
    if not name:
        raise misuse("the name of whom to call is missing")
    for option in ("key", "session"):
        value = options[option]
        if isinstance(value, str) and not 0 < len(value) <= LONGEST_ID:
            raise misuse(f"--{option} takes 1 to {LONGEST_ID} characters, not {len(value)}")
    given = {"timeout": seconds(timeout), **options}
    wanted = {option: value for option, value in given.items() if value not in (None, False)}
    return {"target": name, "method": method, "args": _object(args), **wanted}


def _object(given: str) -> dict[str, Any]:
    why = ""
    try:
        # the bytes as they were given: they are UTF-8 whatever the locale says
        value = json.loads(_from_stdin() if given == "-" else os.fsencode(given), parse_constant=_no_constant)
        if isinstance(value, dict):
            return value
    except (ValueError, RecursionError) as exc:
        why = f" ({exc})"
    given = "what stdin says" if given == "-" else given
    what = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
    example = """for example --args '{"a": 5, "b": 3}'"""
    raise misuse(f"--args takes a JSON object, not {what or 'nothing'}{why}: {example}")


def _from_stdin() -> bytes:
    # there is none when it was closed
    return sys.stdin.buffer.read() if sys.stdin else b""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _words(result: Any) -> str:
    return result if isinstance(result, str) else as_json(result, indent=2)
