"""What is shown of a config has no secret in it, and all the rest."""

from __future__ import annotations

from typing import Any

import pytest

from gleitzeitd.config.masked import is_whole, masked, without_secrets
from gleitzeitd.config.place import Path


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (("providers", "a", "config", "api_key"), "sk-1", "********"),
        (("providers", "a", "config", "api_keys"), ["sk-1", "sk-2"], ["********", "********"]),
        (("providers", "a", "config"), {"key": "sk-1", "b": 1}, {"key": "********", "b": 1}),
        (("providers", "a", "config"), {"secrets": {"b": ["sk-1"]}}, {"secrets": {"b": ["********"]}}),
        (("providers", "a", "command"), ["p", "--token", "sk-1"], ["p", "--token", "********"]),
        (("providers", "a", "command"), "p --token sk-1 -v", "p --token ******** -v"),
        (("providers", "keycloak", "type"), "llm", "llm"),
        (("providers", "a", "config", "max_tokens"), 100, 100),
        (("providers", "a", "config", "api_key"), None, None),
        (("global", "parallel_starts"), 4, 4),
    ],
)
def test_a_value_is_shown_without_its_secrets(path: Path, value: Any, shown: Any) -> None:
    assert masked(path, value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("providers:\n  keycloak:\n    type: llm # x\n", "providers:\n  keycloak:\n    type: llm # x\n"),
        ("p:\n  a:\n    key: 'sk-1' # x\n    b: 1\n", "p:\n  a:\n    key: *** # x\n    b: 1\n"),
        ("p:\n  a:\n    keys:\n    - sk-1\n    - sk-2\n    b: 1", "p:\n  a:\n    keys:\n    ***\n    b: 1"),
        ("p: {a: {keys: [sk-1], c: &k sk-2, key: *k}}", "p: {a: {keys: ***, c: ***, key: ***}}"),
        ("p:\n  a:\n    # key: sk-1\n    b: x # y\n", "p:\n  a:\n    # ***\n    b: x # y\n"),
        ("", ""),
        ("p:\n", "p:\n"),
        ("a:\n  key: sk-1\n  - [", "a:\n  key: ***\n  ***\n"),
        ("a:\n  key: |\n    sk-1\n\n    sk-2\n  b: [\n", "a:\n  key: ***\n    ***\n\n    ***\n  b: [\n"),
    ],
)
def test_a_text_is_shown_without_its_secrets(text: str, shown: str) -> None:
    assert without_secrets(text, lambda secret: "***", is_whole(text)) == shown


def test_what_is_declared_to_be_secret_is_hidden_whatever_its_name() -> None:
    declared = frozenset({("providers", "bank", "config", "pin")})
    text = "providers:\n  bank:\n    config: {pin: 1234, size: 5}\n  other:\n    config: {pin: 5}\n"

    assert without_secrets(text, lambda secret: "***", True, declared) == text.replace("1234", "***")
    assert masked(("providers", "bank", "config", "pin"), "1234", declared) == "********"
    assert masked(("providers", "bank"), {"config": {"pin": "1234", "size": 5}}, declared) == {
        "config": {"pin": "********", "size": 5}
    }
    assert masked(("providers", "other", "config", "pin"), "5", declared) == "5"
