"""The file that `config create` writes loads as it is, and with each line that it offers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleitzeitd.config.load import load
from gleitzeitd.config.reference import keys
from gleitzeitd.config.schema import RUNS
from gleitzeitd.config.template import EXAMPLES, template
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget

OFFERED = re.compile(r"  #   (?P<indent> *)(?P<key>\w+):(?P<value>.*)")
HEAD, _, BLOCK = template().partition("  # server:\n")
OF_ANOTHER_MACHINE = ("cwd", "user", "group", "python")
"""Examples that need not be true here: what is not enabled may be for another machine."""
OF_A_KIND = {
    "url": {"kind": "http"},
    "host": {"kind": "tcp", "port": "8100"},
    "port": {"kind": "tcp"},
    "command": {"kind": "exec"},
}
KeyPath = tuple[str, ...]


def offered() -> Iterator[tuple[KeyPath, str]]:
    """Each key of the commented block with its value; a section's value is empty."""
    path: list[str] = []
    for match in filter(None, map(OFFERED.fullmatch, BLOCK.splitlines())):
        path[len(match["indent"]) // 2 :] = [match["key"]]
        yield tuple(path), match["value"].partition(" # ")[0].strip()


def with_only(path: KeyPath, value: str) -> str:
    """The file with one offered line, and as much around it as it needs to stand."""
    settings = {path: value}
    if path[0] in ("ready", "health"):
        needed = OF_A_KIND.get(path[-1]) or {"kind": "tcp", "port": "8100"}
        settings |= {(path[0], key): told for key, told in needed.items()} if path[-1] != "kind" else {}
    if path[0] not in RUNS:
        settings["class",] = "my_provider.MyProvider"
    if path[0] in OF_ANOTHER_MACHINE:
        settings["enabled",] = "false"
    lines = ["  server:"]
    for (first, *rest), told in settings.items():
        if not rest:
            lines.append(f"    {first}: {told}")
        elif f"    {first}:" not in lines:
            lines.append(f"    {first}:")
            lines += [f"      {p[1]}: {t}" for p, t in settings.items() if p[0] == first]
    return HEAD + "\n".join(lines) + "\n"


def loads(directory: Path, text: str) -> tuple[str, ...]:
    """The mistakes of the file."""
    path = directory / "providers.yaml"
    path.write_text(text)
    try:
        load(str(path))
    except ConfigError as exc:
        return exc.problems
    return ()


def test_the_template_wants_the_two_providers_that_come_along(tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(template())
    assert {spec.name: spec.target for spec in load(str(path)).specs} == {
        "calculator": ClassTarget("providers.calculator_provider.CalculatorProvider"),
        "echo": ClassTarget("providers.echo_provider.EchoProvider"),
    }


SINGLE = [(path, value) for path, value in offered() if value]


@pytest.mark.parametrize(("path", "value"), SINGLE, ids=[".".join(path) for path, _ in SINGLE])
def test_every_line_that_is_offered_can_be_taken(tmp_path: Path, path: KeyPath, value: str) -> None:
    assert loads(tmp_path, with_only(path, value)) == ()


def test_every_key_of_a_provider_is_offered() -> None:
    assert [path for path, _ in offered()] == [key.path for key in keys("Provider")]


def test_a_line_that_cannot_be_taken_would_be_noticed(tmp_path: Path) -> None:
    (problem,) = loads(tmp_path, with_only(("instances",), "none"))
    assert "providers.server.instances: must be a whole number" in problem


def test_every_key_of_global_is_there_with_its_default() -> None:
    section = HEAD.partition("\nproviders:\n")[0]
    for key in keys("Global"):
        value = "" if key.is_section else f" {key.default or EXAMPLES['.'.join(key.path)]}"
        assert re.search(rf"^(  #)? +{key.path[-1]}:{re.escape(value)} +# ", section, re.MULTILINE), key.path


def test_no_line_is_wider_than_our_own() -> None:
    assert max(map(len, template().splitlines())) <= 110


def test_an_editor_is_told_where_the_schema_is() -> None:
    first, _, rest = template("file:///somewhere/schema.json").partition("\n")
    assert first == "# yaml-language-server: $schema=file:///somewhere/schema.json"
    assert rest == template()
