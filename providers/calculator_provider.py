"""A calculator: the smallest useful provider, and the one to try an installation with."""

from __future__ import annotations

import math
from typing import Any

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

Number = int | float
"""Either stays what it is."""

MOST_BITS = 10_000
"""Bits that a power may have; beyond, it would be computed for minutes."""


class CalculatorProvider(SocketIOProviderClient):
    """Arithmetic; each answer is `{expression, result}`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["arithmetic", "trigonometry", "logarithms"])
        kwargs.setdefault("description", "Calculates")
        kwargs.setdefault("metadata", {"example": {"method": "add", "args": {"a": 5, "b": 3}}})
        super().__init__(**kwargs)

    @idempotent
    async def add(self, a: Number, b: Number) -> dict[str, Any]:
        """The sum of two numbers."""
        return _answer(f"{a} + {b}", a + b)

    @idempotent
    async def subtract(self, a: Number, b: Number) -> dict[str, Any]:
        """The first number less the second."""
        return _answer(f"{a} - {b}", a - b)

    @idempotent
    async def multiply(self, a: Number, b: Number) -> dict[str, Any]:
        """The product of two numbers."""
        return _answer(f"{a} * {b}", a * b)

    @idempotent
    async def divide(self, a: Number, b: Number) -> dict[str, Any]:
        """The first number divided by the second."""
        if b == 0:
            raise ValueError("Division by zero is not allowed")
        return _answer(f"{a} / {b}", a / b)

    @idempotent
    async def power(self, a: Number, b: Number) -> dict[str, Any]:
        """The first number raised to the second."""
        if isinstance(a, int) and isinstance(b, int) and a.bit_length() * b > MOST_BITS:
            raise ValueError(f"{a} ** {b} is too large a number")
        if a == 0 and b < 0:
            raise ValueError("zero has no negative power")
        if a < 0 and not float(b).is_integer():
            raise ValueError(f"{a} ** {b} is not a real number")
        try:
            return _answer(f"{a} ** {b}", a**b)
        except OverflowError as exc:
            raise ValueError(f"{a} ** {b} is too large a number") from exc

    @idempotent
    async def sqrt(self, x: Number) -> dict[str, Any]:
        """The square root of a number that is not negative."""
        if x < 0:
            raise ValueError("a square root needs a number that is not negative")
        return _answer(f"sqrt({x})", math.sqrt(x))

    @idempotent
    async def sin(self, x: Number) -> dict[str, Any]:
        """The sine of an angle in radians."""
        return _answer(f"sin({x})", math.sin(x))

    @idempotent
    async def cos(self, x: Number) -> dict[str, Any]:
        """The cosine of an angle in radians."""
        return _answer(f"cos({x})", math.cos(x))

    @idempotent
    async def log(self, x: Number, base: Number = math.e) -> dict[str, Any]:
        """The logarithm of a positive number, natural unless a base is given."""
        if x <= 0 or base <= 0 or base == 1:
            raise ValueError("a logarithm needs a positive number, and a positive base other than 1")
        if base == math.e:
            return _answer(f"log({x})", math.log(x))
        return _answer(f"log({x}, {base})", math.log(x, base))


def _answer(expression: str, result: Number) -> dict[str, Any]:
    if isinstance(result, float) and not math.isfinite(result):
        raise ValueError(f"the result of {expression} is too large")
    return {"expression": f"{expression} = {result}", "result": result}
