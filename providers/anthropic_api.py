"""Anthropic's API, asked by its own client: its answers as JSON, its errors as the hub's.

Nothing here tries again: the hub does.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import (
    CallError,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
    current_call,
)
from providers.openai_errors import NO_MODEL, retry_after
from providers.openai_shapes import Item, as_dict
from providers.upstream import CONNECT_WITHIN, LONGEST_REFUSAL

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

MOST_PAGES = 100
"""Pages of the list of models that are read."""
NO_LIST = (404, 405, 501)
"""What a server answers that has no list of models, and is as well as any."""

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Of an error in the middle of a stream, which has none (https://docs.claude.com/en/api/errors)."""

TOO_LONG = ("prompt is too long", "context window", "context limit", "maximum context")


class AnthropicAPI:
    """One server. Its client is made at the first request, by the loop that runs then."""

    def __init__(self, base_url: str, key: str) -> None:
        if not _is_plain(base_url):
            raise ValueError("base_url is no plain URL: write it like https://api.anthropic.com")
        if not key.isascii() or not key.isprintable():
            raise ValueError("api_key cannot be sent: it has characters that no header may have")
        self.who = f"Anthropic at {base_url}"
        self._base_url, self._key = base_url, key
        self._client: AsyncAnthropic | None = None

    async def post(self, path: str, body: Item) -> Item:
        """Its answer, an object."""
        with self._told():
            answer = await self._opened().post(path, cast_to=object, body=body, options=self._options())
        if not isinstance(answer, dict):
            raise self.failed(f"answered {path} with no JSON object: is its base_url right?")
        return answer

    async def events(self, path: str, body: Item) -> AsyncGenerator[Item, None]:
        """What it streams; to close this closes the connection."""
        from anthropic import AsyncStream

        with self._told():
            answer = await self._opened().post(
                path,
                cast_to=object,
                body={**body, "stream": True},
                options=self._options(),
                stream=True,
                stream_cls=AsyncStream[object],
            )
            async with answer as events:
                if "text/event-stream" not in answer.response.headers.get("content-type", ""):
                    raise self.failed(f"answered {path} with no stream: is its base_url right?")
                async for event in events:
                    if not isinstance(event, dict):
                        raise self.failed(f"sent an event that is no object in answer to {path}")
                    yield event

    async def models(self, within: float | None = None) -> list[str] | None:
        """The names of its models; None when it has no list of them."""
        from anthropic import APIStatusError

        names: list[str] = []
        params: dict[str, object] = {"limit": 1000}
        for _ in range(MOST_PAGES):
            with self._told():
                try:
                    answer = await self._opened().get(
                        "/v1/models", cast_to=object, options=self._options(within, params)
                    )
                except APIStatusError as exc:
                    if exc.status_code in NO_LIST:
                        return None
                    raise
            page = as_dict(answer)
            if not isinstance(page.get("data"), list):
                return None
            new = [as_dict(one).get("id") for one in page["data"]]
            found = [name for name in new if isinstance(name, str) and name not in names]
            names += found
            if page.get("has_more") is not True or not found:
                break
            params |= {"after_id": found[-1]}
        return names

    async def close(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.close()

    def failed(self, what: str) -> CallError:
        """An answer that cannot be used; another instance would hardly get a better one."""
        return CallError("provider_error", f"{self.who} {what}")

    def _refused(self, status: int, error: Any, headers: httpx2.Headers) -> CallError:
        """An error of the API's: what it means to the hub."""
        inner = as_dict(as_dict(error).get("error")) or as_dict(error)
        if 200 <= status < 300:
            status = STATUS.get(str(inner.get("type")), 500)
        words = self._hidden(str(inner.get("message") or error or "no reason"))[:LONGEST_REFUSAL]
        said = f"{self.who} answered {status}: {words}"
        match status:
            case 401 | 402 | 403:
                return CallError("provider_error", f"{said} (is its api_key right, and may it do this?)")
            case 404 if "model" in words:
                return CallError("not_found.model", said)
            case 400 if any(one in words.lower() for one in NO_MODEL):  # a proxy's
                return CallError("not_found.model", said)
            case _ if status in (404, 405) or status < 400:
                return CallError("provider_error", f"{said} (is its base_url right?)")
            case 429:
                return RateLimited(said, retry_after(headers))
            case 408 | 409 | 425:
                return Unavailable(said, retry_after(headers))
            case _ if status >= 500:
                return Unavailable(said, retry_after(headers))
        is_long = status == 413 or any(one in words.lower() for one in TOO_LONG)
        return ContextTooLong(said) if is_long else InvalidRequest(said)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever goes wrong between us and the server, as a CallError."""
        import anthropic
        import httpx2

        try:
            yield
        except anthropic.APIStatusError as exc:
            raise self._refused(exc.status_code, exc.body, exc.response.headers) from exc
        except anthropic.APITimeoutError as exc:
            raise Unavailable(f"{self.who} did not answer in time") from exc
        except (anthropic.APIConnectionError, httpx2.HTTPError) as exc:
            # What breaks in the middle of a stream comes as it is.
            raise Unavailable(self._hidden(f"no answer from {self.who}: {exc.__cause__ or exc}")) from exc
        except anthropic.APIError as exc:
            raise self.failed(self._hidden(f"failed: {exc.message}")) from exc
        except UnicodeEncodeError as exc:
            raise InvalidRequest("a text among the arguments is no Unicode: it has half a character") from exc
        except (ValueError, RecursionError) as exc:
            raise self.failed("answered what is not JSON") from exc

    def _opened(self) -> AsyncAnthropic:
        import anthropic

        if self._client is None:
            # It would log a line for each request.
            logging.getLogger("httpx2").setLevel(logging.WARNING)
            self._client = anthropic.AsyncAnthropic(
                api_key=self._key,
                base_url=self._base_url,
                max_retries=0,
                # What is compressed has no known size.
                default_headers={"Accept-Encoding": "identity"},
                # A redirect would carry the key to somewhere else.
                http_client=anthropic.DefaultAsyncHttpxClient(
                    follow_redirects=False, event_hooks={"response": [self._bound]}
                ),
            )
        return self._client

    async def _bound(self, response: httpx2.Response) -> None:
        from providers.openai_bound import Bounded

        response.stream = Bounded(response, self.failed)

    def _options(self, within: float | None = None, params: dict[str, object] | None = None) -> Any:
        """Those of one request. Without `within`, what is left of the current call is its time."""
        from anthropic import Timeout

        call = current_call()
        seconds = within if within is not None else call.seconds_left if call else None
        connect = CONNECT_WITHIN if seconds is None else min(seconds, CONNECT_WITHIN)
        return {"timeout": Timeout(seconds, connect=connect), "params": params or {}}

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "********") if len(self._key) >= 6 else text


def _is_plain(base_url: str) -> bool:
    """Whether it is one, without a password, which errors would repeat."""
    try:
        url = urlsplit(base_url)
        return url.scheme in ("http", "https") and bool(url.hostname) and not url.username and not url.query
    except ValueError:  # half an IPv6 address
        return False
