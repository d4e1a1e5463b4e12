"""Conversations in the shape that all providers of models share, and in that of Ollama's API.

What is in Ollama's own shape already is passed on as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

from gleitzeit_extensions import InvalidRequest
from providers.openai_shapes import Item, as_dict, as_list, text

_DATA = re.compile(r"data:[\w/.+-]+;base64,(?P<data>.*)", re.DOTALL)


def asked(messages: list[Item]) -> list[Item]:
    """The messages as Ollama reads them; a result says which function gave it, instead of which call."""
    names: dict[str, Any] = {}
    told = []
    for one in messages:
        calls = [as_dict(call) for call in as_list(one.get("tool_calls"))]
        names |= {str(call.get("id")): as_dict(call.get("function")).get("name") for call in calls}
        own = _content(one) | ({"role": "system"} if one.get("role") == "developer" else {})
        if calls:
            own["tool_calls"] = [_use(call) for call in calls]
        if name := names.get(str(one.get("tool_call_id"))):
            own["tool_name"] = name
        told.append({**one, **own})
    return told


def tool_calls(message: Item) -> list[Item]:
    """The functions that a model asks for, with arguments as JSON text."""
    return [_call(as_dict(one)) for one in as_list(message.get("tool_calls"))]


def _content(said: Item) -> Item:
    """Words and pictures are apart in Ollama's messages."""
    content = said.get("content")
    if not isinstance(content, list):
        return {}
    pictures = [_picture(part) for part in content if as_dict(part).get("type") == "image_url"]
    images = [*as_list(said.get("images")), *pictures]
    return {"content": text(content)} | ({"images": images} if images else {})


def _picture(part: Item) -> str:
    url = str(as_dict(part.get("image_url")).get("url") or "")
    if found := _DATA.fullmatch(url):
        return found["data"]
    raise InvalidRequest("Ollama fetches no pictures: send them as data:image/png;base64,...")


def _use(call: Item) -> Item:
    function = as_dict(call.get("function"))
    given = function.get("arguments")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError) as exc:
            name = str(function.get("name"))[:100]
            raise InvalidRequest(f'the arguments of the call of "{name}" are no JSON') from exc
    return {**call, "function": {**function, "arguments": given or {}}}


def _call(call: Item) -> Item:
    function = as_dict(call.get("function"))
    given = function.get("arguments") or {}
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    # Older servers give calls no id, which the other providers want to see again with the result.
    known = str(call.get("id") or f"call_{uuid4().hex[:16]}")
    asked_for = {"name": function.get("name"), "arguments": arguments}
    return {"id": known, "type": "function", "function": asked_for}
