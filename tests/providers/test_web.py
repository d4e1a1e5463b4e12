"""The web as its provider reads it: sites on loopback, behind the guard that is to keep it from them."""

from __future__ import annotations

import asyncio
import base64
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest
from gleitzeit_extensions.testing import serving
from providers import web_client, web_page, web_reader
from providers.web_provider import WebProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

PAGE = """<html><head><title>Tides</title><base href="/sea/"></head><body>
<p class=a id=one>The <b>tide</b> comes.</p><p class=a>It goes.</p>
<a href="moon">The moon</a> <a href="moon#top">again</a> <a href="mailto:x@y">mail</a>
<a href="//other.example/z">Z</a>
</body></html>"""

ARTICLE = "".join(
    f"<p>On the {day}th day the water rose by a hand, and the people of the coast wrote it down.</p>"
    for day in range(4, 14)
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A site at `public.example`, which is this machine in truth; and what was asked of it."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.robots = ""
        self.robots_status = 404
        self.headers: dict[str, str] = {}
        self.answers: dict[str, tuple[bytes, str]] = {
            "/page": (PAGE.encode(), "text/html"),
            "/json": (b'{"a": [1]}', "application/json"),
            "/bytes": (b"\0\xff", "image/png"),
            "/latin": ("<p>Grüße</p>".encode("latin-1"), "text/html; charset=iso-8859-1"),
            "/meta": ('<meta charset="koi8-r"><p>Привет</p>'.encode("koi8-r"), "text/html"),
            "/article": (
                f"<html><head><title>Flood</title><meta name=author content='Anna Mare'><meta "
                f"property='article:published_time' content='2024-05-06'></head><body><nav>Home</nav>"
                f"<article>{ARTICLE}</article></body></html>".encode(),
                "text/html",
            ),
        }
        self.redirects: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.headers = dict(request.headers)
        if request.path == "/robots.txt":
            return web.Response(text=self.robots, status=self.robots_status)
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if request.path in self.answers:
            body, kind = self.answers[request.path]
            return web.Response(body=body, headers={"Content-Type": kind, "Set-Cookie": "a=1"})
        return web.Response(status=404, text="nothing here")

    def url(self, path: str, host: str = "public.example") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def site(handler: Handler | None = None) -> AsyncIterator[Site]:
    ours = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler or ours.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ours.port = runner.addresses[0][1]
    await web.TCPSite(runner, "127.0.0.2", ours.port).start()
    try:
        yield ours
    finally:
        await runner.cleanup()


@asynccontextmanager
async def provider(ours: Site, *allowed: str, **config: Any) -> AsyncIterator[WebProvider]:
    given = {"allow_private": list(allowed), "ports": [ours.port], "timeout": 5.0, **config}
    made = WebProvider(name="web", **given)
    try:
        yield made
    finally:
        await made.on_disconnected()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What each host is found to have, one answer after the other; the last one stays."""
    known: dict[str, list[list[str]]] = {"public.example": [["127.0.0.1"]], "evil.example": [["127.0.0.1"]]}

    async def look_up(host: str, port: int) -> list[str]:
        answers = known[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(web_client.WebClient.__init__, "__defaults__", (look_up,))
    return known


Names = dict[str, list[list[str]]]


async def test_a_page_is_fetched_as_what_it_is(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        page = await web_provider.invoke("fetch", url=ours.url("/page"))
        json = await web_provider.invoke("fetch", url=ours.url("/json"))
        data = await web_provider.invoke("fetch", url=ours.url("/bytes"))
        gone = await web_provider.invoke("fetch", url=ours.url("/gone"), format="text")

    assert (page["status"], page["format"], page["body"], page["truncated"]) == (200, "text", PAGE, False)
    assert page["headers"]["content-type"] == "text/html"
    assert json["body"] == {"a": [1]}
    assert base64.b64decode(data["body"]) == b"\0\xff"
    assert (gone["status"], gone["body"]) == (404, "nothing here")
    assert ours.headers["User-Agent"].startswith("gleitzeit/")
    assert "Cookie" not in ours.headers


@pytest.mark.parametrize(("path", "text"), [("/latin", "Grüße"), ("/meta", "Привет")])
async def test_text_is_decoded_by_the_charset_of_its_page(path: str, text: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        items = await web_provider.invoke("select", url=ours.url(path), css="p")

    assert items["items"] == [text]


async def test_elements_are_selected_and_links_are_whole(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        url = ours.url("/page")
        texts = await web_provider.invoke("select", url=url, css="p.a", limit=1)
        attributes = await web_provider.invoke("select", url=url, css="p#one", give="attributes")
        html = await web_provider.invoke("select", url=url, css="b", give="html")
        links = await web_provider.invoke("links", url=url)

    assert (texts["items"], texts["truncated"]) == (["The tide comes."], True)
    assert attributes["items"] == [{"class": "a", "id": "one"}]
    assert html["items"] == ["<b>tide</b>"]
    moon = {"url": ours.url("/sea/moon"), "text": "The moon"}
    assert links["items"] == [moon, {"url": "http://other.example/z", "text": "Z"}]


async def test_an_article_is_told_from_what_is_around_it(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        found = await web_provider.invoke("extract", url=ours.url("/article"))

    assert (found["title"], found["author"], found["date"]) == ("Flood", "Anna Mare", "2024-05-06")
    assert found["text"].startswith("On the 4th day")
    assert "Home" not in found["text"]


@pytest.mark.parametrize(
    ("method", "args", "words"),
    [
        ("fetch", {"format": "json"}, "is not JSON"),
        ("select", {"css": "p["}, "no CSS selector"),
        ("select", {"css": "p", "limit": 0}, "limit is from 1"),
        ("select", {"css": "p", "give": "all"}, "give must be"),
    ],
)
async def test_what_cannot_be_is_refused_in_a_sentence(
    method: str, args: dict[str, Any], words: str, names: Names
) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        with pytest.raises(CallError, match=words):
            await web_provider.invoke(method, url=ours.url("/page"), **args)


@pytest.mark.parametrize("path", ["/bytes", "/gone"])
async def test_what_is_no_page_is_not_read_as_one(path: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        with pytest.raises(CallError, match=r"is no page: `fetch`|with 404"):
            await web_provider.invoke("extract", url=ours.url(path))


@pytest.mark.parametrize(
    "host",
    [
        *["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"],
        *["[fe80::1]", "[fc00::1]", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0", "127.0.0.1."],
        *["169.254.169.254", "\uff11\uff12\uff17.0.0.1", "%31%32%37.0.0.1"],
    ],
)
async def test_this_machine_is_not_fetched_however_it_is_written(host: str) -> None:
    async with site() as ours, provider(ours, respect_robots=False) as web_provider:
        with pytest.raises(CallError, match=r"address|no name of a host"):
            await web_provider.invoke("fetch", url=ours.url("/page", host))

    assert ours.asked == []


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/page", "//127.0.0.1:{port}/page", "http://evil.example:{port}/page"]
)
async def test_a_redirect_is_checked_like_the_first_request(to: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example", respect_robots=False) as web_provider:
        ours.redirects["/start"] = to.format(port=ours.port)
        with pytest.raises(InvalidRequest, match="has a loopback address"):
            await web_provider.invoke("fetch", url=ours.url("/start"))

    assert ours.asked == ["/start"]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://public.example/", "http://a:b@public.example/"])
async def test_a_redirect_leads_nowhere_but_to_the_web(to: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.redirects["/start"] = to
        with pytest.raises(InvalidRequest, match=r"is no URL to fetch|a user or a password"):
            await web_provider.invoke("fetch", url=ours.url("/start"))


async def test_redirects_are_followed_and_have_an_end(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.redirects |= {"/start": "page", "/round": "/round"}
        page = await web_provider.invoke("fetch", url=ours.url("/start"))
        with pytest.raises(CallError, match="more than 10 times"):
            await web_provider.invoke("fetch", url=ours.url("/round"))

    assert page["url"] == ours.url("/page")


async def test_a_name_is_connected_to_at_the_addresses_that_were_checked(names: Names) -> None:
    """DNS rebinding: a second look would find the loopback, where there is a site."""
    names["evil.example"] = [["127.0.0.9"], ["127.0.0.1"]]
    async with site() as ours, provider(ours, "127.0.0.9") as web_provider:
        with pytest.raises(CallError, match=r"no connection to evil\.example"):
            await web_provider.invoke("fetch", url=ours.url("/page", "evil.example"))

    assert ours.asked == []


async def test_each_new_connection_looks_and_checks_anew(names: Names) -> None:
    """A name that was public when its robots.txt was read may be private a moment later."""
    names["evil.example"] = [["127.0.0.2"], ["127.0.0.1"]]

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        response = web.Response(status=404)
        response.force_close()
        return response

    asked: list[str] = []
    async with site(answer) as ours, provider(ours, "127.0.0.2") as web_provider:
        with pytest.raises(InvalidRequest, match=r"evil\.example has a loopback address"):
            await web_provider.invoke("fetch", url=ours.url("/page", "evil.example"))

    assert asked == ["/robots.txt"]


async def test_a_name_with_a_dot_at_its_end_is_the_same_name(names: Names) -> None:
    names |= {"localhost": [["127.0.0.1"]], "localhost.": [["127.0.0.1"]]}
    async with site() as ours, provider(ours) as web_provider:
        with pytest.raises(InvalidRequest, match="has a loopback address"):
            await web_provider.invoke("fetch", url=ours.url("/page", "localhost."))
    async with site() as ours, provider(ours, "localhost") as web_provider:
        assert (await web_provider.invoke("fetch", url=ours.url("/page", "localhost.")))["status"] == 200


async def test_one_private_address_among_many_spoils_a_name(names: Names) -> None:
    names["public.example"] = [["8.8.8.8", "127.0.0.1"]]
    async with site() as ours, provider(ours, "8.8.8.8") as web_provider:
        with pytest.raises(InvalidRequest, match="has a loopback address"):
            await web_provider.invoke("fetch", url=ours.url("/page"))

    assert ours.asked == []


async def test_a_proxy_of_the_environment_is_not_asked(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as ours, provider(ours, respect_robots=False) as web_provider:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, ours.url("", "127.0.0.1"))
        with pytest.raises(InvalidRequest, match="has a loopback address"):
            await web_provider.invoke("fetch", url=ours.url("/page"))

    assert ours.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *["", "page", "file:///etc/passwd", "gopher://public.example/", "http://", "http://a\\@b/"],
        *["http://public.example:22/", "http://public.example:99999/", "http://a" + "b" * 9000],
    ],
)
async def test_a_url_that_is_none_or_not_allowed_is_refused(url: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        with pytest.raises(InvalidRequest):
            await web_provider.invoke("fetch", url=url)


async def test_what_robots_txt_forbids_is_left_alone_and_it_is_read_once(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.robots, ours.robots_status = "User-agent: gleitzeit\nDisallow: /page\n", 200
        ours.redirects["/start"] = "/page"
        for path in ("/page", "/start"):
            with pytest.raises(InvalidRequest, match=r"robots.txt of public\.example asks"):
                await web_provider.invoke("extract", url=ours.url(path))
        await web_provider.invoke("fetch", url=ours.url("/json"))

    assert ours.asked == ["/robots.txt", "/start", "/json"]


@pytest.mark.parametrize(("status", "robots"), [(503, ""), (200, "User-agent: *\nDisallow: //[\n")])
async def test_a_robots_txt_that_cannot_be_read_forbids_all(status: int, robots: str, names: Names) -> None:
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.robots, ours.robots_status = robots, status
        with pytest.raises(CallError, match=r"robots.txt"):
            await web_provider.invoke("fetch", url=ours.url("/page"))


async def test_more_than_was_agreed_is_cut_off(names: Names) -> None:
    async with site() as ours, provider(ours, "public.example", max_bytes=10) as web_provider:
        page = await web_provider.invoke("fetch", url=ours.url("/page"))
        found = await web_provider.invoke("links", url=ours.url("/page"))
        ours.answers["/long"] = (b"[" + b"1, " * 100 + b"1]", "application/json")
        with pytest.raises(InvalidRequest, match="longer than `max_bytes`"):
            await web_provider.invoke("fetch", url=ours.url("/long"))

    assert (page["body"], page["truncated"], found["truncated"]) == (PAGE[:10], True, True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_goes_off_no_further_than_was_agreed(encoding: str, names: Names) -> None:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    megabyte = b"\0" * 2**20
    bomb = b"".join([pack.compress(megabyte) for _ in range(20)]) + pack.flush()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": encoding, "Content-Type": "text/plain"})

    careful = {"respect_robots": False, "max_bytes": 100_000}
    async with site(answer) as ours, provider(ours, "public.example", **careful) as web_provider:
        tracemalloc.start()
        page = await web_provider.invoke("fetch", url=ours.url("/"), format="base64")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert page["truncated"]
    assert base64.b64decode(page["body"]) == b"\0" * 100_000
    assert most < 5_000_000


async def test_headers_without_end_are_refused(names: Names) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(headers={"X-Long": "a" * 100_000})

    async with site(answer) as ours, provider(ours, "public.example", respect_robots=False) as web_provider:
        with pytest.raises(CallError, match=r"public\.example broke off or sent what is no HTTP"):
            await web_provider.invoke("fetch", url=ours.url("/"))


async def test_a_body_that_never_ends_ends_with_its_time(names: Names) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b".")
                await asyncio.sleep(0.01)
        finally:
            left.set()

    left = asyncio.Event()
    async with (
        site(answer) as ours,
        provider(ours, "public.example", respect_robots=False, timeout=0.2) as slow,
    ):
        with pytest.raises(CallError, match=r"public\.example did not answer within 0\.2 s"):
            await slow.invoke("fetch", url=ours.url("/"))
        await asyncio.wait_for(left.wait(), 5)


async def test_a_page_that_is_made_to_hang_its_reader_is_given_up(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_reader, "READ_WITHIN", 0.5)
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.answers["/deep"] = (b"<div>" * 400_000, "text/html")
        with pytest.raises(CallError, match=r"took longer than 0\.5 s to read"):
            await web_provider.invoke("select", url=ours.url("/deep"), css="p")
        monkeypatch.setattr(web_reader, "READ_WITHIN", 10)
        assert (await web_provider.invoke("select", url=ours.url("/page"), css="b"))["items"] == ["tide"]


async def test_a_caller_that_leaves_ends_the_reading_which_knows_no_secrets(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "sk-secret")
    async with site() as ours, provider(ours, "public.example") as web_provider:
        ours.answers["/deep"] = (b"<div>" * 400_000, "text/html")
        call = asyncio.create_task(web_provider.invoke("select", url=ours.url("/deep"), css="p"))
        environment = await asyncio.wait_for(_environment_of_the_reader(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(call, 5)

    assert set(environment) <= {"PYTHONPATH", "LC_CTYPE"}
    assert _readers() == []


def _readers() -> list[psutil.Process]:
    """Those that live: other tests of this process may have children that nobody has reaped."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if web_page.__file__ in child.cmdline():
                found.append(child)
    return found


async def _environment_of_the_reader() -> dict[str, str]:
    while True:
        for reader in _readers():  # before it is one, it is a copy of this process
            with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                return reader.environ()
        await asyncio.sleep(0.01)


async def test_a_site_that_dies_costs_its_own_calls_alone(names: Names) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"abc")
        assert request.transport
        request.transport.abort()
        return response

    async with site(answer) as ours, provider(ours, "public.example", respect_robots=False) as web_provider:
        with pytest.raises(CallError, match=r"public\.example broke off") as told:
            await web_provider.invoke("fetch", url=ours.url("/"))
        ours.port, was = 9, ours.port
    async with site() as other, provider(other, "public.example", ports=[was, other.port]) as web_provider:
        with pytest.raises(CallError, match=r"no connection to public\.example"):
            await web_provider.invoke("fetch", url=f"http://public.example:{was}/")
        assert (await web_provider.invoke("fetch", url=other.url("/json")))["body"] == {"a": [1]}

    assert told.value.code == "provider_error"  # `unavailable` would open the breaker for all other sites


async def test_a_hub_carries_what_was_read(names: Names) -> None:
    async with (
        site() as ours,
        provider(ours, "public.example") as web_provider,
        serving(web_provider) as client,
    ):
        found = await client.invoke("web", "fetch", url=ours.url("/json"))

    assert found["body"] == {"a": [1]}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"timeout": 0.0}, "timeout is 0"),
        ({"ports": [70000]}, "ports has 70000"),
        ({"allow_private": ["http://x"]}, "allow_private has"),
        ({"user_agent": "a\nb"}, "a line of ASCII"),
    ],
)
def test_a_setting_that_cannot_be_is_told_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WebProvider(name="web", **config)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(WebProvider, [*["page", "json", "bytes", "gone", "start"], "p", "b[", "127.0.0.1"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call, names: Names) -> None:
    name, args = call
    async with site() as ours, provider(ours, "public.example", ports=[ours.port, 80]) as web_provider:
        ours.redirects["/start"] = "http://[::"
        if "://" not in str(args.get("url", "://")):
            args["url"] = ours.url("/") + str(args["url"])
        await answered(web_provider, (name, args))
