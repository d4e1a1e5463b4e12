"""Conversations in the shape that all providers of models share, and in that of Anthropic's Messages API.

What is in Anthropic's own shape already is passed on as it is, in both directions under `blocks`.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Any

from gleitzeit_extensions import InvalidRequest
from providers.openai_shapes import Item, as_dict, as_list, text

FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why an answer ended, in the words of the other providers."""

_DATA = re.compile(r"data:(?P<type>[\w/.+-]+);base64,(?P<data>.*)", re.DOTALL)


def system_of(messages: list[Item], system: str | None) -> str | None:
    """What the API wants beside the messages: the words of `system`, and of messages with that role."""
    said = [text(one.get("content")) for one in messages if one.get("role") in ("system", "developer")]
    return "\n\n".join([*([system] if system else []), *said]) or None


def asked(messages: list[Item]) -> list[Item]:
    """The messages without those of the system; results of tools that follow one another become one."""
    told = [_asked(one) for one in messages if one.get("role") not in ("system", "developer")]
    found: list[Item] = []
    for is_result, several in groupby(told, _is_result):
        if is_result:
            found.append({"role": "user", "content": [part for one in several for part in one["content"]]})
        else:
            found += several
    return found


def tools_of(tools: list[Item] | None) -> list[Item] | None:
    return [_tool(one) for one in tools] if tools else None


def message(content: Any) -> Item:
    """`{role, content, tool_calls?, thinking?, blocks?}`, of the blocks of an answer."""
    blocks = [one for one in as_list(content) if isinstance(one, dict)]
    said = "".join(str(one.get("text") or "") for one in blocks if one.get("type") == "text")
    thought = "".join(str(one.get("thinking") or "") for one in blocks if one.get("type") == "thinking")
    calls = [_call(one) for one in blocks if one.get("type") == "tool_use"]
    found: Item = {"role": "assistant", "content": said}
    found |= {"tool_calls": calls} if calls else {}
    found |= {"thinking": thought} if thought else {}
    # Whoever goes on after thoughts or tools has to send them back, signatures and all.
    return found | ({"blocks": blocks} if any(_says_more(one) for one in blocks) else {})


def usage(counted: Any) -> Item:
    """`{input_tokens, output_tokens}`; what was read from the cache or written to it is input."""
    known = {name: count for name, count in as_dict(counted).items() if isinstance(count, int)}
    cached = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "input_tokens": sum(known.get(name, 0) for name in cached),
        "output_tokens": known.get("output_tokens", 0),
    }


class Streamed:
    """What came of an answer so far, put together from its events."""

    def __init__(self) -> None:
        self._blocks: dict[str, Item] = {}
        # In pieces, since putting thousands of them together one by one takes seconds.
        self._grown: dict[tuple[str, str], list[str]] = {}
        self.usage: Item = {}
        self.model = ""
        self.stopped: str | None = None
        self.is_whole = False

    def take(self, event: Item) -> Item:
        """What of it the caller is told at once: `{token}` or `{thinking}`, or nothing."""
        index, delta = str(event.get("index")), as_dict(event.get("delta"))
        match event.get("type"):
            case "message_start":
                started = as_dict(event.get("message"))
                self.model = str(started.get("model") or "")
                self.usage |= as_dict(started.get("usage"))
            case "content_block_start":
                self._blocks[index] = dict(as_dict(event.get("content_block")))
            case "content_block_delta":
                return {key: said for key, said in self._add(index, delta).items() if said}
            case "message_delta":
                self.stopped = delta.get("stop_reason") or self.stopped
                self.usage |= {key: n for key, n in as_dict(event.get("usage")).items() if n is not None}
            case "message_stop":
                self.is_whole = True
        return {}

    def message(self) -> Item:
        blocks = {index: dict(block) for index, block in self._blocks.items()}
        for (index, key), pieces in self._grown.items():
            block, whole = blocks[index], "".join(pieces)
            block[key] = _read(whole) if key == "input" else f"{block.get(key) or ''}{whole}"
        return message(list(blocks.values()))

    def _add(self, index: str, delta: Item) -> Item:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        match delta.get("type"):
            case "text_delta":
                return {"token": self._grow(index, "text", delta.get("text"))}
            case "thinking_delta":
                return {"thinking": self._grow(index, "thinking", delta.get("thinking"))}
            case "signature_delta":
                block["signature"] = delta.get("signature")
            case "citations_delta":
                block["citations"] = [*as_list(block.get("citations")), delta.get("citation")]
            case "input_json_delta":
                self._grow(index, "input", delta.get("partial_json"))
        return {}

    def _grow(self, index: str, key: str, more: Any) -> str:
        said = str(more or "")
        self._grown.setdefault((index, key), []).append(said)
        return said


def _asked(said: Item) -> Item:
    role, content = said.get("role"), said.get("content")
    if role == "tool":
        result = {"type": "tool_result", "tool_use_id": said.get("tool_call_id"), "content": _parts(content)}
        return {"role": "user", "content": [result]}
    if isinstance(blocks := said.get("blocks"), list):
        return {"role": role, "content": blocks}
    if calls := as_list(said.get("tool_calls")):
        words = [{"type": "text", "text": text(content)}] if text(content) else []
        return {"role": role, "content": [*words, *[_use(as_dict(one)) for one in calls]]}
    return {"role": role, "content": _parts(content)}


def _is_result(told: Item) -> bool:
    parts = as_list(told.get("content"))
    return bool(parts) and all(as_dict(part).get("type") == "tool_result" for part in parts)


def _parts(content: Any) -> Any:
    return [_part(one) for one in content] if isinstance(content, list) else content


def _part(part: Any) -> Any:
    """Pictures in the other providers' shape; anything else is Anthropic's."""
    if not isinstance(part, dict) or part.get("type") != "image_url":
        return part
    url = str(as_dict(part.get("image_url")).get("url") or "")
    if found := _DATA.fullmatch(url):
        source = {"type": "base64", "media_type": found["type"], "data": found["data"]}
    else:
        source = {"type": "url", "url": url}
    return {"type": "image", "source": source}


def _use(call: Item) -> Item:
    function = as_dict(call.get("function"))
    given = function.get("arguments")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError) as exc:
            name = str(function.get("name"))[:100]
            raise InvalidRequest(f'the arguments of the call of "{name}" are no JSON') from exc
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given or {}}


def _says_more(block: Item) -> bool:
    return block.get("type") != "text" or bool(block.get("citations"))


def _call(block: Item) -> Item:
    arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


def _tool(tool: Item) -> Item:
    if tool.get("type") != "function" or not isinstance(function := tool.get("function"), dict):
        return tool
    described = {
        "name": function.get("name"),
        "input_schema": function.get("parameters") or {"type": "object"},
    }
    return described | ({"description": words} if (words := function.get("description")) else {})


def _read(written: str) -> Any:
    """Arguments that a model wrote, which need not be JSON when it was cut off."""
    try:
        return json.loads(written or "{}")
    except (ValueError, RecursionError):
        return {}
