"""The keys of a Redis server, and what is published there, by redis-py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from gleitzeit_extensions import CallError, InvalidRequest, SocketIOProviderClient, idempotent
from providers.redis_server import RedisServer
from providers.redis_values import as_bytes, as_value, escaped, milliseconds, number, shown

Item = dict[str, Any]
Names = list[str]
Values = list[Any]

HEALTH_WITHIN = 2.0
"""Seconds in which a server that is well answers a ping."""

QUIET = 15.0
"""Seconds without a message after which a subscription asks whether its server is still there."""

MOST = 1000
"""Of keys, fields, values and members in one call."""


class RedisProvider(SocketIOProviderClient):
    """Reads and writes the keys of one Redis database, and publishes and hears messages."""

    checks_config = True

    def __init__(
        self,
        *,
        url: str = "redis://localhost:6379/0",
        prefix: str = "",
        read_only: bool = False,
        max_bytes: int = 4 * 1024 * 1024,
        **kwargs: Any,
    ) -> None:
        """Nothing is connected before the first call.

        Args:
            url: Where the server is: `redis://user:password@host:6379/0`, `rediss://` for TLS, or `unix://`
                and a path; user and password stay here.
            prefix: What every key and channel begins with, such as `shop:`; callers do not see it, and reach
                nothing else.
            read_only: Whether whatever changes something is refused, and publishing, too.
            max_bytes: Bytes that the values of one call may have, sent or answered.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["keys", "messages"])
        kwargs.setdefault("description", "Keys and messages of a Redis server")
        super().__init__(**kwargs)
        self._prefix, self._read_only, self._max_bytes = prefix, read_only, max_bytes
        self._server = RedisServer(url)

    @idempotent
    async def get(self, key: str) -> Item:
        """What a key holds: `{value}`, which is null where there is none. Bytes are `{"base64": "..."}`."""
        return {"value": (await self.get_many([key]))["values"][key]}

    @idempotent
    async def get_many(self, keys: Names) -> Item:
        """What each of several keys holds: `{values: {key: value}}`."""
        names = self._keys(keys)
        async with self._server.asking() as redis:
            # The lengths come first: what is too much is not even read.
            pipeline = redis.pipeline(transaction=False)
            for name in names:
                pipeline.strlen(name)
            lengths = await pipeline.execute(raise_on_error=False)
            for length in lengths:
                if isinstance(length, Exception):
                    raise length
            self._demand_room(sum(lengths))
            found = await redis.mget(names)
        return {"values": dict(zip(keys, map(as_value, found), strict=True))}

    async def set(
        self, key: str, value: Any, expire: float | None = None, only_if_absent: bool = False
    ) -> Item:
        """Keep a value: `{set}`.

        Args:
            value: Text, `{"base64": "..."}` for bytes, or any other JSON, which is kept as text.
            expire: Seconds after which it is gone; it stays unless given.
            only_if_absent: Whether a key that is there is left as it is; `set` is false then.
        """
        (kept,) = self._sent([value])
        after = None if expire is None else milliseconds(expire)
        async with self._writing() as redis:
            return {"set": bool(await redis.set(self._key(key), kept, px=after, nx=only_if_absent))}

    async def delete(self, keys: Names) -> Item:
        """Remove keys, whatever they hold: `{deleted}`, how many there were."""
        async with self._writing() as redis:
            return {"deleted": await redis.unlink(*self._keys(keys))}

    @idempotent
    async def exists(self, keys: Names) -> Item:
        """How many of some keys there are: `{exists}`."""
        async with self._server.asking() as redis:
            return {"exists": await redis.exists(*dict.fromkeys(self._keys(keys)))}

    async def expire(self, key: str, seconds: float | None) -> Item:
        """Let a key be gone after some seconds, or with null stay for good: `{changed}`.

        `changed` is false where there is no such key, or nothing that could change.
        """
        after = None if seconds is None else milliseconds(seconds)
        async with self._writing() as redis:
            name = self._key(key)
            changed = await (redis.persist(name) if after is None else redis.pexpire(name, after))
            return {"changed": bool(changed)}

    @idempotent
    async def ttl(self, key: str) -> Item:
        """When a key is gone: `{exists, seconds}`; `seconds` is null where it stays."""
        async with self._server.asking() as redis:
            left = await redis.pttl(self._key(key))
        return {"exists": left != -2, "seconds": left / 1000 if left >= 0 else None}

    async def increment(self, key: str, by: int = 1, field: str | None = None) -> Item:
        """Add to the whole number that a key, or a field of a hash, holds: `{value}`. It begins at 0."""
        async with self._writing() as redis:
            name = self._key(key)
            if field is None:
                return {"value": await redis.incrby(name, by)}
            return {"value": await redis.hincrby(name, field, by)}

    @idempotent
    async def scan(self, pattern: str = "*", cursor: str = "0", count: int = 100) -> Item:
        """A page of the keys: `{keys, next}`.

        Redis looks at about `count` keys for a page, so one may be empty though others follow, and a key may
        come twice.

        Args:
            pattern: Which keys: `*` is anything, `?` one character, `[ab]` one of these.
            cursor: `next` of the page before; it is null at the end.
            count: How many keys are looked at, 1000 at most.
        """
        at, count = _cursor(cursor), _count(count)
        async with self._server.asking() as redis:
            after, found = await redis.scan(at, match=escaped(self._prefix) + pattern, count=count)
            self._demand_room(sum(map(len, found)))
        length = len(self._prefix.encode())
        return {"keys": [shown(name[length:]) for name in found], "next": _next(after)}

    @idempotent
    async def hash_get(
        self, key: str, fields: Names | None = None, cursor: str = "0", count: int = 100
    ) -> Item:
        """Fields of a hash: `{fields: {name: value}, next}`.

        A small hash comes as a whole, a large one in pages as with `scan`.

        Args:
            fields: Which; those that it lacks are null.
            cursor: `next` of the page before, where no fields are named.
            count: How large a page of a large hash is, 1000 at most.
        """
        at, count = _cursor(cursor), _count(count)
        async with self._server.asking() as redis:
            name = self._key(key)
            if fields is not None:
                found = dict(zip(_few(fields), await redis.hmget(name, fields), strict=True))
                self._demand_room(sum(len(value or b"") for value in found.values()))
                return {"fields": {field: as_value(value) for field, value in found.items()}, "next": None}
            after, page = await redis.hscan(name, at, count=count)
            self._demand_room(sum(len(field) + len(value) for field, value in page.items()))
        return {
            "fields": {shown(field): as_value(value) for field, value in page.items()},
            "next": _next(after),
        }

    async def hash_set(self, key: str, fields: Item) -> Item:
        """Set fields of a hash, each to a value as of `set`: `{added}`, how many of them are new."""
        kept = self._sent(list(fields.values()))
        async with self._writing() as redis:
            names = _few(list(fields))
            mapping = dict(zip(names, kept, strict=True))
            return {"added": await redis.hset(self._key(key), mapping=mapping)}

    async def hash_delete(self, key: str, fields: Names) -> Item:
        """Remove fields of a hash: `{deleted}`, how many there were."""
        async with self._writing() as redis:
            return {"deleted": await redis.hdel(self._key(key), *_few(fields))}

    async def list_push(self, key: str, values: Values, first: bool = False) -> Item:
        """Add values to the end of a list, each as of `set`: `{length}`.

        Args:
            first: Whether they come before what is there, the last one foremost.
        """
        kept = self._sent(values)
        async with self._writing() as redis:
            push = redis.lpush if first else redis.rpush
            return {"length": await push(self._key(key), *kept)}

    async def list_pop(self, key: str, last: bool = False) -> Item:
        """Take the first value of a list, or the last one: `{value}`, which is null where there is none."""
        async with self._writing() as redis:
            pop = redis.rpop if last else redis.lpop
            return {"value": as_value(await pop(self._key(key)))}

    @idempotent
    async def list_range(self, key: str, start: int = 0, count: int = 100) -> Item:
        """Values of a list: `{values, length}`, with the length of all of it.

        Args:
            start: Where to begin: 0 is the first value, -1 the last one.
            count: How many at most, up to 1000.
        """
        end = start + _count(count) - 1
        async with self._server.asking() as redis:
            name = self._key(key)
            length = await redis.llen(name)
            found = await redis.lrange(name, start, -1 if start < 0 <= end else end)
            self._demand_room(sum(map(len, found)))
        return {"values": [as_value(value) for value in found], "length": length}

    async def set_add(self, key: str, members: Values) -> Item:
        """Add members to a set, each as of `set`: `{added}`, how many of them are new."""
        kept = self._sent(members)
        async with self._writing() as redis:
            return {"added": await redis.sadd(self._key(key), *kept)}

    async def set_remove(self, key: str, members: Values) -> Item:
        """Remove members of a set: `{removed}`, how many there were."""
        gone = self._sent(members)
        async with self._writing() as redis:
            return {"removed": await redis.srem(self._key(key), *gone)}

    @idempotent
    async def set_contains(self, key: str, members: Values) -> Item:
        """Whether each of some members is in a set: `{contains: [true, ...]}`."""
        asked = self._sent(members)
        async with self._server.asking() as redis:
            found = await redis.smismember(self._key(key), asked)
            return {"contains": [bool(one) for one in found]}

    @idempotent
    async def set_members(self, key: str, cursor: str = "0", count: int = 100) -> Item:
        """Members of a set: `{members, next}`.

        A small set comes as a whole, a large one in pages as with `scan`.

        Args:
            cursor: `next` of the page before.
            count: How large a page of a large set is, 1000 at most.
        """
        at, count = _cursor(cursor), _count(count)
        async with self._server.asking() as redis:
            after, page = await redis.sscan(self._key(key), at, count=count)
            self._demand_room(sum(map(len, page)))
        return {"members": [as_value(member) for member in page], "next": _next(after)}

    async def sorted_add(self, key: str, scores: dict[str, float]) -> Item:
        """Add members with scores to a sorted set, or change their scores: `{added}`, how many are new."""
        _few(list(scores))
        async with self._writing() as redis:
            return {"added": await redis.zadd(self._key(key), scores)}

    async def sorted_remove(self, key: str, members: Names) -> Item:
        """Remove members of a sorted set: `{removed}`, how many there were."""
        async with self._writing() as redis:
            return {"removed": await redis.zrem(self._key(key), *_few(members))}

    @idempotent
    async def sorted_range(
        self,
        key: str,
        start: int = 0,
        count: int = 100,
        descending: bool = False,
        min_score: float | None = None,
        max_score: float | None = None,
    ) -> Item:
        """Members of a sorted set in the order of their scores: `{members: [{member, score}], truncated}`.

        Args:
            start: How many to leave out, for the next page.
            count: How many at most, up to 1000.
            descending: Whether the highest score comes first.
            min_score: The lowest score.
            max_score: The highest score.
        """
        if start < 0:
            raise InvalidRequest("start is 0 or more; `descending` begins at the end")
        low = "-inf" if min_score is None else min_score
        high = "+inf" if max_score is None else max_score
        async with self._server.asking() as redis:
            pairs = await redis.zrange(
                self._key(key),
                high if descending else low,
                low if descending else high,
                desc=descending,
                byscore=True,
                withscores=True,
                offset=start,
                num=_count(count) + 1,
            )
            self._demand_room(sum(len(member) for member, _ in pairs))
        members = [{"member": shown(member), "score": number(score)} for member, score in pairs[:count]]
        return {"members": members, "truncated": len(pairs) > count}

    async def publish(self, channel: str, message: Any) -> Item:
        """Send a message, a value as of `set`, to who hears a channel: `{receivers}`, how many they are."""
        (sent,) = self._sent([message])
        async with self._writing() as redis:
            return {"receivers": await redis.publish(self._key(channel), sent)}

    @idempotent
    async def subscribe(
        self, channels: Names | None = None, patterns: Names | None = None
    ) -> AsyncIterator[Item]:
        """What is published: `{channel, pattern, message}` each.

        An item `{subscribed: true}` tells when all that was asked for is heard. It goes on until its caller
        leaves, or ends with an error when the connection is lost. A message larger than `max_bytes` is null,
        and `bytes` says how large.

        Args:
            channels: Names of channels.
            patterns: Patterns of names, as of `scan`; `pattern` of a message is the one that it fits.
        """
        named = [self._key(channel) for channel in channels or ()]
        matched = [escaped(self._prefix) + pattern for pattern in patterns or ()]
        unheard = len({*named}) + len({*matched})
        _few([*named, *matched])
        async with self._server.asking() as redis, redis.pubsub() as heard:
            if named:
                await heard.subscribe(*named)
            if matched:
                await heard.psubscribe(*matched)
            is_asked = False
            while True:
                said = await heard.get_message(timeout=QUIET)
                if said is None:
                    if is_asked:
                        raise self._server.unavailable("it says nothing any more")
                    await heard.ping()
                is_asked = said is None
                match said:
                    case {"type": "subscribe" | "psubscribe"}:
                        unheard -= 1
                        if not unheard:
                            yield {"subscribed": True}
                    case {"type": "message" | "pmessage"}:
                        yield self._message(said)

    async def get_health_status(self) -> Item:
        """A restart would not help a server that is down: it is given no calls instead."""
        try:
            async with self._server.asking() as redis, asyncio.timeout(HEALTH_WITHIN):
                await redis.ping()
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    async def on_disconnected(self) -> None:
        await self._server.close()

    def _writing(self) -> AbstractAsyncContextManager[Any]:
        if self._read_only:
            raise InvalidRequest(
                f'"{self.name}" may only read: `read_only: false` in its config allows writes'
            )
        return self._server.asking()

    def _message(self, said: Item) -> Item:
        length = len(self._prefix.encode())
        about = {
            "channel": shown(said["channel"][length:]),
            "pattern": said["pattern"] and shown(said["pattern"][len(escaped(self._prefix).encode()) :]),
        }
        size = len(said["data"])
        if size > self._max_bytes:
            return {**about, "message": None, "bytes": size}
        return {**about, "message": as_value(said["data"])}

    def _key(self, key: str) -> str:
        return self._prefix + key

    def _keys(self, keys: Names) -> Names:
        return [self._key(key) for key in _few(keys)]

    def _sent(self, values: Values) -> list[bytes]:
        sent = [as_bytes(value) for value in _few(values)]
        self._demand_room(sum(map(len, sent)))
        return sent

    def _demand_room(self, size: int) -> None:
        if size > self._max_bytes:
            raise InvalidRequest(
                f'that is {size:,} bytes, and `max_bytes` of "{self.name}" allows {self._max_bytes:,}'
            )


def _few(given: list[Any]) -> list[Any]:
    if not 1 <= len(given) <= MOST:
        raise InvalidRequest(f"a call takes 1 to {MOST:,} names or values, not {len(given):,}")
    return given


def _count(count: int) -> int:
    if not 1 <= count <= MOST:
        raise InvalidRequest(f"count has to be from 1 to {MOST:,}, not {count}")
    return count


def _cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 20):
        raise InvalidRequest(f'"{cursor:.40}" is no cursor: take `next` of the page before, or "0"')
    return int(cursor)


def _next(cursor: int) -> str | None:
    """As text: a cursor has 64 bits, and not every reader of JSON keeps as many."""
    return str(cursor) if cursor else None
