"""Files below directories that its config names: read, written, looked for, and never anything else."""

from __future__ import annotations

import base64
import heapq
import os
import time
from collections.abc import Iterator
from threading import Event
from typing import Any

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    current_call,
    idempotent,
    threads,
    tool,
)
from providers import file_writing
from providers.file_content import (
    CHARACTER,
    Encoding,
    Item,
    bytes_of,
    described,
    read,
    rights,
    text_of,
    whole_characters,
)
from providers.file_roots import DIRECTORY, Place, Roots, is_shown, kind, listable, opened, told
from providers.file_search import Pattern, Search
from providers.interruptible import interruptible

MOST_AT_ONCE = 8 * 1024 * 1024
"""Bytes that `largest_read` may be: as base64, or with its line breaks escaped, they still fit a message."""

MOST_LISTED = 1000
"""Entries and matches of one answer."""

LONGEST_SEARCH = 20.0
"""Seconds; a call with less time has an answer before its deadline."""

OF_THE_CALL = 0.8
"""The part of a call's time that is searched, so that what was found still arrives."""


class FileProvider(SocketIOProviderClient):
    """Files below the directories that its config names: read, list, search, and write where that is allowed.

    A path begins with the name of a root: `documents/2026/plan.txt`.
    """

    checks_config = True

    def __init__(
        self,
        *,
        roots: dict[str, str] | list[str],
        read_only: bool = True,
        largest_read: int = 1024 * 1024,
        largest_file: int = 64 * 1024 * 1024,
        **kwargs: Any,
    ) -> None:
        """Nothing is touched on the disk before the first call.

        Args:
            roots: The directories that may be used, as `name: /path`, or as a list of paths, each of which is
                named by its last part.
            read_only: Whether everything that changes a file is refused; false allows it.
            largest_read: Bytes that one `read` gives at most; up to 8 MiB.
            largest_file: Bytes that a file may have after a `write`.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["files"])
        kwargs.setdefault("description", "Reads and writes files in its directories")
        super().__init__(**kwargs)
        if not CHARACTER <= largest_read <= MOST_AT_ONCE:
            raise ValueError(f"largest_read is {largest_read}: it is between {CHARACTER} and {MOST_AT_ONCE}")
        if largest_file < 1:
            raise ValueError(f"largest_file is {largest_file}: it is at least 1")
        self._roots, self._writer = Roots(roots), file_writing.Writer(largest_file)
        self._read_only, self._largest_read = read_only, largest_read

    @idempotent
    def read(self, path: str, encoding: Encoding = "text", offset: int = 0, limit: int | None = None) -> Item:
        """What a file holds: `{path, content, size, offset, truncated}`; a truncated one has `next`.

        Args:
            path: The file, from the name of its root on.
            encoding: `text` for UTF-8, or `base64` for any bytes.
            offset: The byte to begin at: the `next` of the answer before.
            limit: Bytes to read; as many as the provider allows, unless given.
        """
        place = self._roots.place(path)
        most = self._largest_read if limit is None else min(limit, self._largest_read)
        if not 0 <= offset < 2**63 or most < 1:
            raise InvalidRequest("offset is 0 or more, and limit 1 or more, in bytes")
        if encoding == "text":
            most = max(most, CHARACTER)
        with (
            told(place),
            self._roots.parent(place) as (directory, name),
            open(opened(directory, name, os.O_RDONLY), "rb", buffering=0) as file,
        ):
            size, data = os.fstat(file.fileno()).st_size, read(file.fileno(), offset, most + 1)
        is_cut, data = len(data) > most, data[:most]
        if encoding == "text":
            data = whole_characters(data) if is_cut else data
            content = text_of(data, place)
        else:
            content = base64.b64encode(data).decode()
        answer = {"path": str(place), "content": content, "size": size, "offset": offset}
        return {**answer, "truncated": is_cut, **({"next": offset + len(data)} if is_cut else {})}

    @idempotent
    def stat(self, path: str) -> Item:
        """What is known of it: `{path, type, size, modified, mode}`; a link is told of, and not followed."""
        place = self._roots.place(path)
        with told(place):
            if not place.parts:
                with self._roots.directory(place) as directory:
                    return described(place, os.fstat(directory))
            with self._roots.parent(place) as (directory, name):
                return described(place, os.stat(name, dir_fd=directory, follow_symlinks=False))

    @tool(name="list")
    @idempotent
    async def list_entries(self, path: str = "", limit: int = 200, after: str = "") -> Item:
        """What is in a directory, by name: `{entries, truncated}`, with `next` when there are more.

        Args:
            path: The directory; without it the roots are listed.
            limit: Entries to give, up to 1000.
            after: The name to go on after: the `next` of the answer before.
        """
        if not path:
            entries = [{"path": name, "type": "directory"} for name in self._roots.names]
            return {"entries": entries, "truncated": False}
        place, most = self._roots.place(path), _most(limit)
        return await interruptible(lambda stopped: self._listed(place, most, after, stopped))

    @idempotent
    async def search(
        self,
        path: str,
        glob: str = "**",
        text: str = "",
        ignore_case: bool = False,
        limit: int = 100,
    ) -> Item:
        """Files by name, or lines by what they hold: `{matches, truncated, reason, entries, skipped}`.

        A match is `{path, type, size}`, or `{path, line, text}` when text is looked for. What is not complete
        is `truncated`, and says for what `reason`.

        Args:
            path: The directory to look below.
            glob: Which names: `*.py` anywhere, or `src/**/*.py` from the path on.
            text: What a line has to hold, as it stands; no pattern.
            ignore_case: Whether `a` finds `A`, too.
            limit: Matches to give, up to 1000.
        """
        place, pattern, most = self._roots.place(path), Pattern(glob), _most(limit)
        call = current_call()
        left = call.seconds_left if call else None
        seconds = LONGEST_SEARCH if left is None else min(LONGEST_SEARCH, left * OF_THE_CALL)
        ends_at = time.monotonic() + seconds

        def look(stopped: Event) -> Item:
            with told(place), self._roots.directory(place) as directory:
                return Search(pattern, text, ignore_case, most, ends_at, stopped).run(directory, place)

        return await interruptible(look)

    def write(
        self,
        path: str,
        content: str,
        encoding: Encoding = "text",
        append: bool = False,
        create: bool = True,
        overwrite: bool = True,
        mode: str | None = None,
    ) -> Item:
        """Write a file as a whole, or not at all: the `stat` of what is there then.

        Args:
            path: The file; its directory is there already.
            content: What it shall hold.
            encoding: `text` for UTF-8, or `base64` for any bytes.
            append: Whether it is added at the end of what is there.
            create: Whether there may be no such file yet.
            overwrite: Whether there may be one, whose content is replaced.
            mode: Its rights, such as `640`; else those of the file before it, or what is usual.
        """
        place, data = self._writable(path), bytes_of(content, encoding)
        if append and (mode is not None or not overwrite):
            raise InvalidRequest("append goes with neither mode nor overwrite: false")
        with told(place), self._roots.parent(place) as (directory, name):
            if append:
                status = self._writer.append(directory, name, data, create=create)
            else:
                status = self._writer.replace(
                    directory, name, data, rights(mode), overwrite=overwrite, create=create
                )
        return described(place, status)

    def make_directory(self, path: str, parents: bool = False) -> Item:
        """Make a directory: its `stat`.

        Args:
            path: The directory.
            parents: Whether those above it are made, too, and it may be there already.
        """
        place = self._writable(path)
        steps = range(1 if parents else len(place.parts), len(place.parts) + 1)
        for step in steps:
            self._made(Place(place.root, place.parts[:step]), may_be_there=parents)
        return self.stat(str(place))

    def move(self, source: str, target: str, overwrite: bool = False) -> Item:
        """Give a file or a directory another path, at once: the `stat` of it there.

        Args:
            source: What is there.
            target: The path that it shall have, with its name.
            overwrite: Whether a file at the target is replaced.
        """
        old, new = self._writable(source), self._writable(target)
        with (
            told(old),
            self._roots.parent(old) as (here, name),
            told(new),
            self._roots.parent(new) as (there, called),
        ):
            with told(old):
                status = os.stat(name, dir_fd=here, follow_symlinks=False)
                if kind(status) not in ("file", "directory"):
                    raise InvalidRequest(f'"{old}" is neither a file nor a directory, and stays where it is')
            file_writing.rename(here, name, there, called, overwrite=overwrite)
            file_writing.keep(there)
            return described(new, status)

    async def delete(self, path: str, recursive: bool = False) -> Item:
        """Delete a file, a link, or a directory: `{path, deleted}`, which counts what was in it, too.

        Args:
            path: What goes.
            recursive: Whether a directory goes with all that is in it; else it has to be empty.
        """
        place = self._writable(path)

        def remove(stopped: Event) -> Item:
            with told(place), self._roots.parent(place) as (directory, name):
                count = file_writing.remove(directory, name, recursive=recursive, stopped=stopped)
                return {"path": str(place), "deleted": count}

        return await interruptible(remove)

    async def get_health_status(self) -> Item:
        """A restart would bring back no directory: it is given no calls until all are there."""
        fault = await threads.call(self._roots.fault)
        return {"healthy": True, "status": "degraded", "reason": fault} if fault else {"healthy": True}

    def _writable(self, path: str) -> Place:
        if self._read_only:
            raise CallError(
                "forbidden",
                f'"{self.name}" only reads: its config needs `read_only: false` to change anything',
            )
        return self._roots.place(path)

    def _made(self, place: Place, *, may_be_there: bool) -> None:
        with told(place), self._roots.parent(place) as (directory, name):
            try:
                os.mkdir(name, dir_fd=directory)
                file_writing.keep(directory)
            except FileExistsError:
                if not may_be_there:
                    raise
                os.close(os.open(name, DIRECTORY, dir_fd=directory))

    def _listed(self, place: Place, most: int, after: str, stopped: Event) -> Item:
        with told(place), self._roots.directory(place) as directory:
            handle = listable(directory)
            try:
                # The names alone are held, and no more of them than are told.
                with os.scandir(handle) as entries:
                    later = _until(stopped, (entry.name for entry in entries))
                    shown = (name for name in later if name > after and is_shown(name))
                    names = heapq.nsmallest(most + 1, shown)
                found = [one for name in names[:most] if (one := _entry(handle, place.below(name)))]
            finally:
                os.close(handle)
        is_cut = len(names) > most
        return {"entries": found, "truncated": is_cut, **({"next": names[most - 1]} if is_cut else {})}


def _until(stopped: Event, names: Iterator[str]) -> Iterator[str]:
    for name in names:
        if stopped.is_set():
            return
        yield name


def _entry(directory: int, place: Place) -> Item | None:
    """None when it is gone since its name was read."""
    try:
        return described(place, os.stat(place.parts[-1], dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _most(limit: int) -> int:
    if limit < 1:
        raise InvalidRequest(f"limit is {limit}: it is at least 1")
    return min(limit, MOST_LISTED)
