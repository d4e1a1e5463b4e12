"""One look as plain tables, for pipes, and for who wants no more."""

from __future__ import annotations

from typing import Any

from gleitzeitctl.client import Client
from gleitzeitctl.monitor import figures
from gleitzeitctl.render import duration, note, percent, size, table

COLUMNS = (
    "NAME",
    "STATE",
    "HEALTH",
    "UPTIME",
    "CPU",
    "MEMORY",
    "RESTARTS",
    "CALLS",
    "CALLS/S",
    "P50",
    "P99",
    "ERRORS",
    "QUEUE",
    "BUSY",
    "REASON",
)
View = dict[str, Any]


def tell(client: Client, look: View, is_of_one: bool) -> None:
    """`is_of_one`: whether a provider was named, so that its details are told as well."""
    for problem in look["daemon"]["problems"]:
        note(f"config: {problem}")
    if not look["instances"]:
        note(f"there is no provider yet: add one to {look['daemon']['config']}")
    table(COLUMNS, [_row(one) for one in look["instances"]])
    providers = {one["provider"] for one in look["instances"]}
    if is_of_one and len(providers) == 1:
        _tell_details(client, providers.pop())


def _row(one: View) -> tuple[object, ...]:
    return (
        one["name"],
        one["state"],
        one["health"],
        duration(one["uptime"]),
        percent(one["cpu"]),
        size(one["memory"]),
        one["restarts"],
        one["calls"],
        figures.rate(one["rate"]),
        figures.latency(one["p50"]),
        figures.latency(one["p99"]),
        one["errors"],
        one["queue"],
        one["in_flight"],
        one["reason"],
    )


def _tell_details(client: Client, provider: str) -> None:
    from gleitzeitctl.monitor.stories import call_form, last_errors

    offers = client.get("/v1/providers")["providers"]
    methods: list[View] = next((one["methods"] for one in offers if one["name"] == provider), [])
    if methods:
        print()
        table(("METHOD", "DESCRIPTION"), [(call_form(one), one.get("description")) for one in methods])
    errors = list(last_errors(client.get("/v1/why", [("name", provider)])["instances"]))
    if errors:
        print()
        table(("LAST ERRORS",), [(text,) for text, _ in errors])
