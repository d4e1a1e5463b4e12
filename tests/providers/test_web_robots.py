"""How long a robots.txt is remembered, and of how many sites."""

from __future__ import annotations

import pytest
from yarl import URL

from providers import web_robots
from providers.web_robots import Robots

pytestmark = pytest.mark.anyio

SITES = [URL(f"http://{letter}.example/page") for letter in "ab"]


class Sites:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read(self, url: URL) -> tuple[int, bytes]:
        self.asked.append(str(url))
        return 200, b"User-agent: tide\nDisallow: /page\n\nUser-agent: *\nDisallow: /"

    async def ask(self, *urls: URL) -> list[str]:
        robots = Robots("tide/1.0", self.read)
        for url in urls:
            assert not await robots.allow(url)
            assert await robots.allow(url.with_path("/other"))
        return [asked[7] for asked in self.asked]


async def test_each_site_is_asked_once() -> None:
    assert await Sites().ask(*SITES, *SITES) == ["a", "b"]


@pytest.mark.parametrize(("setting", "value"), [("KEPT_SITES", 1), ("KEPT_BYTES", 100)])
async def test_the_oldest_is_forgotten(setting: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_robots, setting, value)

    assert await Sites().ask(*SITES, *SITES) == ["a", "b", "a", "b"]


async def test_one_that_is_old_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_robots, "KEPT_FOR", -1.0)

    assert await Sites().ask(SITES[0]) == ["a", "a"]
