"""`providers invoke` and `providers stream`: call a method of whoever has a name."""

from typing import Annotated, Any

import typer

from gleitzeitctl.answers import in_json, in_words, print_on, told_by, words_of
from gleitzeitctl.call import Whom, arguments_of, saying
from gleitzeitctl.complaint import a_number_of_seconds, misuse, seconds
from gleitzeitctl.render import seen
from gleitzeitctl.session import Session

LONGEST_ID = 200
"""Characters of a key or a session, at most."""

GRACE = 5.0
"""Seconds that the daemon has beyond a call's deadline to say that it passed."""

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A provider, an instance as calculator#2, a model or a capability."),
]
Method = Annotated[
    str | None,
    typer.Argument(metavar="METHOD", help="What to call; it stands alone where --model says whom."),
]
Pairs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE...",
        help="Arguments, each of the type that the method takes; KEY:=JSON is JSON in any case.",
    ),
]
Args = Annotated[
    str,
    typer.Option(
        "--args",
        metavar="JSON",
        help="Arguments as a JSON object; @FILE has it in a file, - on stdin. KEY=VALUE goes before it.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Whom to call instead of NAME; beside NAME, the argument model of the method.",
    ),
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
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="However often it is asked for, it is done once."),
]
Belongs = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Calls of one session go to one instance, if sticky."),
]


def invoke(
    context: typer.Context,
    name: Name,
    method: Method = None,
    pairs: Pairs = None,
    args: Args = "{}",
    model: Model = None,
    timeout: Timeout = None,
    idempotent: Idempotent = False,
    key: Key = None,
    belongs: Belongs = None,
) -> None:
    """Call a method and print its result.

    \b
    Example:
      gleitzeitctl providers invoke calculator add a=5 b=3
    """
    session, whom = Session.of(context), Whom.of(name, method, pairs or [], model)
    options = _options(timeout, idempotent=idempotent, key=key, session=belongs)
    with told_by(whom.name, session):
        arguments, guessed = arguments_of(session.client, whom, args)
        with saying(guessed):
            body = {**whom.wire(), "args": arguments, **options}
            answer = session.client.post("/v1/invoke", body, None if timeout is None else timeout + GRACE)
    session.show(answer, lambda answer: print(seen(words_of(answer["result"]))))


def stream(
    context: typer.Context,
    name: Name,
    method: Method = None,
    pairs: Pairs = None,
    args: Args = "{}",
    model: Model = None,
    timeout: Timeout = None,
    idempotent: Idempotent = False,
    key: Key = None,
    belongs: Belongs = None,
) -> None:
    """Call a method that streams and print what comes.

    Text, also as the `token` or the `text` of an item, runs on; any other item is a line of JSON.

    \b
    Example:
      gleitzeitctl providers stream ollama stream prompt='Hello!'
    """
    session, whom = Session.of(context), Whom.of(name, method, pairs or [], model)
    options = _options(timeout, idempotent=idempotent, key=key, session=belongs)
    with told_by(whom.name, session):
        arguments, guessed = arguments_of(session.client, whom, args)
        with saying(guessed):
            frames = session.client.follow("/v1/stream", body={**whom.wire(), "args": arguments, **options})
            print_on(in_json(frames) if session.json else in_words(frames))


def _options(timeout: float | None, **options: object) -> dict[str, Any]:
    """What was said of the call beside its arguments. Raises Complaint."""
    for option, written in (("key", "--idempotency-key"), ("session", "--session")):
        value = options[option]
        if isinstance(value, str) and not 0 < len(value) <= LONGEST_ID:
            raise misuse(f"{written} takes 1 to {LONGEST_ID} characters, not {len(value)}")
    said = {"timeout": seconds(timeout), **options}
    return {option: value for option, value in said.items() if value not in (None, False)}
