"""Ways to save a config file, and what a daemon says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.house import House, eventually
from tests.scenarios.common import views


def in_place(path: Path, new: str) -> None:
    path.write_text(new)


def renamed(path: Path, new: str) -> None:
    """As most editors and deployments do: nobody ever sees half of it."""
    draft = path.with_name(".draft")
    draft.write_text(new)
    draft.replace(path)


def moved_aside(path: Path, new: str) -> None:
    """As vim does: for a moment there is no file."""
    backup = path.with_name(f"{path.name}~")
    path.rename(backup)
    path.write_text(new)
    backup.unlink()


def in_pieces(path: Path, new: str) -> None:
    """As a slow network does: for a moment there is half a file."""
    with path.open("w") as file:
        for at in range(0, len(new), 1 + len(new) // 4):
            file.write(new[at : at + 1 + len(new) // 4])
            file.flush()


WAYS: tuple[Callable[[Path, str], None], ...] = (in_place, renamed, moved_aside, in_pieces)


def pids(h: House) -> dict[str, int]:
    return {name: view["pid"] for name, view in views(h).items()}


def reload(h: House, *, dry: bool = False) -> Any:
    """The answer of the control API, once all is done."""
    return h.client.post("/v1/reload", {"dry_run": dry}, 60)


def problems(h: House) -> list[str]:
    return h.client.get("/v1/status")["daemon"]["problems"]  # type: ignore[no-any-return]


def failures(h: House) -> dict[str, str]:
    told = h.client.get("/v1/status")["daemon"]["failures"]
    return {failure["name"]: failure["reason"] for failure in told}


def beside(h: House, name: str) -> list[Mapping[str, Any]]:
    return h.view(name)["beside"]  # type: ignore[no-any-return]


def coming(h: House, name: str) -> Mapping[str, Any]:
    """The one that has been started in its place."""
    return eventually(lambda: next((o for o in beside(h, name) if o["role"] == "coming" and o["pid"]), None))
