"""Collections of vectors, and what is nearest in them: in an SQLite file, or in PostgreSQL with pgvector."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gleitzeit_extensions import CallError, InvalidRequest, SocketIOProviderClient, idempotent
from providers import vector_values
from providers.vector_values import Collection, Store

MOST_ITEMS = 1000
"""Of one call."""

MOST_BYTES = 4 * 1024 * 1024
"""Of an answer, as JSON."""

SCHEMES = ("postgresql://", "postgres://")

Item = dict[str, Any]


class VectorProvider(SocketIOProviderClient):
    """Vectors with metadata, searched by nearness and filters."""

    checks_config = True

    def __init__(self, *, path: str = "", url: str = "", **kwargs: Any) -> None:
        """Where they are kept.

        Args:
            path: the SQLite file, which is made if it is not there; its directory exists
            url: instead of a path, a PostgreSQL with pgvector: `postgresql://user:password@host/database`
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["vectors"])
        kwargs.setdefault("description", "Vectors, searched by nearness")
        super().__init__(**kwargs)
        if bool(path) == bool(url):
            raise ValueError("it needs either a path, of an SQLite file, or a url, of a PostgreSQL")
        self._store = _in_postgres(url) if url else _in_sqlite(path)

    async def create_collection(self, name: str, dimensions: int, metric: str = "cosine") -> Item:
        """A place for vectors of a kind: `{name, dimensions, metric, created}`. One that is the same is kept.

        Args:
            name: of a-z, 0-9 and _, 40 at most
            dimensions: how many numbers each vector has, 8192 at most
            metric: how nearness is measured: `cosine` by the angle (0 to 2), or `l2` by the distance
        """
        wanted = vector_values.collection(name, dimensions, metric)
        created = await self._store.create(wanted)
        there = await self._collection(name)
        if there != wanted:
            raise InvalidRequest(
                f'there is a collection "{name}" already,'
                f" of {there.dimensions} dimensions and the metric {there.metric}"
            )
        return {**_shown(there), "created": created}

    @idempotent
    async def collections(self) -> list[Item]:
        """What there is: `[{name, dimensions, metric}]`."""
        return [_shown(one) for one in await self._store.collections()]

    async def drop_collection(self, name: str) -> Item:
        """Remove a collection and all that is in it: `{dropped}`, which is false if there was none."""
        found = [one for one in await self._store.collections() if one.name == name]
        for one in found:
            await self._store.drop(one)
        return {"dropped": bool(found)}

    async def upsert(self, collection: str, items: list[Item]) -> Item:
        """Add items, or replace those of the same ids: `{upserted}`. All of them or, on an error, none.

        Args:
            items: 1000 at most, each `{id, vector, metadata?, text?}`; metadata are strings, numbers,
                booleans and nulls by name
        """
        _few(items)
        there = await self._collection(collection)
        rows = {row.id: row for row in (vector_values.row(there, item) for item in items)}
        await self._store.upsert(there, list(rows.values()))
        return {"upserted": len(rows)}

    @idempotent
    async def get(self, collection: str, ids: list[str]) -> Item:
        """Items by their ids: `{items: [{id, vector, metadata, text}], truncated}`, without unknown ones."""
        there = await self._collection(collection)
        found = {row.id: row for row in await self._store.get(there, _ids(ids))}
        rows = [found[id] for id in dict.fromkeys(ids) if id in found]
        return _bounded(
            {
                "id": row.id,
                "vector": row.vector.tolist(),
                "metadata": json.loads(row.metadata),
                "text": row.text,
            }
            for row in rows
        )

    @idempotent
    async def search(
        self, collection: str, vector: list[float], k: int = 10, filter: Item | None = None
    ) -> Item:
        """The nearest items, the nearest first: `{items: [{id, distance, metadata, text}], truncated}`.

        Args:
            k: how many, 1000 at most
            filter: metadata that they have, such as `{"language": "de", "year": {"gte": 2000, "lt": 2010}}`
        """
        if not 1 <= k <= MOST_ITEMS:
            raise InvalidRequest(f"k has to be from 1 to {MOST_ITEMS:,}, not {k}")
        wanted = vector_values.conditions(filter)
        there = await self._collection(collection)
        found = await self._store.search(there, there.packed(vector, "the vector"), k, wanted)
        return _bounded(
            {"id": id, "distance": distance, "metadata": json.loads(metadata), "text": text}
            for id, distance, metadata, text in found
        )

    async def delete(self, collection: str, ids: list[str] | None = None, filter: Item | None = None) -> Item:
        """Remove items by their ids, or by a filter as in `search`: `{deleted}`, how many there were."""
        if (ids is None) == (filter is None):
            raise InvalidRequest("delete takes either ids or a filter")
        wanted = vector_values.conditions(filter)
        if ids is None and not wanted:
            raise InvalidRequest("the filter is empty: drop_collection removes everything")
        there = await self._collection(collection)
        return {"deleted": await self._store.delete(there, None if ids is None else _ids(ids), wanted)}

    @idempotent
    async def count(self, collection: str, filter: Item | None = None) -> Item:
        """How many items there are, or how many of them fit a filter: `{count}`."""
        wanted = vector_values.conditions(filter)
        return {"count": await self._store.count(await self._collection(collection), wanted)}

    async def get_health_status(self) -> Item:
        """Whether its database answers; `by` is what compares the vectors: sqlite-vec, python or pgvector."""
        try:
            found = await self._store.collections()
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True, "by": self._store.by, "metrics": {"collections": len(found)}}

    async def on_disconnected(self) -> None:
        await self._store.close()

    async def _collection(self, name: str) -> Collection:
        there = {one.name: one for one in await self._store.collections()}
        if name not in there:
            known = ", ".join(list(there)[:20]) or "none yet"
            raise InvalidRequest(f'there is no collection "{name:.60}": there is {known}')
        return there[name]


def _in_postgres(url: str) -> Store:
    from providers.vector_postgres import PostgreSQL

    if not url.startswith(SCHEMES):
        raise ValueError("url has to begin with postgresql://")
    if not importlib.util.find_spec("psycopg"):
        raise ImportError("needs the package psycopg: pip install 'gleitzeitd[vector]'")
    return PostgreSQL(url)


def _in_sqlite(path: str) -> Store:
    from providers.vector_sqlite import SQLite

    file = Path(path).expanduser().resolve()
    if not file.parent.is_dir():
        raise ValueError(f'path is "{file}", and there is no directory "{file.parent}"')
    return SQLite(file)


def _shown(collection: Collection) -> Item:
    return {"name": collection.name, "dimensions": collection.dimensions, "metric": collection.metric}


def _ids(ids: list[str]) -> list[str]:
    _few(ids)
    return [vector_values.checked_id(id) for id in ids]


def _few(given: list[Any]) -> None:
    if len(given) > MOST_ITEMS:
        raise InvalidRequest(f"a call takes {MOST_ITEMS:,} at most, not {len(given):,}: send them in several")


def _bounded(items: Iterable[Item]) -> Item:
    taken: list[Item] = []
    size = 0
    for item in items:
        size += len(json.dumps(item))
        if size > MOST_BYTES:
            return {"items": taken, "truncated": True}
        taken.append(item)
    return {"items": taken, "truncated": False}
