"""The docs say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gleitzeitd.core.process import State
from tools.print_docs import FILES, ROOT, pages, printed
from tools.print_life import PROCESSES, shown, ways


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_is_printed_from_the_code_is_up_to_date(page: Path) -> None:
    assert page.read_text() == printed(page.read_text()), "run `make docs`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_that_is_printed_as_a_whole_is_up_to_date(path: Path) -> None:
    assert path.read_text() == FILES[path](), "run `make docs`"


def test_a_block_that_differs_from_the_code_is_noticed() -> None:
    stale = "before\n<!-- printed: states -->\nsomething old\n<!-- end -->\nafter\n"
    assert "something old" not in printed(stale)
    assert "RUNNING" in printed(stale)


def test_the_table_of_a_life_leads_out_of_every_state_and_into_all_that_a_living_one_shows() -> None:
    rows = list(ways())
    assert {source.split(" ")[0] for source, *_ in rows} == set(State)
    assert {process.state for process in PROCESSES} == set(State)
    by_table = {target for _, _, target, _ in rows}
    assert {shown(process) for process in PROCESSES if process.is_alive} <= by_table


def anchors(page: Path) -> set[str]:
    """By which its titles are linked to, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*pages(), ROOT / "HACKING.md"], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        is_there = "://" in link or (target.exists() and (not anchor or anchor in anchors(target)))
        broken += [] if is_there else [link]
    assert broken == []
