"""Objects in S3, Google Cloud Storage, Azure and directories, by obstore."""

from __future__ import annotations

import asyncio
import base64
import codecs
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    Unavailable,
    current_call,
    idempotent,
)
from providers import cloud_errors
from providers.cloud_directory import Directory

Item = dict[str, Any]
Items = list[Item]
Paths = list[str]

SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "file", "memory")
HEALTH_WITHIN = 2.0
"""Seconds in which a store that is well answers a question about its health."""
MOST_LISTED = 1000
LONGEST_SIGNED = 7 * 24 * 3600
"""Seconds: what S3 allows."""
PIECE = 256 * 1024
"""Bytes of one item of a stream."""
NO_RIGHT = ("AccessDenied", "AuthorizationPermissionMismatch")
"""The codes of S3, Google and Azure for a key that is known, and may not do this."""


class ObjectStoreProvider(SocketIOProviderClient):
    """Lists, reads and, where that is allowed, writes the objects of one bucket, container or directory."""

    checks_config = True

    def __init__(
        self,
        *,
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
            timeout: Seconds that one request, or one piece of a stream, may take; the call's own deadline may
                be sooner.
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
        self._directory = Directory(url) if scheme == "file" else None
        self._is_remote = scheme not in ("file", "memory")
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
        self._demand_path(prefix)
        async with self._asking():
            found = await self._listed(prefix, limit + 1, after)
        page = found[:limit]
        return {"objects": page, "next": page[-1]["path"] if len(found) > limit else None}

    @idempotent
    async def folders(self, prefix: str = "") -> Item:
        """What lies directly below a prefix, up to 1000 of each: `{folders, objects, truncated}`."""
        self._demand_path(prefix)
        async with self._asking():
            folders, objects = await self._direct(prefix)
        return {
            "folders": folders[:MOST_LISTED],
            "objects": objects[:MOST_LISTED],
            "truncated": max(len(folders), len(objects)) > MOST_LISTED,
        }

    @idempotent
    async def head(self, path: str) -> Item:
        """What is known of an object: `{path, size, modified, etag, content_type}`."""
        async with self._asking(path):
            return _known(await self._headed(path))

    @idempotent
    async def get(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        encoding: Literal["text", "base64"] = "text",
    ) -> Item:
        """An object, or a part of it: what `head` tells, and `{text or base64, start, truncated, next}`.

        Args:
            start: The first byte that is wanted: 0, or the `next` of the part before.
            length: How many bytes at most; up to `max_bytes` unless given.
            encoding: `base64` for what is not text in UTF-8.
        """
        import obstore

        if start < 0 or (length is not None and length < 1):
            raise InvalidRequest("start is 0 or more, and length 1 or more")
        most = min(self._max_bytes, length or self._max_bytes)
        data = bytearray()
        async with self._asking(path):
            headed = await self._headed(path)
            size = headed.meta["size"]
            if start < size:
                wanted: Any = {"range": (start, min(start + most, size))}
                part = await obstore.get_async(self._store, path, options=wanted)
                async for chunk in part.stream():
                    data += bytes(chunk)[: most - len(data)]
                    if len(data) == most:
                        break
        is_cut = start + len(data) < size
        told, length = _told(bytes(data), encoding, is_cut)
        rest = {"start": start, "truncated": is_cut, "next": start + length if is_cut else None}
        return {**_known(headed), **told, **rest}

    @idempotent
    async def stream(
        self, path: str, start: int = 0, encoding: Literal["text", "base64"] = "base64"
    ) -> AsyncIterator[Item]:
        """A whole object in pieces: `{base64 or text, offset, done}`; the last item is done and empty.

        Args:
            start: The first byte that is wanted.
            encoding: `text` for text in UTF-8, of which no character is cut in two.
        """
        if start < 0:
            raise InvalidRequest("start is 0 or more")
        decoder, offset = codecs.getincrementaldecoder("utf-8")(), start
        async for data in self._pieces(path, start):
            told = {"text": _decoded(decoder, data)} if encoding == "text" else _as_base64(data)
            yield {**told, "offset": offset, "done": False}
            offset += len(data)
        rest = {"text": _decoded(decoder, b"", final=True)} if encoding == "text" else _as_base64(b"")
        yield {**rest, "offset": offset, "done": True}

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
            content_type: Its media type, such as `application/json`; a directory does not keep it.
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
        about: Any = {"Content-Type": content_type} if content_type and not self._directory else None
        async with self._asking(path):
            done = await obstore.put_async(
                self._store, path, data, attributes=about, mode=mode, use_multipart=False
            )
        return {"path": path, "size": len(data), "etag": done["e_tag"]}

    async def delete(self, path: str) -> Item:
        """Remove an object: `{path}`. For S3 one that is not there is removed, too."""
        import obstore

        self._demand_writes()
        async with self._asking(path):
            await obstore.delete_async(self._store, path)
        return {"path": path}

    async def copy(self, source: str, target: str, overwrite: bool = False) -> Item:
        """Copy an object within the store: `{path}`, the target's.

        Args:
            overwrite: Whether one that is there is replaced; else it is a `conflict`. S3 knows only true.
        """
        import obstore

        self._demand_writes()
        async with self._asking(source, target):
            await obstore.copy_async(self._store, source, target, overwrite=overwrite)
        return {"path": target}

    async def move(self, source: str, target: str, overwrite: bool = False) -> Item:
        """Move an object within the store: `{path}`, the target's.

        Args:
            overwrite: Whether one that is there is replaced; else it is a `conflict`. S3 knows only true.
        """
        import obstore

        self._demand_writes()
        async with self._asking(source, target):
            await obstore.rename_async(self._store, source, target, overwrite=overwrite)
        return {"path": target}

    @idempotent
    async def presign(self, path: str, write: bool = False, expires: int = 3600) -> Item:
        """A URL by which anybody who has it may read or write the object for a time: `{url, expires}`.

        Args:
            write: Whether it is for writing, with the HTTP method PUT.
            expires: Seconds that it is good for, up to 7 days.
        """
        import obstore

        if write:
            self._demand_writes()
        if not 1 <= expires <= LONGEST_SIGNED:
            raise InvalidRequest(f"expires is 1 to {LONGEST_SIGNED} seconds")
        if not self._is_remote:
            raise InvalidRequest(f"{urlsplit(self._url).scheme}:// has no URLs that could be signed")
        async with self._asking(path):
            verb: Any = "PUT" if write else "GET"
            url = await obstore.sign_async(self._store, verb, path, timedelta(seconds=expires))
        return {"url": url, "expires": expires}

    async def get_health_status(self) -> Item:
        """A restart would not help a store that is down: it is given no calls instead."""
        try:
            async with self._asking(within=HEALTH_WITHIN):
                await self._listed("", 1, "")
        except CallError as exc:
            # A key may well have the right to read objects, and none to list them.
            if not any(code in exc.message for code in NO_RIGHT):
                return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    @asynccontextmanager
    async def _asking(self, *paths: str, within: float | None = None) -> AsyncIterator[None]:
        """While the store is asked about these; what it raises is told by its class."""
        from obstore import exceptions

        for path in paths:
            if not path.strip("/"):
                raise InvalidRequest("a path names an object: it is not empty")
            self._demand_path(path)
        call = current_call()
        left = call.seconds_left if call else None
        seconds = within or (self._timeout if left is None else min(self._timeout, left))
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as exc:
            raise Unavailable(f"the store at {self._where()} did not answer in {seconds:g} s") from exc
        except FileNotFoundError as exc:
            said = f'"{paths[0]:.200}" in {self._url}' if paths else self._url
            raise cloud_errors.told(exc, self._where(), said, self._is_remote) from exc
        except (
            exceptions.BaseError,
            NotImplementedError,
            ValueError,
            TypeError,
            OverflowError,
            OSError,
        ) as exc:
            raise cloud_errors.told(exc, self._where(), self._words(exc), self._is_remote) from exc

    def _demand_path(self, path: str) -> None:
        if not path.isprintable():
            raise InvalidRequest(f"{path[:200]!r} cannot be a path: it has what cannot be printed")
        if not self._is_inside(path):
            raise InvalidRequest(f'"{path:.200}" leads out of {self._url}')

    async def _pieces(self, path: str, start: int) -> AsyncIterator[bytes]:
        """Each has its own time: how long the reader takes for them is not the store's fault."""
        import obstore

        async with self._asking(path):
            if start and start >= (await self._headed(path)).meta["size"]:
                return
            wanted: Any = {"range": {"offset": start}} if start else None
            chunks = (await obstore.get_async(self._store, path, options=wanted)).stream(min_chunk_size=PIECE)
        while True:
            async with self._asking(path):
                chunk = bytes(await anext(chunks, b""))
            if not chunk:
                return
            for at in range(0, len(chunk), PIECE):
                yield chunk[at : at + PIECE]

    async def _headed(self, path: str) -> Any:
        """The answer to a request for its head, which has its type, too."""
        import obstore

        wanted: Any = {"head": True}
        return await obstore.get_async(self._store, path, options=wanted)

    async def _listed(self, prefix: str, most: int, after: str) -> Items:
        import obstore

        if self._directory is not None:
            return await asyncio.to_thread(self._directory.listed, prefix, most, after)
        found: Items = []
        # It has no name here: a traceback would keep it, and with it the request that was given up.
        async for chunk in obstore.list(
            self._store, prefix or None, offset=after or None, chunk_size=min(most, 1000)
        ):
            found += [_described(one) for one in chunk]
            if len(found) >= most:
                break
        return found[:most]

    async def _direct(self, prefix: str) -> tuple[Paths, Items]:
        import obstore

        if self._directory is not None:
            return await asyncio.to_thread(self._directory.direct, prefix)
        found = await obstore.list_with_delimiter_async(self._store, prefix or None)
        objects = [_described(one) for one in found["objects"]]
        return sorted(found["common_prefixes"]), sorted(objects, key=lambda one: str(one["path"]))

    def _is_inside(self, path: str) -> bool:
        """A bucket has no links."""
        return self._directory is None or self._directory.has(path)

    def _demand_writes(self) -> None:
        if self._read_only:
            raise InvalidRequest(f'"{self.name}" may only read: `read_only: false` in its config allows more')

    def _where(self) -> str:
        return self._options.get("endpoint") or self._url

    def _words(self, exc: BaseException) -> str:
        """What the library says, without any value of `options`, or where the directory is."""
        text = cloud_errors.words(exc)
        if self._directory:
            text = text.replace(f"{self._directory.path}/", "")
        for name, value in self._options.items():
            if len(value) >= 6 and name != "endpoint":
                text = text.replace(value, "********")
        return text

    def _opened(self) -> Any:
        try:
            from obstore.store import from_url
        except ImportError as exc:
            raise ImportError("it needs the package obstore: pip install 'gleitzeitd[cloud]'") from exc
        # Each wait has a deadline of ours; theirs would end a long download after 30 seconds.
        client: Any = {
            "timeout": timedelta(days=1),
            "allow_http": self._options.get("endpoint", "").startswith("http://"),
        }
        options: Any = dict(self._options) or None
        if not self._is_remote:
            if options:
                raise ValueError(f"config.options: {urlsplit(self._url).scheme}:// takes none")
            return from_url(self._url)
        # The hub tries again what may be; a second time here would not be seen by anybody.
        retries: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=self._timeout)}
        try:
            return from_url(self._url, config=options, client_options=client, retry_config=retries)
        except Exception as exc:  # its own errors have no common base
            raise ValueError(f"config.url and config.options: {self._words(exc)}") from exc


