"""What an MCP server answers, as a provider's results and errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.mcp_stdio import TOO_LARGE

if TYPE_CHECKING:
    from mcp_types import CallToolResult
    from pydantic import BaseModel

LONGEST_WORDS = 2000
"""Characters of the server's own words that an error has."""

SEVERED = (
    *("Connection closed", "SSE stream ended"),
    *("Bad Request: No valid session", "Bad Request: Server not initialized"),
)
"""How an error -32000, which servers use for whatever they like, begins where connection or session are over:
what the SDK says itself, and servers that were written after the examples of the TypeScript SDK.
"""


def of_tool(result: CallToolResult, tool: str) -> Any:
    """Its structured content, else its text, else its blocks; raises the error that it is."""
    text = "\n".join(block.text for block in result.content if block.type == "text")
    if result.is_error:
        words = text[:LONGEST_WORDS] or f'the tool "{tool}" failed, and does not say why'
        raise CallError("provider_error", words, {"tool": tool})
    if result.structured_content is not None:
        return result.structured_content
    if all(block.type == "text" for block in result.content):
        return text
    return [plain(block) for block in result.content]


def plain(answer: BaseModel) -> dict[str, Any]:
    """As it was on the wire, without what is null."""
    return answer.model_dump(by_alias=True, mode="json", exclude_none=True)


def is_severed(error: Exception) -> bool:
    """Whether the connection was lost, so that nobody knows what has become of the call."""
    from mcp import MCPError
    from mcp_types import CONNECTION_CLOSED

    return (
        isinstance(error, MCPError) and error.code == CONNECTION_CLOSED and error.message.startswith(SEVERED)
    )


def without_secrets(words: str) -> str:
    """The SDK repeats where a redirect goes, which may be our URL with all that stands in it."""
    if not words.startswith("Redirect to "):
        return words
    return re.sub(r"(https?://)(?:[^\s/@]*@)?([^\s?#]*)\S*", r"\1\2", words)


def failure(error: Exception, title: str) -> CallError:
    """What an error of the SDK's, or of the server's that it passes on, is to the caller."""
    from mcp import MCPError
    from mcp_types import INVALID_PARAMS, REQUEST_TIMEOUT

    words = without_secrets(str(error))[:LONGEST_WORDS]
    if not isinstance(error, MCPError):
        return CallError("provider_error", f"what {title} answered cannot be used: {words}")
    match error.code:
        case code if code == INVALID_PARAMS:
            return InvalidRequest(words)
        case code if code == REQUEST_TIMEOUT:
            return Unavailable(f"{title}: {words}")
        case code if code == TOO_LARGE:
            return CallError("too_large", f"{title}: {words}")
    return CallError("provider_error", f"{title}: {words}", {"code": error.code})
