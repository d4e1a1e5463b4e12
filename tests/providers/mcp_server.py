"""An MCP server of 2025 in a few lines of the standard library, which can do what no decent one does.

`mcp_server.py silent` never answers, `exits` ends at once, `chatters` writes what is no MCP, and `stubborn`
ends only when it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
NAMES = ["echo", "fails", "wrong", "malformed", "blocks", "structured", "hang", "cancelled", "ask", "change"]
NAMES += [
    "die",
    "junk",
    "huge",
    "flood",
    "pid",
    "spawn",
    "endless",
    "half",
    "nested",
    "_hidden",
    "list_prompts",
]
TOOLS = [{"name": name, "description": f"It does {name}.", "inputSchema": SCHEMA} for name in NAMES]
TOOLS[0]["annotations"] = {"readOnlyHint": True}

cancelled: list[Any] = []


def send(**message: Any) -> None:
    print(json.dumps({**message, "jsonrpc": "2.0"}), flush=True)


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], **more}


def call(id: int, name: str, args: dict[str, Any], token: Any) -> None:
    match name:
        case "fails":
            result = text("no such city", isError=True)
        case "wrong":
            return send(id=id, error={"code": -32602, "message": "text is too short"})
        case "malformed":
            return send(id=id, result={"content": "none"})
        case "blocks":
            result = {"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}
        case "structured":
            result = text("n is 1", structuredContent={"n": 1})
        case "hang":
            return send(method="notifications/progress", params={"progressToken": token, "progress": 0.5})
        case "cancelled":
            result = text(str(len(cancelled)))
        case "ask":
            send(id="mine", method="sampling/createMessage", params={"messages": [], "maxTokens": 1})
            result = text(json.loads(sys.stdin.readline())["error"]["message"])
        case "change":
            TOOLS.append({"name": "later", "inputSchema": SCHEMA})
            send(method="notifications/tools/list_changed")
            result = text("changed")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
            return None
        case "junk":
            print("Listening...\n\n[1, 2\n{", flush=True)
            result = text("after junk")
        case "huge":
            result = text("x" * 300_000)
        case "flood":
            log = {
                "method": "notifications/message",
                "params": {"level": "info", "data": "x"},
                "jsonrpc": "2.0",
            }
            sys.stdout.write(f"{json.dumps(log)}\n" * 500)
            result = text("after a flood")
        case "half":
            result = text("cut in h\ud83dlf")  # as JavaScript does that counts in UTF-16
        case "nested":
            return print(
                '{"jsonrpc":"2.0","result":{"x":' + "[" * 500 + "]" * 500 + f'}},"id":{id}}}', flush=True
            )
        case "endless":
            while True:
                print("no message", flush=True)
        case "pid":
            result = text(str(os.getpid()))
        case "spawn":
            result = text(str(subprocess.Popen(["sleep", "1000"]).pid))
        case _:
            result = text(json.dumps(args))
    return send(result=result, id=id)


def answer(asked: dict[str, Any]) -> None:
    match asked:
        case {"method": "initialize", "id": id, "params": params}:
            version = params["protocolVersion"]
            about = {"serverInfo": {"name": "rude", "version": "1"}, "protocolVersion": version}
            send(id=id, result={**about, "capabilities": {"tools": {"listChanged": True}, "prompts": {}}})
        case {"method": "tools/list", "id": id}:
            send(id=id, result={"tools": TOOLS})
        case {"method": "tools/call", "id": id, "params": {"name": name} as params}:
            call(id, name, params.get("arguments", {}), params.get("_meta", {}).get("progressToken"))
        case {"method": "notifications/cancelled", "params": params}:
            cancelled.append(params["requestId"])
        case {"method": "ping", "id": id}:
            send(id=id, result={})
        case {"id": id}:
            send(id=id, error={"code": -32601, "message": "no such method"})


def main(mode: str = "") -> None:
    print(f"the server is here, {mode or 'and well'}", file=sys.stderr, flush=True)
    match mode:
        case "exits":
            sys.exit(3)
        case "silent":
            sys.stdin.read()
        case "chatters":
            while True:
                print("Listening...")
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        answer(json.loads(line))
    while mode == "stubborn":
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
