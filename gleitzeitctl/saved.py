"""What `--save` writes into `providers.d`, and what is taken out of there again."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.blocks import Block
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import Complaint

MARK = "# Made by `gleitzeitctl {}`; `gleitzeitctl remove {}` takes it away."
VERBS = ("run", "add")
READING = 60.0
"""Seconds that a daemon has to read its config twice."""


def _config_of(client: Client) -> str:
    return str(client.get("/v1/status", [("name", "all")])["daemon"]["config"])


def _path_of(config: str, name: str) -> str:
    """The file beside the daemon's config that is made for this provider."""
    return os.path.join(os.path.dirname(config), "providers.d", f"{name}.yaml")


def save(client: Client, verb: str, name: str, block: Block) -> str:
    """Have it checked, write it, and have it taken over; its path. Raises CallError and Complaint for what is
    refused: then nothing is left of it."""
    try:
        client.post("/v1/run", {"name": name, "block": block, "dry_run": True}, READING)
    except CallError as exc:
        if "environment variable" not in exc.message:
            raise
        whose = "what is saved has it from the daemon, not from you"
        raise CallError(exc.code, f"{exc.message} ({whose})", exc.detail) from exc
    config = _config_of(client)
    path = _path_of(config, name)
    if os.path.lexists(path):
        raise CallError("conflict", f"{path} is there already: choose another name, or edit it")
    _write(path, _text(verb, name, block), config)
    is_taken = False
    try:
        answer = client.post("/v1/reload", {"wait": False}, READING)
        is_taken = not answer["refused"]
    finally:
        if not is_taken:
            os.unlink(path)
    if not is_taken:
        raise CallError("invalid_request", "\n".join([f"{path} was refused", *answer["problems"]]))
    return path


def _write(path: str, text: str, config: str) -> None:
    from gleitzeitd.config.rewrite import replace
    from gleitzeitd.core.errors import GleitzeitError

    directory = os.path.dirname(path)
    beside = os.stat(os.path.dirname(directory))
    with suppress(FileExistsError):
        os.mkdir(directory)
        # the daemon may be another user, and has to read it as it reads the config
        os.chmod(directory, stat.S_IMODE(beside.st_mode) & 0o777)
        with suppress(PermissionError):
            os.chown(directory, beside.st_uid, beside.st_gid)
    try:
        replace(path, None, text.encode("utf-8", "surrogateescape"), like=config)
    except GleitzeitError as exc:
        raise Complaint(str(exc), 1, "internal") from exc


def _text(verb: str, name: str, block: Block) -> str:
    from gleitzeitd.config.flow import flow

    lines = [MARK.format(verb, name), "providers:", f"  {flow(name)}:"]
    return "\n".join([*lines, *(f"    {key}: {flow(value)}" for key, value in block.items())]) + "\n"


def take_out(client: Client, name: str, refused: CallError) -> None:
    """Take the file away that was made for the provider, and wait until it is gone.

    Raises `refused` when there is none, and Complaint when it holds more, or is needed.
    """
    path = _path_of(_config_of(client), name)
    _demand_ours(path, name, refused)
    hidden = os.path.join(os.path.dirname(path), f".{name}.removed")
    os.rename(path, hidden)
    is_out = False
    try:
        answer = client.post("/v1/reload", {"wait": False}, READING)
        is_out = not answer["refused"]
    finally:
        os.unlink(hidden) if is_out else os.rename(hidden, path)
    if not is_out:
        what = f'"{name}" cannot be taken away, as the config is refused then: mend that first'
        raise CallError("invalid_request", "\n".join([what, *answer["problems"]]))
    client.post("/v1/reload", {"wait": True}, None)


def _demand_ours(path: str, name: str, refused: CallError) -> None:
    if os.path.basename(name) != name:
        raise refused
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as exc:
        raise refused from exc
    if text.partition("\n")[0] not in [MARK.format(verb, name) for verb in VERBS]:
        raise refused
    from gleitzeitd.config.flow import data_of
    from gleitzeitd.core.errors import GleitzeitError

    try:
        data = data_of(text)
    except GleitzeitError as exc:
        raise refused from exc
    if not isinstance(data, dict) or list(data) != ["providers"] or list(data["providers"] or ()) != [name]:
        sentence = f'"{name}" stands in {path}, with more than was saved there: take it out there'
        raise CallError("conflict", sentence)
