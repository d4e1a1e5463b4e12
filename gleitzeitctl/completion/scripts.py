"""The scripts that teach a shell to ask us, and where they are put."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from string import Template
from typing import Annotated, Any, NamedTuple

import typer

from gleitzeitctl.complaint import misuse

BASH = """\
_${program}() {
    local answer
    COMPREPLY=()
    if answer=$$(${variable}=bash "$$1" "$${COMP_LINE:0:COMP_POINT}" "$$COMP_WORDBREAKS" 2>/dev/null); then
        [[ -z $$answer ]] || mapfile -t COMPREPLY <<<"$$answer"
        [[ $$answer != *[=.] ]] || compopt -o nospace
    else
        compopt -o default
    fi
}
complete -F _${program} ${program}
"""

# As a file of $fpath it is the body of the function; sourced, it defines the function.
ZSH = """\
#compdef ${program}
_${program}() {
    local answer
    local -a items ending
    if answer=$$(${variable}=zsh $${words[1]} "$${(j: :)words[1,CURRENT-1]} $$PREFIX" 2>/dev/null); then
        items=($${(f)answer})
        [[ $$answer == *[=.] && $$answer != *:* ]] && ending=(-S '')
        (( $$#items )) && _describe -V '${program}' items "$$ending[@]"
    else
        compset -P '(*=|@)'
        _files
    fi
}
if [[ $$funcstack[1] == _${program} ]]; then
    _${program} "$$@"
else
    compdef _${program} ${program}
fi
"""

FISH = """\
function __${program}_complete
    set -l words (commandline -opc)
    set -l line (commandline -cp | string collect)
    set -l answer (${variable}=fish $$words[1] "$$line" 2>/dev/null)
    if test $$status -eq 0
        printf '%s\\n' $$answer
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c ${program} -f -a '(__${program}_complete)'
"""


class Shell(NamedTuple):
    script: str
    file: str
    """Where its script is put; `*` stands for the program."""
    rc: str
    """The file that has to load it, if any."""
    load: str


SHELLS = {
    "bash": Shell(BASH, "~/.bash_completions/*.sh", "~/.bashrc", "source {}"),
    "zsh": Shell(ZSH, "~/.zfunc/_*", "~/.zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": Shell(FISH, "~/.config/fish/completions/*.fish", "", ""),
}


def script(shell: str, program: str) -> str:
    variable = f"_{program}_COMPLETE".upper()
    return Template(SHELLS[shell].script).substitute(program=program, variable=variable)


def install(shell: str, program: str) -> str:
    """Put the script where the shell finds it; the file that it is in."""
    chosen = SHELLS[shell]
    path = os.path.expanduser(chosen.file.replace("*", program))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(script(shell, program))
    if chosen.rc:
        _demand_line(os.path.expanduser(chosen.rc), chosen.load.format(shlex.quote(path)))
    return path


def _demand_line(path: str, line: str) -> None:
    """Add the line to a file that its user has written, unless it is there."""
    with open(path, "a+", encoding="utf-8", errors="surrogateescape") as file:
        file.seek(0)
        text = file.read()
        if line not in text.splitlines():
            start = "" if text.endswith("\n") or not text else "\n"
            file.write(f"{start}{line}\n")


def _known(context: typer.Context, shell: str | None) -> str | None:
    if shell is None or context.resilient_parsing:
        return None
    if shell not in SHELLS:
        raise misuse(f"there is no completion for {shell or 'nothing'}: there is for {', '.join(SHELLS)}")
    return shell


def _show(context: typer.Context, given: str | None) -> None:
    if shell := _known(context, given):
        print(script(shell, _program(context)), end="")
        raise typer.Exit


def _install(context: typer.Context, given: str | None) -> None:
    if shell := _known(context, given):
        path = install(shell, _program(context))
        print(f"{shell} completes {_program(context)} from its next start on: {path}")
        raise typer.Exit


def _program(context: typer.Context) -> str:
    return context.find_root().info_name or ""


def _option(name: str, callback: Callable[[typer.Context, str | None], None], help: str) -> Any:
    return typer.Option(
        name, metavar="SHELL", callback=callback, is_eager=True, expose_value=False, help=help
    )


Install = Annotated[
    str | None,
    _option("--install-completion", _install, "Teach a shell to complete: bash, zsh or fish; else $SHELL."),
]
Show = Annotated[
    str | None, _option("--show-completion", _show, "Print the script that --install-completion installs.")
]


def options(install: Install = None, show: Show = None) -> None:
    """What may be said of completion, instead of a command."""


def with_shell(args: list[str]) -> list[str]:
    """The words, with the user's own shell where none is named behind an option of ours."""
    own = os.path.basename(os.environ.get("SHELL", ""))
    return [*args, own] if args in (["--install-completion"], ["--show-completion"]) else args
