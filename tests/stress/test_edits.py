"""A hundred random edits of a large file under calls. `make stress` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import edits

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hundred_edits_of_fifty_providers_under_steady_calls(tmp_path: Path, seed: int) -> None:
    edits.random_edits(tmp_path, sleepers=40, subjects=10, edits=100, seed=seed)
