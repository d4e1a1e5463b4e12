"""Objects in S3, Google Cloud Storage, Azure and directories, by obstore."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    Unavailable,
    current_call,
    idempotent,
)

Item = dict[str, Any]
Items = list[Item]

SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "file", "memory")
HEALTH_WITHIN = 2.0
"""Seconds in which a store that is well answers a question about its health."""
MOST_LISTED = 1000
LONGEST_SIGNED = 7 * 24 * 3600
"""Seconds: what S3 allows."""
PIECE = 256 * 1024
"""Bytes of one item of a stream."""


class ObjectStoreProvider(SocketIOProviderClient):
    """Lists, reads and, where that is allowed, writes the objects of one bucket, container or directory."""

    checks_config = True

    def __init__(
        self,
        url: str,
        options: dict[str, str] | None = None,
        read_only: bool = True,
        max_bytes: int = 4 * 1024 * 1024,
        timeout: float = 60.0,
        **kwargs: Any,
    ) -> None:
        """Nothing is connected before the first call.

        Args:
            url: The bucket and, behind it, what all paths begin with: `s3://bucket/prefix`, `gs://bucket`,
                `az://container`, `file:///srv/objects`, or `memory:///`, which is empty at each start.
            options: Keys and settings of the store by obstore's names, such as `access_key_id`,
                `secret_access_key`, `region` and `endpoint`; what is missing is looked for where the vendor's
                own tools do (see `inherit_env`).
            read_only: Whether nothing may be written, moved or deleted.
            max_bytes: Bytes of one object that `get` gives and `put` takes; `stream` has no limit.
            timeout: Seconds that one request may take; the call's own deadline may be sooner.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["objects"])
        kwargs.setdefault("description", "Objects of a bucket")
        super().__init__(**kwargs)
        scheme = urlsplit(url).scheme
        if scheme not in SCHEMES:
            known = ", ".join(f"{one}://" for one in SCHEMES)
            raise ValueError(f'config.url is "{url:.100}": it begins with one of {known}')
        self._url, self._options = url, options or {}
        self._read_only, self._max_bytes, self._timeout = read_only, max_bytes, timeout
        self._directory = _directory(url) if scheme == "file" else None
        self._store = self._opened()

    @idempotent
    async def list(self, prefix: str = "", limit: int = 100, after: str = "") -> Item:
        """Objects below a prefix, in the order of their paths: `{objects, next}`.

        Each object is `{path, size, modified, etag}`.

        Args:
            prefix: Whole parts of a path, such as `2026/11`; all unless given.
            limit: How many at most, up to 1000.
            after: The `next` of the page before, which is null on the last page.
        """
        if limit < 1:
            raise InvalidRequest("limit is 1 or more")
        limit = min(limit, MOST_LISTED)
        async with self._asking(prefix):
            found = await self._listed(prefix, limit + 1, after)
        page = found[:limit]
        return {"objects": page, "next": page[-1]["path"] if len(found) > limit else None}

    @idempotent
    async def folders(self, prefix: str = "") -> Item:
        """What lies directly below a prefix: `{folders, objects}`."""
        import obstore

        async with self._asking(prefix):
            found = await obstore.list_with_delimiter_async(self._store, prefix or None)
        objects = [_described(one) for one in found["objects"] if self._is_inside(one["path"])]
        folders = [path for path in found["common_prefixes"] if self._is_inside(path)]
        return {"folders": sorted(folders), "objects": sorted(objects, key=lambda one: str(one["path"]))}

    @idempotent
    async def head(self, path: str) -> Item:
        """What is known of an object: `{path, size, modified, etag}`."""
        import obstore

        async with self._asking(path):
            return _described(await obstore.head_async(self._store, path))

    @idempotent
    async def get(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        encoding: Literal["text", "base64"] = "text",
    ) -> Item:
        """An object, or a part of it: `{path, size, start, text or base64, truncated, modified, etag}`.

        Args:
            start: The first byte that is wanted.
            length: How many bytes at most; up to `max_bytes` unless given.
            encoding: `base64` for what is not text in UTF-8.
        """
        if start < 0 or (length is not None and length < 1):
            raise InvalidRequest("start is 0 or more, and length 1 or more")
        most = min(self._max_bytes, length or self._max_bytes)
        data = bytearray()
        async with self._asking(path):
            result = await self._got(path, start, start + most)
            if result is not None:
                async for chunk in result.stream():
                    data += bytes(chunk)[: most - len(data)]
                    if len(data) == most:
                        break
            meta = result.meta if result else await self._meta(path)
        rest = meta["size"] - start - len(data)
        return {**_described(meta), "start": start, **_told(bytes(data), encoding), "truncated": rest > 0}

    @idempotent
    async def stream(
        self, path: str, start: int = 0, encoding: Literal["text", "base64"] = "base64"
    ) -> AsyncIterator[Item]:
        """A whole object in pieces: `{base64 or text, offset, done}`; the last item is done and empty.

        Args:
            start: The first byte that is wanted.
            encoding: `text` for text in UTF-8, of which no character is cut in two.
        """
        import codecs

        if start < 0:
            raise InvalidRequest("start is 0 or more")
        decoder, offset = codecs.getincrementaldecoder("utf-8")("replace"), start
        async with self._asking(path):
            result = await self._got(path, start, None)
            if result is not None:
                async for chunk in result.stream(min_chunk_size=PIECE):
                    data = bytes(chunk)
                    told = _told(data, encoding) if encoding == "base64" else {"text": decoder.decode(data)}
                    yield {**told, "offset": offset, "done": False}
                    offset += len(data)
        rest = {"base64": ""} if encoding == "base64" else {"text": decoder.decode(b"", final=True)}
        yield {**rest, "offset": offset, "done": True}

    @idempotent
    async def put(
        self,
        path: str,
        text: str | None = None,
        base64: str | None = None,
        content_type: str = "",
        create: bool = False,
        if_match: str = "",
    ) -> Item:
        """Write an object, whole or not at all: `{path, size, etag}`.

        Args:
            text: What it holds; or `base64` for what is no text.
            content_type: Its media type, such as `application/json`.
            create: Whether one that is there already is left alone, which is a `conflict`.
            if_match: The etag that the object must still have, else it is a `conflict`.
        """
        import obstore

        self._demand_writes()
        data = _given(text, base64)
        if len(data) > self._max_bytes:
            raise CallError("too_large", f"this has {len(data):,} bytes: `max_bytes` is {self._max_bytes:,}")
        if create and if_match:
            raise InvalidRequest("put takes either create or if_match")
        mode: Any = {"e_tag": if_match} if if_match else "create" if create else "overwrite"
        about: Any = {"Content-Type": content_type} if content_type else None
        async with self._asking(path):
            done = await obstore.put_async(self._store, path, data, attributes=about, mode=mode)
        return {"path": path, "size": len(data), "etag": done["e_tag"]}

    @idempotent
    async def delete(self, path: str) -> Item:
        """Remove an object: `{path}`. For S3 one that is not there is removed, too."""
        import obstore

        self._demand_writes()
        async with self._asking(path):
            await obstore.delete_async(self._store, path)
        return {"path": path}

    async def copy(self, source: str, target: str, overwrite: bool = False) -> Item:
        """Copy an object within the store: `{path}`, the target's. One that is there is a `conflict`."""
        import obstore

        self._demand_writes()
        async with self._asking(source, target):
            await obstore.copy_async(self._store, source, target, overwrite=overwrite)
        return {"path": target}

    async def move(self, source: str, target: str, overwrite: bool = False) -> Item:
        """Move an object within the store: `{path}`, the target's. One that is there is a `conflict`."""
        import obstore

        self._demand_writes()
        async with self._asking(source, target):
            await obstore.rename_async(self._store, source, target, overwrite=overwrite)
        return {"path": target}

    @idempotent
    async def presign(self, path: str, method: Literal["GET", "PUT"] = "GET", expires: int = 3600) -> Item:
        """A URL by which anybody who has it may read or write the object for a time: `{url, expires}`.

        Args:
            method: `PUT` for writing.
            expires: Seconds that it is good for, up to 7 days.
        """
        import obstore

        if method == "PUT":
            self._demand_writes()
        if not 1 <= expires <= LONGEST_SIGNED:
            raise InvalidRequest(f"expires is 1 to {LONGEST_SIGNED} seconds")
        if self._url.startswith(("file:", "memory:")):
            raise InvalidRequest(f"{urlsplit(self._url).scheme}:// has no URLs that could be signed")
        async with self._asking(path):
            url = await obstore.sign_async(self._store, method, path, timedelta(seconds=expires))
        return {"url": url, "expires": expires}

    async def get_health_status(self) -> Item:
        """A restart would not help a store that is down: it is given no calls instead."""
        try:
            async with self._asking("", within=HEALTH_WITHIN):
                await self._listed("", 1, "")
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    @asynccontextmanager
    async def _asking(self, *paths: str, within: float | None = None) -> AsyncIterator[None]:
        """While the store is asked about these; what it raises is told by its class."""
        from obstore import exceptions

        for path in paths:
            if not path.isprintable():
                raise InvalidRequest(f"{path[:200]!r} cannot be a path: it has what cannot be printed")
            if not self._is_inside(path):
                raise InvalidRequest(f'"{path:.200}" leads out of {self._directory}')
        call = current_call()
        left = call.seconds_left if call else None
        seconds = within or (self._timeout if left is None else min(self._timeout, left))
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as exc:
            raise Unavailable(f"the store at {self._where()} did not answer in {seconds:g} s") from exc
        except (FileNotFoundError, exceptions.NotFoundError) as exc:
            raise InvalidRequest(f"there is no such object: {self._words(exc)}") from exc
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as exc:
            raise CallError("conflict", self._words(exc)) from exc
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as exc:
            sentence = f"the store at {self._where()} refuses what `options` shows it: {self._words(exc)}"
            raise CallError("provider_error", sentence) from exc
        except exceptions.InvalidPathError as exc:
            raise InvalidRequest(self._words(exc)) from exc
        except exceptions.GenericError as exc:
            raise Unavailable(f"no store at {self._where()}: {self._words(exc)}") from exc
        except (exceptions.BaseError, ValueError, TypeError, OverflowError, OSError) as exc:
            # For a path that it cannot read it has a TypeError or a ValueError.
            raise InvalidRequest(self._words(exc)) from exc

    async def _got(self, path: str, start: int, end: int | None) -> Any:
        """The answer to a request for a part; None where nothing is left to be read there."""
        import obstore

        if start == 0 and end is None:
            return await obstore.get_async(self._store, path)
        wanted: Any = {"range": (start, end) if end is not None else {"offset": start}}
        if start >= (await self._meta(path))["size"]:
            return None
        return await obstore.get_async(self._store, path, options=wanted)

    async def _meta(self, path: str) -> Any:
        import obstore

        return await obstore.head_async(self._store, path)

    async def _listed(self, prefix: str, most: int, after: str) -> Items:
        import obstore

        if self._directory is not None:
            return await asyncio.to_thread(_walked, self._directory, prefix, most, after)
        found: Items = []
        chunks = obstore.list(self._store, prefix or None, offset=after or None, chunk_size=min(most, 1000))
        async for chunk in chunks:
            found += [_described(one) for one in chunk]
            if len(found) >= most:
                break
        return found[:most]

    def _is_inside(self, path: str) -> bool:
        """Whether a path stays in the directory, whatever links are on its way; a bucket has none."""
        if self._directory is None:
            return True
        return Path(os.path.realpath(self._directory / path.strip("/"))).is_relative_to(self._directory)

    def _demand_writes(self) -> None:
        if self._read_only:
            raise InvalidRequest(f'"{self.name}" may only read: `read_only: false` in its config allows more')

    def _where(self) -> str:
        return self._options.get("endpoint") or self._url

    def _words(self, exc: BaseException) -> str:
        """The first line of what the library says, without any value of `options`."""
        text = str(exc).partition("\n")[0][:500]
        for name, value in self._options.items():
            if len(value) >= 6 and name != "endpoint":
                text = text.replace(value, "********")
        return text

    def _opened(self) -> Any:
        try:
            from obstore.store import from_url
        except ImportError as exc:
            raise ImportError("it needs the package obstore: pip install 'gleitzeitd[cloud]'") from exc
        plain = self._options.get("endpoint", "").startswith("http://")
        client: Any = {"allow_http": True} if plain else None
        options: Any = dict(self._options) or None
        if self._url.startswith(("file:", "memory:")):
            if options:
                raise ValueError(f"config.options: {urlsplit(self._url).scheme}:// takes none")
            return from_url(self._url)
        # The hub tries again what may be; a second time here would not be seen by anybody.
        retries: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=self._timeout)}
        try:
            return from_url(self._url, config=options, client_options=client, retry_config=retries)
        except Exception as exc:  # its own errors have no common base
            raise ValueError(f"config.url and config.options: {self._words(exc)}") from exc


