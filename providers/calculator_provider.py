"""A calculator: the smallest useful provider, and the one to try an installation with."""

from __future__ import annotations

import math
from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

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

    async def add(self, a: float, b: float) -> dict[str, Any]:
        """The sum of two numbers."""
        _numbers(a=a, b=b)
        return _answer(f"{a} + {b}", a + b)

    async def subtract(self, a: float, b: float) -> dict[str, Any]:
        """The first number less the second."""
        _numbers(a=a, b=b)
        return _answer(f"{a} - {b}", a - b)

    async def multiply(self, a: float, b: float) -> dict[str, Any]:
        """The product of two numbers."""
        _numbers(a=a, b=b)
        return _answer(f"{a} * {b}", a * b)

    async def divide(self, a: float, b: float) -> dict[str, Any]:
        """The first number divided by the second."""
        _numbers(a=a, b=b)
        if b == 0:
            raise ValueError("Division by zero is not allowed")
        return _answer(f"{a} / {b}", a / b)

    async def power(self, a: float, b: float) -> dict[str, Any]:
        """The first number raised to the second."""
        _numbers(a=a, b=b)
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

    async def sqrt(self, x: float) -> dict[str, Any]:
        """The square root of a number that is not negative."""
        _numbers(x=x)
        if x < 0:
            raise ValueError("a square root needs a number that is not negative")
        return _answer(f"sqrt({x})", math.sqrt(x))

    async def sin(self, x: float) -> dict[str, Any]:
        """The sine of an angle in radians."""
        _numbers(x=x)
        return _answer(f"sin({x})", math.sin(x))

    async def cos(self, x: float) -> dict[str, Any]:
        """The cosine of an angle in radians."""
        _numbers(x=x)
        return _answer(f"cos({x})", math.cos(x))

    async def log(self, x: float, base: float = math.e) -> dict[str, Any]:
        """The logarithm of a positive number, natural unless a base is given."""
        _numbers(x=x, base=base)
        if x <= 0 or base <= 0 or base == 1:
            raise ValueError("a logarithm needs a positive number, and a positive base other than 1")
        if base == math.e:
            return _answer(f"log({x})", math.log(x))
        return _answer(f"log({x}, {base})", math.log(x, base))


def _numbers(**given: object) -> None:
    for name, value in given.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number, not {value!r:.50}")


def _answer(expression: str, result: int | float) -> dict[str, Any]:
    if isinstance(result, float) and not math.isfinite(result):
        raise ValueError(f"the result of {expression} is too large")
    return {"expression": f"{expression} = {result}", "result": result}
