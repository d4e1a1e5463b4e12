"""The tools that an MCP server has, page by page, as far as a provider can have them for methods."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool

log = logging.getLogger("gleitzeit")

MOST_TOOLS = 1000
LONGEST_NAME = 200


async def listed(client: Client, title: str) -> list[Tool]:
    """Raises whatever the SDK does when the server does not answer, or not well."""
    tools: list[Tool] = []
    cursor = None
    while len(tools) <= MOST_TOOLS:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        if not page.next_cursor or not page.tools:
            break
        cursor = page.next_cursor
    usable = [tool for tool in tools[:MOST_TOOLS] if _is_callable(tool.name)]
    if left_out := len(tools) - len(usable):
        log.warning(
            "of the tools of %s some cannot be called (%d): names have 1 to %d characters and begin with "
            "no _, and there are at most %d tools",
            title,
            left_out,
            LONGEST_NAME,
            MOST_TOOLS,
        )
    return usable


def _is_callable(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and not name.startswith("_")