def _directory(url: str) -> Path:
    path = Path(unquote(urlsplit(url).path))
    if not path.is_dir():
        raise ValueError(f"config.url: there is no directory {path}")
    return path.resolve()


def _walked(directory: Path, prefix: str, most: int, after: str) -> Items:
    """Files in the order of their paths. Links are passed by: they may lead out, or in a circle."""

    def below(top: Path) -> Iterator[Path]:
        # A folder sorts as if its name ended with a slash, as the paths in it do.
        entries = [
            (f"{one.name}/" if one.is_dir(follow_symlinks=False) else one.name, one)
            for one in os.scandir(top)
        ]
        for _, entry in sorted(entries, key=lambda pair: pair[0]):
            if entry.is_dir(follow_symlinks=False):
                yield from below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)

    top = directory / prefix.strip("/")
    if not top.is_dir():
        return []
    paths = ((str(path.relative_to(directory)), path) for path in below(top))
    found = islice(((name, path) for name, path in paths if name > after), most)
    return [_of_file(name, path) for name, path in found]


def _of_file(name: str, path: Path) -> Item:
    from datetime import UTC, datetime

    known = path.stat()
    modified = datetime.fromtimestamp(known.st_mtime, UTC)
    return {"path": name, "size": known.st_size, "modified": modified.isoformat(), "etag": None}


def _described(meta: Mapping[str, Any]) -> Item:
    modified = meta["last_modified"].isoformat()
    return {"path": meta["path"], "size": meta["size"], "modified": modified, "etag": meta["e_tag"]}


def _told(data: bytes, encoding: str) -> Item:
    if encoding == "base64":
        return {"base64": base64.b64encode(data).decode()}
    return {"text": data.decode(errors="replace")}


def _given(text: str | None, encoded: str | None) -> bytes:
    if (text is None) == (encoded is None):
        raise InvalidRequest("put takes either text or base64")
    try:
        return text.encode() if text is not None else base64.b64decode(encoded or "", validate=True)
    except ValueError as exc:
        raise InvalidRequest(f"what is to be written cannot be read: {exc}") from exc
