"""`gleitzeitctl` and `gleitzeit`, two names of one tree: the table of commands, and the way in and out.

Start-up is a feature: a command is a name here until it is chosen, and typer is imported late and lean.
"""

from __future__ import annotations

import gc
import os
import sys

try:
    from gleitzeitctl.deferred import deferred
    from gleitzeitctl.edge import complain
    from gleitzeitctl.render import print_anything
    from gleitzeitctl.session import Session
except KeyboardInterrupt:
    # nothing of ours is there yet that could say it better than the status of a program that Ctrl-C ended
    raise SystemExit(130) from None

WELCOME = """Look at the AI providers that gleitzeitd keeps alive, and steer and call them.

    \b
    First steps:
      gleitzeitctl status              what runs, and what does not
      gleitzeitctl why calculator      what happened to one, and what comes next
      gleitzeitctl logs calculator -f  what it prints, until Ctrl-C
      gleitzeitctl providers list      what can be called
      gleitzeitctl COMMAND --help      a command in full, with an example

    Nothing runs yet? "gleitzeit config create" writes a config, and "gleitzeit serve" runs it here.
    """

TREE = {
    "": WELCOME,
    "status": "status:status",
    "why": "why:why",
    "events": "events:events",
    "logs": "logs:logs",
    "monitor": "monitor:monitor",
    "start": "steer:start",
    "stop": "steer:stop",
    "restart": "steer:restart",
    "reload": "reload:reload",
    "providers": {
        "": "List, check and call providers.",
        "list": "providers:show",
        "invoke": "calls:invoke",
        "stream": "calls:stream",
        "health": "providers:health",
        "models": "models:models",
        "capabilities": "models:capabilities",
        "methods": "methods:methods",
        "create-template": "template:create",
    },
    "batch": "batch:batch",
    "route": "route:route",
    "run": "run:run",
    "add": "add:add",
    "remove": "remove:remove",
    "serve": "serve:serve",
    "config": {
        "": ("Look at, check and change the config file.", "config:before"),
        "show": "config_show:show",
        "validate": "config_validate:validate",
        "providers": "config:providers",
        "create": "config:create",
        "import": "config_import:take_over",
        "schema": "config:schema",
        "set": "config_edit:set_value",
        "enable": "config_edit:enable",
        "disable": "config_edit:disable",
        "history": "config_history:history",
        "diff": "config_history:diff",
        "rollback": "config_history:rollback",
    },
    "token": {
        "": "Make, list and revoke the tokens of programs elsewhere.",
        "create": "token:create",
        "list": "token:show",
        "revoke": "token:revoke",
    },
    "setup": {
        "": "Make the daemon a service of systemd, or take it away.",
        "system": "setup:system",
        "user": "setup:user",
        "remove": "setup:remove",
    },
    "shutdown": "daemon:shutdown",
    "version": "daemon:version",
}

HEADINGS = {
    "status": "Look",
    "start": "Steer",
    "providers": "Call",
    "run": "Add",
    "serve": "Set up",
}
"""What stands above a command in the help, and above those that follow it."""

SELDOM_USED = {
    "difflib": ("get_close_matches",),
    "gettext": ("gettext",),
    "platform": (),
    "shutil": ("get_terminal_size",),
    "subprocess": (),
    "traceback": ("FrameSummary", "StackSummary"),
    "typer.completion": ("get_completion_inspect_parameters",),
    "uuid": ("UUID",),
}
"""What typer imports at its top and hardly any command uses: a quarter of its import."""

COMPLETION = (["-h"], ["--help"], ["--install-completion"], ["--show-completion"])


def main() -> int:
    """Run one command; its exit status."""
    program, session = program_name(), Session()
    try:
        # what a start-up makes lasts to the end: to look through it for garbage would cost 8 ms of 60
        gc.disable()
        print_anything()
        status = run(program, sys.argv[1:], session)
        print(end="", flush=True)
    except (Exception, KeyboardInterrupt) as exc:
        return complain(program, exc, session.json, session.server)
    return status


def program_name() -> str:
    name = os.path.basename(sys.argv[0])
    return name if name == "gleitzeit" else "gleitzeitctl"


def run(program: str, args: list[str], session: Session) -> int:
    with deferred(SELDOM_USED):
        from gleitzeitctl.tree import root
    shell = os.environ.get(f"_{program}_COMPLETE".upper())
    tree = root(TREE, bool(shell) or args[:1] in COMPLETION, HEADINGS)
    gc.freeze()
    gc.enable()
    if shell:
        from gleitzeitctl.completion.shells import answer

        return answer(tree, program, shell, args)
    if args in COMPLETION:
        from gleitzeitctl.completion.scripts import with_shell

        args = with_shell(args)
    with tree.make_context(program, args, obj=session) as context:
        return int(tree.invoke(context) or 0)
