"""The documents of a MongoDB database, by pymongo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    Unavailable,
    current_call,
    idempotent,
)

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.asynchronous.database import AsyncDatabase

Item = dict[str, Any]

REACHED_WITHIN = 5.0
"""Seconds in which a server is found that can answer: as long as an election takes."""

HEALTH_WITHIN = 2.0
"""Seconds in which a server that is well answers a ping."""

SCRIPTS = frozenset({"$where", "$function", "$accumulator"})
"""What would run JavaScript on the server."""

WRITES = frozenset({"$out", "$merge"})
"""Stages of a pipeline that write."""

ELSEWHERE = WRITES | {"$lookup", "$graphLookup", "$unionWith"}
"""Stages that name a collection, which may be given as one of another database."""

_REFUSED = frozenset({13, 18, 8000})
"""Unauthorized, AuthenticationFailed, and AtlasError, by which Atlas tells of a wrong password."""
_TOO_LATE = frozenset({50, 262})
"""MaxTimeMSExpired and ExceededTimeLimit."""


class MongoProvider(SocketIOProviderClient):
    """Finds, counts and, where that is allowed, writes the documents of one MongoDB database."""

    checks_config = True

    def __init__(
        self,
        database: str,
        url: str = "mongodb://localhost:27017",
        allow_writes: bool = False,
        max_documents: int = 1000,
        max_bytes: int = 4 * 1024 * 1024,
        timeout: float = 30.0,
        **kwargs: Any,
    ) -> None:
        """Nothing is connected before the first call.

        Args:
            database: The only one whose collections can be named.
            url: Where the server is, as a connection string; user and password in it stay here.
            allow_writes: Whether insert, update and delete are allowed, and pipelines that write.
            max_documents: Documents that one answer may have.
            max_bytes: Bytes of JSON that one answer may have.
            timeout: Seconds that the server may work for one call; the call's own deadline may be sooner.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["documents"])
        kwargs.setdefault("description", "Documents of a MongoDB database")
        super().__init__(**kwargs)
        self._url, self._name, self._allow_writes = url, database, allow_writes
        self._max_documents, self._max_bytes, self._timeout = max_documents, max_bytes, timeout
        self._opened: AsyncMongoClient[Item] | None = None
        self._client()  # Connects to nobody, and finds what is wrong with the URL.

    @idempotent
    async def find(
        self,
        collection: str,
        filter: Item | None = None,
        projection: Item | None = None,
        sort: dict[str, int] | None = None,
        limit: int = 100,
        skip: int = 0,
    ) -> Item:
        """Documents that match: `{documents, truncated}`.

        Args:
            filter: In MongoDB's words, such as `{"age": {"$gt": 3}}`; all unless given.
            projection: Which fields, as `{"name": 1}`.
            sort: Field to 1 for the smallest first, or -1.
            limit: How many at most.
            skip: How many to leave out, for the next page.
        """
        if limit < 1 or not 0 <= skip < 2**63:
            raise InvalidRequest("limit is 1 or more, and skip 0 or more")
        limit = min(limit, self._max_documents)
        async with self._asking(collection, filter, projection, sort) as (found, (wanted, fields, order)):
            cursor = found.find(
                wanted or {}, fields, skip=skip, limit=limit + 1, batch_size=min(limit + 1, 100)
            )
            if order:
                cursor = cursor.sort(list(order.items()))
            return await self._read(cursor, limit)

    @idempotent
    async def find_one(
        self, collection: str, filter: Item | None = None, projection: Item | None = None
    ) -> Item:
        """The first document that matches: `{document}`, which is null where none does."""
        async with self._asking(collection, filter, projection) as (found, (wanted, fields)):
            document = await found.find_one(wanted or {}, fields)
            return {"document": None if document is None else _as_json(document)[0]}

    @idempotent
    async def count(self, collection: str, filter: Item | None = None) -> Item:
        """How many documents match: `{count}`."""
        async with self._asking(collection, filter) as (found, (wanted,)):
            return {"count": await found.count_documents(wanted or {})}

    @idempotent
    async def aggregate(self, collection: str, pipeline: list[Item]) -> Item:
        """What a pipeline makes of the documents: `{documents, truncated}`.

        Args:
            pipeline: Stages such as `{"$match": {...}}` and `{"$group": {...}}`; those that write need
                `allow_writes`, and none may run JavaScript.
        """
        if any("$changeStream" in stage for stage in pipeline):
            raise InvalidRequest("$changeStream has no end: aggregate gives whole answers")
        if WRITES & set(_keys(pipeline)):
            self._demand_writes()
        self._demand_own_database(pipeline)
        async with self._asking(collection, pipeline) as (found, (stages,)):
            return await self._read(await found.aggregate(stages, batchSize=100), self._max_documents)

    async def insert(self, collection: str, documents: list[Item]) -> Item:
        """Add documents: `{ids}`. Those before one that is refused stay."""
        self._demand_writes()
        if not documents:
            raise InvalidRequest("there is nothing to insert: documents is empty")
        async with self._asking(collection, documents) as (found, (made,)):
            done = await found.insert_many(made)
            return {"ids": [_as_json({"_id": one})[0]["_id"] for one in done.inserted_ids]}

    async def update(
        self, collection: str, filter: Item, update: Item, upsert: bool = False, many: bool = False
    ) -> Item:
        """Change the first document that matches: `{matched, modified, upserted_id}`.

        Args:
            update: In MongoDB's words, such as `{"$set": {"name": "Ada"}}`.
            upsert: Whether it is made where none matches.
            many: Whether all that match are changed.
        """
        self._demand_writes()
        async with self._asking(collection, filter, update) as (found, (wanted, change)):
            change_them = found.update_many if many else found.update_one
            done = await change_them(wanted, change, upsert=upsert)
            made = None if done.upserted_id is None else _as_json({"_id": done.upserted_id})[0]["_id"]
            return {"matched": done.matched_count, "modified": done.modified_count, "upserted_id": made}

    async def delete(self, collection: str, filter: Item, many: bool = False) -> Item:
        """Remove the first document that matches, or all with `many`: `{deleted}`."""
        self._demand_writes()
        async with self._asking(collection, filter) as (found, (wanted,)):
            done = await (found.delete_many if many else found.delete_one)(wanted)
            return {"deleted": done.deleted_count}

    @idempotent
    async def collections(self) -> Item:
        """The names of the collections: `{collections}`."""
        async with self._limited() as database:
            return {"collections": sorted(await database.list_collection_names())}

    @idempotent
    async def indexes(self, collection: str) -> Item:
        """The indexes of a collection: `{indexes}`."""
        async with self._asking(collection) as (found, _):
            cursor = await found.list_indexes()
            return {"indexes": [_as_json(dict(index))[0] async for index in cursor]}

    async def get_health_status(self) -> Item:
        """A restart would not help a server that is down: it is given no calls instead."""
        try:
            async with self._limited(HEALTH_WITHIN) as database:
                await database.command("ping")
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    async def on_disconnected(self) -> None:
        client, self._opened = self._opened, None
        if client:
            await client.close()

    @asynccontextmanager
    async def _asking(
        self, collection: str, *given: Any
    ) -> AsyncIterator[tuple[AsyncCollection[Item], list[Any]]]:
        """A collection, and what is sent to it in MongoDB's types; each is a value of JSON or None."""
        if not collection or "$" in collection or "\0" in collection or collection.startswith("system."):
            raise InvalidRequest(f'"{collection:.100}" cannot be the name of a collection')
        if found := SCRIPTS & set(_keys(given)):
            raise InvalidRequest(
                f"{min(found)} would run JavaScript on the server, which is not allowed here"
            )
        sent = [None if one is None else _from_json(one) for one in given]
        async with self._limited() as database:
            yield database[collection], sent

    @asynccontextmanager
    async def _limited(self, within: float | None = None) -> AsyncIterator[AsyncDatabase[Item]]:
        """The database, while the server may work; what it raises is told by its class."""
        import pymongo
        from bson.errors import BSONError, InvalidDocument
        from pymongo import errors

        call = current_call()
        left = call.seconds_left if call else None
        seconds = within if within is not None else min(filter(None, (self._timeout, left)))
        try:
            client = self._client()
            if not client.nodes:
                # Else it would be looked for as long as it may work.
                with pymongo.timeout(min(seconds, REACHED_WITHIN)):
                    await client.admin.command("ping")
            with pymongo.timeout(seconds):
                yield client[self._name]
        except errors.ConnectionFailure as exc:
            raise Unavailable(f"no MongoDB at {self._where()}: {_beginning(exc)}") from exc
        except errors.OperationFailure as exc:
            raise self._failed(exc) from exc
        except (errors.PyMongoError, BSONError, InvalidDocument) as exc:
            raise InvalidRequest(f"MongoDB cannot be asked this: {_beginning(exc)}") from exc
        except (TypeError, ValueError, OverflowError, RecursionError) as exc:
            # pymongo checks what it is given as Python does.
            raise InvalidRequest(f"MongoDB cannot be asked this: {_beginning(exc)}") from exc

    def _failed(self, exc: Any) -> CallError:
        """What an answer of the server's means: one without a code is about what was asked, too."""
        if exc.code in _REFUSED:
            return CallError(
                "provider_error", f"MongoDB at {self._where()} refuses the user of `url`: {_beginning(exc)}"
            )
        if exc.code in _TOO_LATE or exc.timeout:
            return CallError("deadline_exceeded", "MongoDB took longer than it may")
        if exc.has_error_label("RetryableWriteError") or exc.has_error_label("TransientTransactionError"):
            return Unavailable(f"MongoDB at {self._where()} is changing: {_beginning(exc)}")
        return InvalidRequest(f"MongoDB refuses it: {_beginning(exc)}")

    async def _read(self, cursor: Any, limit: int) -> Item:
        documents: list[Item] = []
        size = 0
        async with cursor:
            async for document in cursor:
                as_json, length = _as_json(document)
                size += length
                if len(documents) == limit or size > self._max_bytes:
                    return {"documents": documents, "truncated": True}
                documents.append(as_json)
        return {"documents": documents, "truncated": False}

    def _demand_writes(self) -> None:
        if not self._allow_writes:
            raise InvalidRequest(
                f'"{self.name}" may only read: `allow_writes: true` in its config allows writes'
            )

    def _demand_own_database(self, pipeline: list[Item]) -> None:
        for name, value in _pairs(pipeline):
            if name not in ELSEWHERE or not isinstance(value, dict):
                continue
            for place in (value, value.get("into"), value.get("from")):
                if isinstance(place, dict) and place.get("db", self._name) != self._name:
                    raise InvalidRequest(
                        f'{name} names the database "{place["db"]!s:.100}": this provider has '
                        f'"{self._name}" alone'
                    )

    def _where(self) -> str:
        """The servers, without who asks them."""
        return self._url.partition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]

    def _client(self) -> AsyncMongoClient[Item]:
        if self._opened is None:
            try:
                from pymongo import AsyncMongoClient
                from pymongo.errors import PyMongoError
            except ImportError as exc:
                raise ImportError("it needs the package pymongo: pip install 'gleitzeitd[mongo]'") from exc
            try:
                if "://" not in self._url:
                    raise ValueError("it has no scheme")
                # The hub tries again what may be; a second time here would not be seen by anybody.
                self._opened = AsyncMongoClient(
                    self._url,
                    retryReads=False,
                    retryWrites=False,
                    serverSelectionTimeoutMS=int(REACHED_WITHIN * 1000),
                    appname="gleitzeit",
                    tz_aware=True,
                )
            except (PyMongoError, ValueError, TypeError) as exc:
                # The library's words may repeat a part of the password.
                raise ValueError(
                    "url cannot be read: write it like mongodb://user:password@host:27017, with what is "
                    "special in the password percent-encoded"
                ) from exc
        return self._opened


