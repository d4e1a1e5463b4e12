"""`providers create-template`: a new provider that runs, is tested, and waits to be changed."""

import os
import shlex
from typing import Annotated, Any, Literal

import typer

from gleitzeitctl.commands.template_files import files, write
from gleitzeitctl.commands.template_names import names
from gleitzeitctl.complaint import misuse
from gleitzeitctl.session import Session

EXAMPLES = {
    "llm": ("stream", "prompt=hello"),
    "tool": ("invoke", "text='one two'"),
}
METHODS = {"llm": "stream", "tool": "count"}

Type = Annotated[
    Literal["llm", "tool", "extension"],
    typer.Option("--type", help="What it is: a language model, tools, or a model as an extension."),
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What it is called.")]
Style = Annotated[
    Literal["class", "decorator", "yaml"] | None,
    typer.Option("--style", help="How it says what it is [default: class; decorator for an extension]."),
]
Output = Annotated[
    str, typer.Option("--output", metavar="DIR", help="The directory that its own is made in.")
]


def create(context: typer.Context, type: Type, name: Name, style: Style = None, output: Output = ".") -> None:
    """Write a new provider, with tests and a config to run it.

    It works as it is, without keys or a network. Nothing that is there already is touched.

    \b
    Example:
      gleitzeit providers create-template --type llm --name my_llm_provider
    """
    if type == "extension" and style == "class":
        raise misuse(
            "an extension says what it is by decorators or in extension.yaml: --style decorator or yaml"
        )
    chosen = style or ("decorator" if type == "extension" else "class")
    called = names(name, "extension" if type == "extension" else "provider")
    directory = os.path.normpath(os.path.join(output, called.module))
    texts = files(called, type, chosen)
    write(directory, texts)
    program = context.find_root().info_name or "gleitzeit"
    answer = {
        "name": called.name,
        "directory": directory,
        "files": list(texts),
        "next": _next(program, called.name, type, directory),
    }
    Session.of(context).show(answer, _tell)


def _next(program: str, name: str, type: str, directory: str) -> list[str]:
    """Commands, in their order; the last is for another terminal."""
    does = "tool" if type == "tool" else "llm"
    here = shlex.quote(directory if not directory.startswith("-") else f"./{directory}")
    verb, pair = EXAMPLES[does]
    return [
        f"python -m pip install -r {here}/requirements.txt",
        f"python -m pytest {here}",
        f"{program} config validate --config-file {here}/providers.yaml",
        f"{program} serve --provider-config {here}/providers.yaml",
        f"{program} providers {verb} {name} {METHODS[does]} {pair}",
    ]


def _tell(answer: dict[str, Any]) -> None:
    *first, last = answer["next"]
    print(f'created the provider "{answer["name"]}" in {answer["directory"]}: {", ".join(answer["files"])}')
    print("\nTry it, then change it where it says CHANGE:", *first, sep="\n  ")
    print("\nand in another terminal:", last, sep="\n  ")
