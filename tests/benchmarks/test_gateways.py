"""What is compared of gateways and streams, and with whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import gateway, install, streams
from benchmarks.model_provider import ANSWER
from benchmarks.stats import Row


def test_a_model_is_no_part_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {1: 40.0, 2: 30.0}

    def usage(roots: tuple[int, ...]) -> Any:
        total = sum(costs[pid] for pid in roots)
        return SimpleNamespace(pss_mb=total, rss_mb=total * 2)

    monkeypatch.setattr(gateway, "usage", usage)
    server: Any = SimpleNamespace(roots=lambda: (1, 2))
    asker: Any = None
    assert gateway.Gateway(server, asker, models=(2,)).memory() == {
        "pss_mb": 40.0,
        "rss_mb": 80.0,
        "whole_pss_mb": 70.0,
    }


def test_many_streams_are_compared_with_one() -> None:
    rows: list[Row] = [
        {"name": "one stream", "round": 0, "tokens_per_s": 100_000.0},
        {"name": "8 streams", "round": 0, "tokens_per_s": 250_000.0},
        {"name": "one stream", "round": 0, "p99_ms": 2.0},
        {"name": "64 streams", "round": 0, "p99_ms": 7.0},
    ]
    lines = {line.metric: line for line in streams.lines(rows)}
    assert lines["tokens relayed, 8 streams"].is_met is True
    assert (lines["first token, 64 streams, p99"].ratio, lines["first token, 64 streams, p99"].is_met) == (
        3.5,
        False,
    )


@pytest.mark.parametrize("pinned", [install.REQUIREMENTS, install.LITELLM_REQUIREMENTS], ids=lambda p: p.name)
def test_peers_are_pinned_by_hash_and_name_no_registry(pinned: Any) -> None:
    text = pinned.read_text()
    packages = [line for line in text.replace("\\\n", "").splitlines() if line[:1].isalnum()]
    assert packages
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "index-url" not in text.replace("--no-emit-index-url", "")
    assert "://" not in text


def test_the_model_says_what_the_mock_says() -> None:
    assert 200 <= len(ANSWER) <= 300
