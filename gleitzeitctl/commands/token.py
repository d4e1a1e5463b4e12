"""`token`: who may use the hub from outside."""

import re
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import note, table
from gleitzeitctl.session import Session

COLUMNS = ("NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "RATE")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST = 10 * 365 * 86400.0
"""Seconds that the daemon lets a token be good for."""
HIGHEST_RATE = 1e6
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name: who has it, or what for.")]
Scopes = Annotated[
    list[str],
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="provide:NAME, invoke:NAME (* stands for any text), observe, admin; repeat it for more.",
    ),
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="TIME", help="How long it is good, such as 30d or 12h.")
]
Rate = Annotated[float | None, typer.Option("--rate", metavar="N", help="Calls in a second that it allows.")]


def create(
    context: typer.Context, name: Name, scope: Scopes, expires: Expires = None, rate: Rate = None
) -> None:
    """Make a token, and print it: this once, since the daemon does not keep it.

    \b
    Example:
      gleitzeitctl token create ci --scope "invoke:*" --expires 30d --rate 50
      gleitzeitctl token create gpu-box --scope "provide:llama*"
    """
    session = Session.of(context)
    for one in scope:
        _check_scope(one)
    if rate is not None and not 0 < rate <= HIGHEST_RATE:
        raise misuse(f"--rate takes calls in a second, above 0 and at most {HIGHEST_RATE:,.0f}, not {rate:g}")
    lasts = None if expires is None else _seconds(expires)
    body = {"name": name, "scopes": scope, "expires_in": lasts, "rate": rate}
    answer = session.client.post("/v1/tokens", body)
    session.show(answer, _print_once)


def show(context: typer.Context) -> None:
    """List the tokens.

    \b
    Example:
      gleitzeitctl token list
    """
    session = Session.of(context)
    session.show(session.client.get("/v1/tokens"), _list)


def revoke(context: typer.Context, name: Name) -> None:
    """End a token, and the connections that were made with it, at once.

    \b
    Example:
      gleitzeitctl token revoke ci
    """
    session = Session.of(context)
    answer = session.client.delete(f"/v1/tokens/{quote(name, safe='')}")
    session.show(answer, lambda _: note(f"{name} is revoked"))


def _print_once(answer: dict[str, Any]) -> None:
    print(answer["token"])
    until = "" if answer["expires"] is None else f" until {_time(answer['expires'])}"
    note(f"{answer['name']} may {', '.join(answer['scopes'])}{until}; the token is not shown again")


def _list(answer: dict[str, Any]) -> None:
    rows = [
        (
            one["name"],
            " ".join(one["scopes"]),
            _time(one["created"]),
            _expiry(one["expires"]),
            "" if one["used"] is None else _time(one["used"]),
            "" if one["rate"] is None else f"{one['rate']:g}/s",
        )
        for one in answer["tokens"]
    ]
    if rows:
        table(COLUMNS, rows)
    else:
        note('there are none: make one with "gleitzeitctl token create"')


def _expiry(expires: float | None) -> str:
    if expires is None:
        return "never"
    return _time(expires) if expires > time.time() else f"{_time(expires)} (over)"


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _seconds(text: str) -> float:
    if not (found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", text.strip())):
        raise misuse(f"--expires {text} is no time: write a number and s, m, h, d or w, such as 30d")
    lasts = float(found[1]) * SECONDS[found[2]]
    if not 0 < lasts <= LONGEST:
        raise misuse(f"--expires takes more than 0 and at most {LONGEST / SECONDS['d']:.0f}d, not {text}")
    return lasts


def _check_scope(scope: str) -> None:
    if not scope or re.search(r"[\s,]", scope):
        raise misuse(f'--scope takes one scope, not "{scope}": repeat --scope for more')
