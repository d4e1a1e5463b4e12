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

TREE = {
    "": "Look at the AI providers that gleitzeitd keeps alive, and steer and call them.",
    "serve": "serve:serve",
    "status": "status:status",
    "start": "steer:start",
    "stop": "steer:stop",
    "restart": "steer:restart",
    "reload": "reload:reload",
    "logs": "logs:logs",
    "why": "why:why",
    "route": "route:route",
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
    "config": {
        "": ("Look at, check and change the config file.", "config:before"),
        "show": "config_show:show",
        "validate": "config_validate:validate",
        "providers": "config:providers",
        "create": "config:create",
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
    "shutdown": "daemon:shutdown",
    "version": "daemon:version",
}

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
        return complain(program, exc, session.json)
    return status


def program_name() -> str:
    name = os.path.basename(sys.argv[0])
    return name if name == "gleitzeit" else "gleitzeitctl"


def run(program: str, args: list[str], session: Session) -> int:
    with deferred(SELDOM_USED):
        from gleitzeitctl.tree import root
    is_shell = f"_{program}_COMPLETE".upper() in os.environ
    tree = root(TREE, has_completion=is_shell or args[:1] in COMPLETION)
    gc.freeze()
    gc.enable()
    if is_shell:
        tree.main(args, program, obj=session)
    with tree.make_context(program, args, obj=session) as context:
        return int(tree.invoke(context) or 0)
