"""Every method of every provider that comes along, called by the command line, at what it is made for.

Where the real thing cannot be had, as OpenAI's servers, it is what answers as they do.
"""

from __future__ import annotations

import functools
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions import SocketIOProviderClient
from gleitzeit_extensions.methods import public_methods
from tests.house import House, house
from tests.services.mcp import EVERYTHING, NODE
from tests.services.mongo import Mongo, mongo
from tests.services.ports import free_port
from tests.services.postgres import Postgres, postgres
from tests.services.redis import Redis, redis
from tests.services.s3 import BUCKET, S3, s3
from tools import print_providers

ROOT = Path(__file__).parents[2]
HI = [{"role": "user", "content": "Hi"}]
PAGE = """<html><head><title>A page</title></head><body><article><h1>A page</h1>
<p>This is a long enough sentence, so that it is taken for the article of this page.</p>
<p>Here is <a href="/other.html">another page</a>, and more words that make a paragraph of some length.</p>
</article></body></html>"""

Args = dict[str, Any]
CALLS: dict[str, list[tuple[str, Args]]] = {
    "openai": [
        ("generate", {"prompt": "Hi"}),
        ("chat", {"messages": HI}),
        ("stream", {"prompt": "Hi"}),
        ("embed", {"input": ["a"], "model": "embed-1"}),
        ("respond", {"input": "Hi"}),
        ("respond_stream", {"input": "Hi"}),
    ],
    "anthropic": [
        ("generate", {"prompt": "Hi"}),
        ("chat", {"messages": HI}),
        ("stream", {"prompt": "Hi"}),
        ("count_tokens", {"messages": HI}),
    ],
    "ollama": [
        ("generate", {"prompt": "Hi"}),
        ("chat", {"messages": HI}),
        ("stream", {"prompt": "Hi"}),
        ("embed", {"input": "a"}),
        ("pull", {"model": "small"}),
        ("show", {"model": "small"}),
        ("running", {}),
    ],
    "rest_llm": [
        ("generate", {"prompt": "Hi"}),
        ("chat", {"messages": HI}),
        ("stream", {"prompt": "Hi"}),
        ("embed", {"input": "a"}),
    ],
    "mcp": [
        ("echo", {"message": "Hi"}),
        ("list_resources", {}),
        ("list_resource_templates", {}),
        ("read_resource", {"uri": "demo://resource/static/document/architecture.md"}),
        ("list_prompts", {}),
        ("get_prompt", {"name": "simple-prompt"}),
    ],
    "file": [
        ("write", {"path": "files/a.txt", "content": "Hi"}),
        ("read", {"path": "files/a.txt"}),
        ("stat", {"path": "files/a.txt"}),
        ("list", {"path": "files"}),
        ("search", {"path": "files", "text": "Hi"}),
        ("make_directory", {"path": "files/b"}),
        ("move", {"source": "files/a.txt", "target": "files/b/a.txt"}),
        ("delete", {"path": "files/b", "recursive": True}),
    ],
    "web": [(method, {"url": "{web}/index.html"}) for method in ("fetch", "extract", "links")]
    + [("select", {"url": "{web}/index.html", "css": "h1"})],
    "system": [
        ("commands", {}),
        ("execute", {"command": "say", "arguments": {"what": "Hi"}}),
        ("stream", {"command": "say", "arguments": {"what": "Hi"}}),
        *[(method, {}) for method in ("processes", "cpu", "memory", "disks", "network")],
    ],
    "data": [
        ("files", {}),
        ("query", {"sql": "SELECT sum(n) AS total FROM 'numbers.csv'"}),
        ("describe", {"path": "numbers.csv"}),
        ("statistics", {"path": "numbers.csv"}),
        ("convert", {"path": "numbers.csv", "to": "numbers.parquet"}),
    ],
    "sql": [
        ("execute", {"sql": "CREATE TABLE t (n int)"}),
        ("transaction", {"statements": [{"sql": "INSERT INTO t VALUES (:n)", "params": {"n": 5}}]}),
        ("query", {"sql": "SELECT n FROM t WHERE n = :n", "params": {"n": 5}}),
        ("stream_query", {"sql": "SELECT n FROM t"}),
        ("tables", {}),
        ("describe", {"table": "t"}),
    ],
    "vector": [
        ("create_collection", {"name": "c", "dimensions": 2}),
        ("upsert", {"collection": "c", "items": [{"id": "a", "vector": [1, 0], "metadata": {"x": 1}}]}),
        ("collections", {}),
        ("get", {"collection": "c", "ids": ["a"]}),
        ("search", {"collection": "c", "vector": [1, 0]}),
        ("count", {"collection": "c"}),
        ("delete", {"collection": "c", "ids": ["a"]}),
        ("drop_collection", {"name": "c"}),
    ],
    "redis": [
        ("set", {"key": "a", "value": 1}),
        ("get", {"key": "a"}),
        ("get_many", {"keys": ["a"]}),
        ("exists", {"keys": ["a"]}),
        ("increment", {"key": "a"}),
        ("expire", {"key": "a", "seconds": 100}),
        ("ttl", {"key": "a"}),
        ("scan", {}),
        ("delete", {"keys": ["a"]}),
        ("hash_set", {"key": "h", "fields": {"f": "v"}}),
        ("hash_get", {"key": "h"}),
        ("hash_delete", {"key": "h", "fields": ["f"]}),
        ("list_push", {"key": "l", "values": ["a", "b"]}),
        ("list_range", {"key": "l"}),
        ("list_pop", {"key": "l"}),
        ("set_add", {"key": "s", "members": ["a"]}),
        ("set_contains", {"key": "s", "members": ["a"]}),
        ("set_members", {"key": "s"}),
        ("set_remove", {"key": "s", "members": ["a"]}),
        ("sorted_add", {"key": "z", "scores": {"a": 1}}),
        ("sorted_range", {"key": "z"}),
        ("sorted_remove", {"key": "z", "members": ["a"]}),
        ("publish", {"channel": "c", "message": "Hi"}),
    ],
    "mongo": [
        ("insert", {"collection": "c", "documents": [{"name": "a", "n": 1}]}),
        ("find", {"collection": "c", "filter": {"n": 1}}),
        ("find_one", {"collection": "c"}),
        ("count", {"collection": "c"}),
        ("aggregate", {"collection": "c", "pipeline": [{"$match": {"n": 1}}]}),
        ("update", {"collection": "c", "filter": {"n": 1}, "update": {"$set": {"n": 2}}}),
        ("collections", {}),
        ("indexes", {"collection": "c"}),
        ("delete", {"collection": "c", "filter": {"n": 2}}),
    ],
    "cloud": [
        ("put", {"path": "a/b.txt", "text": "Hi"}),
        ("head", {"path": "a/b.txt"}),
        ("get", {"path": "a/b.txt"}),
        ("stream", {"path": "a/b.txt", "encoding": "text"}),
        ("list", {}),
        ("folders", {}),
        ("copy", {"source": "a/b.txt", "target": "c", "overwrite": True}),
        ("move", {"source": "c", "target": "d", "overwrite": True}),
        ("presign", {"path": "d"}),
        ("delete", {"path": "d"}),
    ],
    "calculator": [
        *[(method, {"a": 6, "b": 3}) for method in ("add", "subtract", "multiply", "divide", "power")],
        *[(method, {"x": 1}) for method in ("sqrt", "sin", "cos", "log")],
    ],
    "echo": [("generate", {"prompt": "Hi"}), ("stream", {"prompt": "Hi"})],
}
SHOWN = {
    ("openai", "generate"): "Hi all",
    ("anthropic", "stream"): "Hi all",
    ("ollama", "chat"): "Hi all",
    ("rest_llm", "stream"): "Hi all",
    ("mcp", "echo"): "Hi",
    ("file", "read"): "Hi",
    ("web", "extract"): "long enough sentence",
    ("system", "execute"): "Hi",
    ("data", "query"): "6",
    ("sql", "query"): "5",
    ("vector", "search"): '"a"',
    ("redis", "get"): "1",
    ("mongo", "find"): '"name": "a"',
    ("cloud", "get"): "Hi",
}
"""What an answer has to hold, of one method of each."""


