"""The docs say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.print_docs import pages, printed


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_is_printed_from_the_code_is_up_to_date(page: Path) -> None:
    assert page.read_text() == printed(page.read_text()), "run `make docs`"


def test_a_block_that_differs_from_the_code_is_noticed() -> None:
    stale = "before\n<!-- printed: states -->\nsomething old\n<!-- end -->\nafter\n"
    assert "something old" not in printed(stale)
    assert "RUNNING" in printed(stale)
