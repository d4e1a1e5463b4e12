"""The two providers that need nothing, asked whatever there is."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings

from providers.calculator_provider import CalculatorProvider
from providers.echo_provider import EchoProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(CalculatorProvider))
async def test_the_calculator_answers_or_says_why_not(call: Call) -> None:
    with suppress(ValueError):  # an ordinary exception, as an author's code has them
        await answered(CalculatorProvider(name="calculator"), call)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(EchoProvider, words=["one", "two words"]))
async def test_the_echo_answers_or_refuses(call: Call) -> None:
    with suppress(TimeoutError):  # it may be asked to wait for years
        async with asyncio.timeout(0.02):
            await answered(EchoProvider(name="echo"), call)