def _keys(value: Any) -> Iterator[str]:
    """Every key in a value, at any depth."""
    return (key for key, _ in _pairs(value))


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key in a value with what it has, at any depth."""
    left = [value]
    while left:
        match left.pop():
            case dict() as mapping:
                yield from mapping.items()
                left += mapping.values()
            case list() | tuple() as several:
                left += several


def _from_json(value: Any) -> Any:
    """With MongoDB's own types made of extended JSON, such as `{"$oid": "..."}` and `{"$date": "..."}`."""
    from bson import json_util
    from bson.errors import BSONError

    try:
        return json_util.loads(json.dumps(value))
    except (
        BSONError,
        TypeError,
        ValueError,
        KeyError,
        OverflowError,
        RecursionError,
        ArithmeticError,
    ) as exc:
        raise InvalidRequest(f"this is no extended JSON: {_beginning(exc)}") from exc


def _as_json(document: Item) -> tuple[Item, int]:
    """A document in relaxed extended JSON, and how long that is."""
    from bson import json_util

    text = json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS)
    return json.loads(text), len(text)


def _beginning(exc: Exception) -> str:
    """Its first words: what comes later describes the library's state."""
    text = str(exc)
    for more in (", full error", " (configured timeouts", ", Timeout: ", ", Topology Description: "):
        text = text.partition(more)[0]
    return text[:500]