def _described(meta: Mapping[str, Any]) -> Item:
    modified = meta["last_modified"].isoformat()
    return {"path": meta["path"], "size": meta["size"], "modified": modified, "etag": meta["e_tag"]}


def _known(result: Any) -> Item:
    return {**_described(result.meta), "content_type": result.attributes.get("Content-Type")}


def _as_base64(data: bytes) -> Item:
    return {"base64": base64.b64encode(data).decode()}


def _told(data: bytes, encoding: str, is_cut: bool) -> tuple[Item, int]:
    """And of how many of the bytes it tells: a character at a cut is left for the next part."""
    if encoding == "base64":
        return _as_base64(data), len(data)
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = _decoded(decoder, data, final=not is_cut)
    length = len(data) - len(decoder.getstate()[0])
    if data and not length:
        raise InvalidRequest("not one character of UTF-8 has so few bytes: ask for 4 at least")
    return {"text": text}, length


def _decoded(decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False) -> str:
    try:
        return decoder.decode(data, final)
    except UnicodeDecodeError as exc:
        raise InvalidRequest('this is no text in UTF-8: ask for it with encoding "base64"') from exc


def _given(text: str | None, encoded: str | None) -> bytes:
    if (text is None) == (encoded is None):
        raise InvalidRequest("put takes either text or base64")
    try:
        return text.encode() if text is not None else base64.b64decode(encoded or "", validate=True)
    except ValueError as exc:
        raise InvalidRequest(f"what is to be written cannot be read: {exc}") from exc
