"""A server with OpenAI's API, asked by OpenAI's own client: its answers as JSON, its errors as the hub's.

Nothing here tries again: the hub does. What is asked, and what it means, is the provider's affair.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable, current_call
from providers.openai_errors import refused
from providers.openai_shapes import Item, as_dict
from providers.upstream import CONNECT_WITHIN, host

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

MOST_PAGES = 100
"""Pages of a list of models that are read; OpenAI itself has one."""

NO_LIST = (404, 405, 501)
"""What a server answers that has no list of models, and is as well as any."""

SHORTEST_SECRET = 6
"""Characters of a header that is worth hiding."""


class OpenAIAPI:
    """One server. Its client is made at the first request, by the loop that runs then."""

    def __init__(
        self, base_url: str, key: str, organization: str, project: str, headers: Mapping[str, str]
    ) -> None:
        self.is_openai = f".{_host(base_url)}".endswith((".openai.com", ".openai.azure.com"))
        self.who = f"{'OpenAI' if self.is_openai else 'the server'} at {base_url}"
        if self.is_openai and not key and not headers:
            raise ValueError("api_key is missing: OpenAI answers nobody without one")
        for name, value in {"api_key": key, **headers}.items():
            if not f"{name}{value}".isascii() or not f"{name}{value}".isprintable():
                raise ValueError(f"{name!r:.40} cannot be sent: it has characters that no header may have")
        self._base_url, self._key, self._headers = base_url, key, dict(headers)
        self._organization, self._project = organization, project
        self._client: AsyncOpenAI | None = None

    async def post(self, path: str, body: Item) -> Item:
        """Its answer, an object."""
        with self._told():
            answer = await self._opened().post(
                path,
                cast_to=object,
                body={key: value for key, value in body.items() if key != "stream"},
                options=self._options(),
            )
        if not isinstance(answer, dict):
            raise self.failed(f"answered {path} with no JSON object: is its base_url right?")
        if error := answer.get("error"):
            raise self.refused(None, error)
        return answer

    async def events(self, path: str, body: Item) -> AsyncGenerator[Item, None]:
        """What it streams; to close this closes the connection."""
        from openai import AsyncStream

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
                async for event in events:
                    if not isinstance(event, dict):
                        raise self.failed(f"sent an event that is no object in answer to {path}")
                    yield event

    async def models(self, within: float | None = None) -> list[str] | None:
        """The names of its models; None when it has no list of them."""
        from openai import APIStatusError

        names: list[str] = []
        after: dict[str, object] = {}
        for _ in range(MOST_PAGES):
            with self._told():
                try:
                    answer = await self._opened().get(
                        "/models", cast_to=object, options=self._options(within, after)
                    )
                except APIStatusError as exc:
                    if exc.status_code in NO_LIST:
                        return None
                    raise
            page = answer if isinstance(answer, list) else as_dict(answer).get("data")
            if not isinstance(page, list):
                return None
            found = [as_dict(item).get("id") for item in page]
            names += [name for name in found if isinstance(name, str) and name not in names]
            if not names or as_dict(answer).get("has_more") is not True or after == {"after": names[-1]}:
                break
            after = {"after": names[-1]}
        return names

    async def close(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.close()

    def refused(self, status: int | None, error: Any, headers: Mapping[str, str] | None = None) -> CallError:
        return refused(self.who, status, error, headers or {}, self._hidden)

    def failed(self, what: str) -> CallError:
        """An answer that cannot be used; another instance would hardly get a better one."""
        return CallError("provider_error", f"{self.who} {what}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever goes wrong between us and the server, as a CallError."""
        import openai

        try:
            yield
        except openai.APIStatusError as exc:
            raise self.refused(exc.status_code, exc.body, exc.response.headers) from exc
        except openai.APITimeoutError as exc:
            raise Unavailable(f"{self.who} did not answer in time") from exc
        except openai.APIConnectionError as exc:
            raise Unavailable(self._hidden(f"no answer from {self.who}: {exc.__cause__ or exc}")) from exc
        except openai.APIError as exc:
            raise self.refused(None, exc.body or exc.message) from exc
        except UnicodeEncodeError as exc:
            raise InvalidRequest("a text among the arguments is no Unicode: it has half a character") from exc
        except (ValueError, RecursionError) as exc:
            raise self.failed("answered what is not JSON") from exc

    def _opened(self) -> AsyncOpenAI:
        import openai

        if self._client is None:
            # It would log a line for each request.
            logging.getLogger("httpx2").setLevel(logging.WARNING)
            self._client = openai.AsyncOpenAI(
                api_key=self._key or "none",
                base_url=self._base_url,
                max_retries=0,
                # What is compressed has no known size.
                default_headers={"Accept-Encoding": "identity", **self._headers},
                # A redirect would carry the headers, and with them a key, to somewhere else.
                http_client=openai.DefaultAsyncHttpxClient(
                    follow_redirects=False, event_hooks={"response": [self._bound]}
                ),
            )
            # It has looked into the environment for these.
            self._client.organization = self._organization or None
            self._client.project = self._project or None
        return self._client

    async def _bound(self, response: httpx2.Response) -> None:
        from providers.openai_bound import Bounded

        response.stream = Bounded(response, self.failed)

    def _options(self, within: float | None = None, params: dict[str, object] | None = None) -> Any:
        """Those of one request. Without `within`, what is left of the current call is its time."""
        from openai import Omit, Timeout

        call = current_call()
        seconds = within if within is not None else call.seconds_left if call else None
        connect = CONNECT_WITHIN if seconds is None else min(seconds, CONNECT_WITHIN)
        is_open = not self._key and "authorization" not in {name.lower() for name in self._headers}
        headers = {"Authorization": Omit()} if is_open else {}
        return {"timeout": Timeout(seconds, connect=connect), "params": params or {}, "headers": headers}

    def _hidden(self, text: str) -> str:
        for value in (self._key, *self._headers.values()):
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, "********")
        return text


def _host(base_url: str) -> str:
    name = host(base_url)
    if name and base_url.startswith(("http://", "https://")) and not urlsplit(base_url).username:
        return name
    raise ValueError("base_url is no plain URL: write it like https://api.openai.com/v1")
