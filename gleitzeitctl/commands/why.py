"""`why`: how an instance came to be as it is, with the evidence, and what happens next."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from gleitzeitctl.render import duration, flat, note
from gleitzeitctl.session import Session

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider or instance.")]


def why(context: typer.Context, name: Name) -> None:
    """Tell what happened to a provider, and what happens next.

    Evidence is how a process ended, the last lines it wrote to stderr, and what its checks said.

    \b
    Example:
      gleitzeitctl why calculator
    """
    session = Session.of(context)
    session.show(session.client.get("/v1/why", [("name", name)]), _in_words)


def _in_words(answer: dict[str, Any]) -> None:
    stories = answer["instances"]
    if not stories:
        note("there is no provider yet")
    print("\n\n".join("\n".join(told(story)) for story in stories))


def told(story: dict[str, Any]) -> Iterator[str]:
    yield f"{story['name']} is {story['state']} {_details(story)}"
    if story["reason"]:
        yield f"  {flat(story['reason'])}"
    yield f"  {story['next']}"
    if story.get("source"):
        yield f"  {_source(story['source'])}"
    if story["failed_replacement"]:
        yield f"  It goes on as it was: its replacement failed: {flat(story['failed_replacement'])}"
    if story["history"]:
        yield ""
    said = ""
    for entry in story["history"]:
        yield _line(entry, "" if entry["what"] == said else entry["what"])
        said = entry["what"]
        yield from (f"{'':26}| {flat(line)}" for line in entry["evidence"])


def _source(place: str) -> str:
    if place == "transient":
        return 'It was started by run or add: it goes with the daemon, or with "gleitzeitctl remove".'
    return f"It stands in {flat(place)}."


def _details(story: dict[str, Any]) -> str:
    known = [f"for {duration(story['since'])}"]
    if story["pid"]:
        known.append(f"pid {story['pid']}")
    # what others start has no generations
    if story["generation"]:
        known.append(f"generation {story['generation']}")
        known.append(f"restarted {story['restarts']} times" if story["restarts"] != 1 else "restarted once")
    return f"({', '.join(known)})"


def _line(entry: dict[str, Any], what: str) -> str:
    time = datetime.fromisoformat(entry["time"]).astimezone().strftime("%m-%d %H:%M:%S")
    return f"  {time}  {entry['state']:<8}  #{entry['generation']}  {flat(what)}".rstrip()
