"""How many lives the random tests tell; HYPOTHESIS_PROFILE=stress tells twenty times as many."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "stress" else 1


def examples(number: int) -> settings:
    # A loaded machine generates slowly; what a test is slow at is for nobody's clock to say.
    slow = [HealthCheck.too_slow]
    return settings(max_examples=number * FACTOR, deadline=None, suppress_health_check=slow)
