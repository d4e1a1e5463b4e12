"""The example in JavaScript, run by a real daemon as a user would: called, streamed from, asked how it is."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.house import eventually, house
from tests.protocol.javascript import MODULES, ROOT


def test_a_provider_in_javascript_is_one_like_any_other(tmp_path: Path) -> None:
    node = str(Path(sys.executable).with_name("node"))
    block = {"command": [node, str(ROOT / "examples/provider.js")], "env": {"NODE_PATH": str(MODULES)}}
    with house(tmp_path, {"greeter": block}) as h:
        eventually(lambda: "spell" in h.ctl("providers", "methods", "greeter").stdout, h.said())
        assert h.invoke("greeter", "greet", {"whom": "world"}) == "hello world"
        stream = h.ctl("providers", "stream", "greeter", "spell", "--args", '{"word": "abc"}')
        assert [letter for letter in stream.stdout if letter.isalpha()] == ["a", "b", "c"]
        assert h.client.get("/v1/providers/greeter/health")["health"] == {"healthy": True}
        refused = h.ctl("providers", "invoke", "greeter", "shout")
        assert refused.returncode == 4, refused.stderr
        assert 'has no method "shout"' in refused.stderr
