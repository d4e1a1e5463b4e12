"""T16: a provider is tested by an author as any class is, markers of pytest-asyncio and all."""

from __future__ import annotations

import pytest

from tests.seeds.tutorial.my_calculator_provider import CalculatorProvider


@pytest.mark.asyncio
async def test_t16_calculator_addition() -> None:
    provider = CalculatorProvider(server_url="http://test")

    result = await provider.invoke("add", a=5, b=3)

    assert result["result"] == 8
    assert result["expression"] == "5 + 3 = 8"


@pytest.mark.asyncio
async def test_t16_provider_health() -> None:
    provider = CalculatorProvider(server_url="http://test")

    health = await provider.get_health_status()

    assert health["healthy"] is True
    assert "add" in health["available_methods"]


@pytest.mark.asyncio
async def test_t16_division_by_zero() -> None:
    provider = CalculatorProvider(server_url="http://test")

    with pytest.raises(ValueError, match="Division by zero"):
        await provider.invoke("divide", a=10, b=0)
