"""The retries that each provider's errors may still cause."""

from __future__ import annotations

from collections.abc import Callable

from gleitzeitd.core.budget import FULL, Budget, after_call, after_retry, may_retry


class Budgets:
    """One for each provider that there is; those of providers that are gone go with them."""

    def __init__(self, is_provider: Callable[[str], bool]) -> None:
        self._is_provider = is_provider
        self._budgets: dict[str, Budget] = {}

    def called(self, provider: str, now: float) -> None:
        """It was given a request for the first time."""
        if provider not in self._budgets:
            self._budgets = {name: one for name, one in self._budgets.items() if self._is_provider(name)}
        self._budgets[provider] = after_call(self._budgets.get(provider, FULL), now)

    def retried(self, provider: str, now: float) -> None:
        """One that it failed is tried again."""
        self._budgets[provider] = after_retry(self._budgets.get(provider, FULL), now)

    def affords(self, provider: str, now: float) -> bool:
        return may_retry(self._budgets.get(provider, FULL), now)