@contextmanager
def listening(module: str) -> Iterator[str]:
    """The URL of one of the servers that answer as others do, as a process."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", f"tests.providers.{module}", str(port)], cwd=ROOT) as server:
        try:
            deadline = time.monotonic() + 30
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < deadline, f"{module} does not come up"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


@contextmanager
def pages(root: Path) -> Iterator[str]:
    root.mkdir()
    (root / "index.html").write_text(PAGE)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def blocks(
    root: Path, urls: dict[str, str], db: Postgres, store: S3, keys: Redis, documents: Mongo
) -> dict[str, Any]:
    """The providers as a config has them."""
    ollama = urls["ollama"]
    asked = {"model": "small", "stream": False}
    rest = {
        "generate": {"path": "/api/generate", "body": {**asked, "prompt": "{prompt}"}, "text": "response"},
        "chat": {"path": "/api/chat", "body": {**asked, "messages": "{messages}"}, "text": "message.content"},
        "stream": {
            "path": "/api/generate",
            "body": {"model": "small", "prompt": "{prompt}"},
            "format": "ndjson",
            "text": "response",
            "done": "done",
        },
        "embed": {
            "path": "/api/embed",
            "body": {"model": "small", "input": "{input}"},
            "embeddings": "embeddings",
        },
    }
    secrets = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "secret", "region": "us-east-1"}
    port = int(urls["web"].rpartition(":")[2])
    config: dict[str, Args] = {
        "openai": {"base_url": f"{urls['openai']}/v1", "default_model": "gpt-4.1"},
        "anthropic": {"base_url": urls["anthropic"], "api_key": "key", "default_model": "small"},
        "ollama": {"url": ollama, "default_model": "small"},
        "rest_llm": {"url": ollama, "default_model": "small", "methods": rest},
        "mcp": {"command": [NODE, EVERYTHING, "stdio"]},
        "file": {"roots": {"files": str(root / "files")}, "read_only": False},
        "web": {"allow_private": ["127.0.0.1"], "ports": [port]},
        "system": {"commands": {"say": ["echo", "{what}"]}},
        "data": {"roots": [str(root / "data")], "read_only": False},
        "sql": {"url": db.url, "allow_writes": True},
        "vector": {"path": str(root / "vectors.db")},
        "redis": {"url": keys.url},
        "mongo": {"url": documents.url, "database": "shop", "allow_writes": True},
        "cloud": {
            "url": f"s3://{BUCKET}",
            "options": {**secrets, "endpoint": store.url},
            "read_only": False,
        },
        "calculator": {},
        "echo": {},
    }
    classes = {name: print_providers.provider(name) for name in config}
    return {
        name: {"class": f"{cls.__module__}.{cls.__name__}", "config": config[name], "start_timeout": 60}
        for name, cls in classes.items()
    }


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, dict[str, str]]]:
    root = tmp_path_factory.mktemp("all")
    for name in ("files", "data"):
        (root / name).mkdir()
    (root / "data/numbers.csv").write_text("n\n1\n2\n3\n")
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(listening(f"{name}_server"))
            for name in ("openai", "anthropic", "ollama")
        }
        urls["web"] = stack.enter_context(pages(root / "pages"))
        db, store, keys = (
            stack.enter_context(postgres()),
            stack.enter_context(s3()),
            stack.enter_context(redis()),
        )
        documents = stack.enter_context(mongo())
        daemon = stack.enter_context(house(root, blocks(root, urls, db, store, keys, documents)))
        for name in CALLS:
            daemon.until(name, "RUNNING")
        yield daemon, urls


def test_every_method_is_called() -> None:
    """All but `subscribe`, which has no end: `test_redis.py` has it."""
    for name in {*print_providers.names()} - {"mcp"}:
        methods = set(public_methods(print_providers.provider(name), SocketIOProviderClient))
        assert {method for method, _ in CALLS[name]} == methods - {"subscribe"}, name
    assert set(CALLS) == set(print_providers.names())


@pytest.mark.parametrize("name", CALLS)
def test_what_is_called_by_the_command_line_is_answered(
    all_of_them: tuple[House, dict[str, str]], name: str
) -> None:
    daemon, urls = all_of_them
    known = public_methods(print_providers.provider(name), SocketIOProviderClient)
    for method, args in CALLS[name]:
        filled = {key: value.format(**urls) if key == "url" else value for key, value in args.items()}
        verb = "stream" if method in known and known[method].streams else "invoke"
        done = daemon.ctl("providers", verb, name, method, "--args", json.dumps(filled))
        assert (done.returncode, done.stderr) == (0, ""), f"{method}: {done.stderr}"
        assert SHOWN.get((name, method), "") in done.stdout, method
