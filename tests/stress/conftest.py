"""`make stress ARGS="--share 0.05"` runs the longest ones for a twentieth of their time."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", type=float, default=1.0, help="how much of each long run, from 0 to 1")


@pytest.fixture
def share(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("share"))
