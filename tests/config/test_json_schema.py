"""The JSON Schema says of a file what the loader says of it, as far as a schema can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gleitzeitd.config import json_schema
from gleitzeitd.config.json_schema import SHIPPED, schema
from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError
from tests.config.json_checker import Checker
from tests.config.mistaken import setting
from tests.config.test_settings import EFFECTS, NEEDED

ROOT = Path(__file__).resolve().parents[2]
CHECKER = Checker(schema())


def data(text: str) -> Any:
    """As an editor's own parser has it."""
    return YAML(typ="safe", pure=True).load(text)


def test_the_shipped_file_is_the_schema() -> None:
    assert SHIPPED.read_text() == json_schema.text(), "run `make docs`"


def test_the_example_is_accepted() -> None:
    assert CHECKER.accepts(data((ROOT / "etc/providers.yaml").read_text()))


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, (value, *_) in EFFECTS.items()])
def test_every_key_is_accepted_with_a_value_that_the_loader_takes(path: str, value: str) -> None:
    assert CHECKER.accepts(data(setting(path, value) + NEEDED.get(path, "")))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("global.auto_start", "${AUTO:-true}"),
        ("global.max_retry_attempts", "${ATTEMPTS}"),
        ("global.connection_timeout", "${SECONDS}s"),
        ("providers.p.type", "${TYPE}"),
        ("providers.p.class", "${MODULE}.Class"),
        ("providers.p.instances", "${INSTANCES}"),
        ("providers.p.stop.signal", "${SIGNAL:-TERM}"),
        ("providers.p.limits.memory", "${MEMORY}"),
        ("providers.p.umask", "${UMASK}"),
    ],
)
def test_a_scalar_of_any_type_may_be_substituted(path: str, value: str) -> None:
    assert CHECKER.accepts(data(setting(path, value)))


@pytest.mark.parametrize(
    "path",
    ["global", "global.logs", "global.defaults", "providers", "providers.p.restart", "providers.p.env"],
)
def test_a_section_may_be_empty(path: str) -> None:
    assert CHECKER.accepts(data(setting(path, "")))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("global.auto_start", "maybe"),
        ("global.auto_start", "1"),
        ("global.auto_start", "[true]"),
        ("global.connection_timeout", "0"),
        ("global.connection_timeout", "-1"),
        ("global.connection_timeout", "true"),
        ("global.connection_timeout", "5 minutes"),
        ("global.max_retry_attempts", "-1"),
        ("global.max_retry_attempts", '"3"'),
        ("global.max_retry_attempts", "2.5"),
        ("global.default_server_url", "8000"),
        ("global.logs", "5"),
        ("global.logs.size", "20"),
        ("global.logs.size", "20M"),
        ("global.auto_strat", "true"),
        ("providers", "[]"),
        ("providers.p", "runs"),
        ("providers.p.type", "robot"),
        ("providers.p.class", "Class"),
        ("providers.p.class", "[module.Class]"),
        ("providers.p.command", "60"),
        ("providers.p.command", "[sleep, 60]"),
        ("providers.p.config", "[a]"),
        ("providers.p.instances", "0"),
        ("providers.p.instances", "null"),
        ("providers.p.depends_on", "[[q]]"),
        ("providers.p.restart.policy", "sometimes"),
        ("providers.p.restart.polcy", "always"),
        ("providers.p.ready", "http"),
        ("providers.p.ready.interval", "0"),
        ("providers.p.ready.port", "65536"),
        ("providers.p.stop.signal", "SIGWINCH"),
        ("providers.p.stop.signal", "15"),
        ("providers.p.env", "{A: [b]}"),
        ("providers.p.inherit_env", "5"),
        ("providers.p.umask", '"0999"'),
        ("providers.p.nice", "20"),
        ("providers.p.limits.cpu", "0"),
        ("providers.p.limits.memory", "2 gigs"),
        ("providers.p.clas", "module.Class"),
        ("version", "2"),
    ],
)
def test_a_mistake_is_one_for_the_loader_and_for_the_schema(tmp_path: Path, path: str, value: str) -> None:
    text = setting(path, value)
    assert not CHECKER.accepts(data(text))
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load(str(tmp_path / "p.yaml"))


@pytest.mark.parametrize("block", ["{}", "{class: module.Class, command: sleep 60}"])
def test_what_runs_is_said_exactly_once(block: str) -> None:
    assert not CHECKER.accepts(data(f"providers: {{p: {block}}}\n"))
    assert CHECKER.accepts(data("providers: {p: {command: sleep 60}}\n"))


def test_every_key_has_a_sentence() -> None:
    whole = schema()
    for name, section in whole["definitions"].items():
        for key, node in section.get("properties", {}).items():
            form = node.get("anyOf", [node])[0]
            inner = whole["definitions"].get(form.get("$ref", "").rpartition("/")[2], {})
            told = node.get("description") or inner.get("description")
            assert told, f"{name}.{key}"
