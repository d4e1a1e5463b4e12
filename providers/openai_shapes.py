"""The answers of an API like OpenAI's in the shape that all providers of models give.

Nothing is taken for granted: servers leave out what they please.
"""

from __future__ import annotations

import json
from typing import Any

Item = dict[str, Any]


def usage(counted: Any) -> Item:
    """`{input_tokens, output_tokens}`, from the words of either API; 0 where a server counts none."""
    known = {name: count for name, count in as_dict(counted).items() if isinstance(count, int)}
    return {
        "input_tokens": known.get("prompt_tokens") or known.get("input_tokens") or 0,
        "output_tokens": known.get("completion_tokens") or known.get("output_tokens") or 0,
    }


def word(answer: Item, key: str, default: str) -> str:
    """What it has under that key, if that is a word."""
    value = answer.get(key)
    return value if isinstance(value, str) and value else default


def text(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in as_list(content) if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def thinking(message: Item) -> Item:
    """What a model thought before it answered, by the names that vLLM and OpenRouter have for it."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    return {"thinking": thought} if thought and isinstance(thought, str) else {}


def choice(answer: Item) -> Item:
    """The first choice of an answer or of a piece of it; empty when there is none."""
    return as_dict(next(iter(as_list(answer.get("choices"))), None))


def vectors(answer: Item) -> list[Any]:
    """Those of an answer to `embed`, in the order of the texts."""
    items = [item for item in as_list(answer.get("data")) if isinstance(item, dict)]
    if all(isinstance(item.get("index"), int) for item in items):
        items.sort(key=lambda item: item["index"])
    return [item.get("embedding") for item in items]


def responded(response: Item, asked: str) -> Item:
    """An answer of the Responses API: `{id, text, output, model, usage, finish_reason}`."""
    output = [item for item in as_list(response.get("output")) if isinstance(item, dict)]
    said = "".join(text(item.get("content")) for item in output if item.get("type") == "message")
    return {
        "id": response.get("id"),
        "text": said,
        "output": output,
        "model": word(response, "model", asked),
        "usage": usage(response.get("usage")),
        "finish_reason": _finish(response, output),
    }


def _finish(response: Item, output: list[Item]) -> str:
    """In the words of the other API, so that callers need to know only those."""
    if reason := as_dict(response.get("incomplete_details")).get("reason"):
        return "length" if reason == "max_output_tokens" else str(reason)
    if any(item.get("type") == "function_call" for item in output):
        return "tool_calls"
    status = word(response, "status", "completed")
    return "stop" if status == "completed" else status


class ToolCalls:
    """The functions that a model asks for in a stream, put together from their pieces."""

    def __init__(self) -> None:
        self._calls: dict[Any, Item] = {}

    def add(self, pieces: Any) -> None:
        for piece in as_list(pieces):
            if isinstance(piece, dict):
                self._add(piece)

    def whole(self) -> list[Item]:
        return list(self._calls.values())

    def _add(self, piece: Item) -> None:
        key = piece.get("index")
        if not isinstance(key, int):  # some servers number none: a new one has an id
            key = len(self._calls) - (0 if piece.get("id") or not self._calls else 1)
        call = self._calls.setdefault(key, {"id": None, "type": "function", "function": Item()})
        call["id"] = call["id"] or piece.get("id")
        function, own = as_dict(piece.get("function")), call["function"]
        own["name"] = own.get("name") or function.get("name") or ""
        arguments = function.get("arguments") or ""
        own["arguments"] = own.get("arguments", "") + (
            arguments if isinstance(arguments, str) else json.dumps(arguments)
        )


def as_dict(value: Any) -> Item:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
