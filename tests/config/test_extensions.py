"""`extension:` in a config: found, held against what it declares, and read again when that changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gleitzeitd.config import extensions, schema
from gleitzeitd.config.effective import explain
from gleitzeitd.config.load import fingerprint, load
from gleitzeitd.core.plan import Action, diff
from gleitzeitd.core.spec import ExtensionTarget, House, Spec, Update

MANIFEST = """
name: library
description: Lends books
config:
  api_key: {type: secret, required: true, env_var: LIBRARY_KEY}
  days: {type: integer, default: 14, min: 1, max: 30}
service: {class_path: service.Library}
"""
DECORATED = """
from gleitzeit_extensions.decorators import extension, config_field

raise SystemExit("the daemon has run it")

@extension(name="tools")
@config_field("size", field_type="integer", env_var="TOOLS_SIZE")
class Tools:
    pass
"""
COMPUTED = """
from gleitzeit_extensions.decorators import extension
from os import environ

@extension(name=environ["SOME"])
class Computed:
    pass
"""
EMPTY_SERVICE = {"library/service.py": ""}
FILES = {"library/extension.yaml": MANIFEST, "library/service.py": "", "tools.py": DECORATED}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIBRARY_KEY", "TOOLS_SIZE"):
        monkeypatch.delenv(name, raising=False)


def write(root: Path, files: Mapping[str, str] = FILES) -> None:
    for name, text in files.items():
        path = root / "extensions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def wanted(root: Path, block: str, common: str = "{}") -> House:
    path = root / "p.yaml"
    path.write_text(f"global: {common}\nproviders:\n  p:\n    {block}\n")
    return load(str(path))


def only(house: House) -> Spec:
    (spec,) = house.specs
    return spec


def mistakes(root: Path, block: str, common: str = "{}") -> list[str]:
    """Those of the block, each without the path that it begins with."""
    return [one.removeprefix(f"{root / 'p.yaml'}:") for one in only(wanted(root, block, common)).mistakes]


def test_an_extension_is_found_without_being_run(tmp_path: Path) -> None:
    write(tmp_path)
    spec = only(wanted(tmp_path, "extension: tools"))

    home = tmp_path / "extensions"
    assert spec.target == ExtensionTarget("tools", (str(home),), str(home / "tools.py"), ("TOOLS_SIZE",))
    assert (spec.kind, spec.type, spec.mistakes) == ("extension", "extension", ())
    assert spec.rules.registers
    assert spec.health is not None
    assert spec.update is Update.START_FIRST
    assert only(wanted(tmp_path, "{extension: tools, type: llm}")).type == "llm"


def test_a_config_without_one_reads_no_extension(tmp_path: Path) -> None:
    write(tmp_path)
    sys.modules.pop("gleitzeit_extensions.catalog.survey", None)

    assert wanted(tmp_path, "command: sleep 1").extension_paths == ()
    assert "gleitzeit_extensions.catalog.survey" not in sys.modules


def test_an_unknown_name_says_what_may_be_meant_and_where_it_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path)

    assert mistakes(tmp_path, "extension: tolls", "{extension_paths: [extensions, more]}") == [
        '4:16: providers.p.extension: there is no extension "tolls" (did you mean "tools"?): looked in '
        f"{tmp_path}/extensions, {tmp_path}/more (there is no such directory)"
    ]


def test_what_only_its_code_could_tell_is_no_mistake(tmp_path: Path) -> None:
    write(tmp_path, {"computed.py": COMPUTED})
    spec = only(wanted(tmp_path, "extension: anything"))

    assert spec.mistakes == ()
    assert spec.target == ExtensionTarget("anything", (str(tmp_path / "extensions"),))


def test_a_broken_manifest_is_the_mistake_of_who_runs_it(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "library/extension.yaml": MANIFEST + "autor: me\n"})
    house = wanted(tmp_path, "{extension: library}\n  q: {extension: tools}")
    first, second = house.specs

    (sentence,) = first.mistakes
    assert sentence.startswith(f'{tmp_path}/p.yaml:4:17: providers.p.extension: "library" cannot be used: ')
    assert f"{tmp_path}/extensions/library/extension.yaml:8:" in sentence
    assert "did you mean author" in sentence
    assert second.mistakes == ()


def test_a_value_that_is_required_comes_from_the_block_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)

    (sentence,) = mistakes(tmp_path, "extension: library")
    assert sentence.startswith("4:16: providers.p.extension: ")
    assert "api_key" in sentence
    assert "LIBRARY_KEY" in sentence
    assert mistakes(tmp_path, "{extension: library, config: {api_key: x}}") == []
    assert mistakes(tmp_path, "{extension: library, env: {LIBRARY_KEY: x}}") == []
    # It is read at each start.
    assert mistakes(tmp_path, "{extension: library, env_file: vars}") == []
    monkeypatch.setenv("LIBRARY_KEY", "x")
    assert mistakes(tmp_path, "extension: library") == []


@pytest.mark.parametrize("days", ["31", "0", "soon", '"5"', "1.5", "true"])
def test_a_value_that_does_not_fit_is_told_where_it_stands(tmp_path: Path, days: str) -> None:
    write(tmp_path)

    (sentence,) = mistakes(tmp_path, f"{{extension: library, config: {{api_key: x, days: {days}}}}}")
    assert sentence.startswith("4:53: providers.p.config.days: ")


def test_all_values_that_do_not_fit_are_told(tmp_path: Path) -> None:
    write(tmp_path)

    assert len(mistakes(tmp_path, "{extension: library, config: {days: 99}}")) == 2


def test_a_key_that_a_manifest_does_not_declare_is_told_with_what_may_be_meant(tmp_path: Path) -> None:
    write(tmp_path)

    assert mistakes(tmp_path, "{extension: library, config: {api_key: x, dais: 3, name: p}}") == [
        '4:53: providers.p.config.dais: "library" has no such field (did you mean "days"?): '
        "there are api_key, days"
    ]


def test_what_else_a_decorated_class_takes_only_its_code_could_tell(tmp_path: Path) -> None:
    write(tmp_path)

    assert mistakes(tmp_path, "{extension: tools, config: {sise: 3}}") == []


def test_a_value_from_outside_is_read_as_it_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**FILES, "library/extension.yaml": MANIFEST.replace("  days", "  other: {}\n  days")})
    block = "{extension: library, config: {api_key: x, days: '${DAYS}', other: '${DAYS}'}}"
    monkeypatch.setenv("DAYS", "7")
    assert only(wanted(tmp_path, block)).config == {"api_key": "x", "days": 7, "other": "7"}

    monkeypatch.setenv("DAYS", "seven")
    (sentence,) = mistakes(tmp_path, block)
    assert "config.days" in sentence


def test_a_secret_is_in_no_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "secret").write_text("hunter2")
    text = "{extension: library, config: {api_key: x, days: '${file:secret}'}}"

    assert mistakes(tmp_path, text) == [
        "4:53: providers.p.config.days: is not the integer that the extension wants"
    ]


def test_a_secret_within_a_value_is_in_no_sentence_either(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "secret").write_text("hunter2")
    text = "{extension: library, config: {api_key: x, days: ['${file:secret}']}}"

    assert "hunter2" not in "".join(mistakes(tmp_path, text))


def test_a_name_of_its_own_may_be_declared(tmp_path: Path) -> None:
    write(tmp_path)

    assert mistakes(tmp_path, "{extension: tools, config: {name: p}}") == []
    assert mistakes(tmp_path, "{extension: tools, config: {name: q}}") == [
        "4:39: providers.p.config.name: the extension takes no name, "
        'and the block is called "p": leave it out'
    ]
    field = '@config_field("name")'
    write(tmp_path, {"tools.py": DECORATED.replace("class Tools", f"{field}\nclass Tools")})
    assert mistakes(tmp_path, "{extension: tools, config: {name: q}}") == []


def test_a_disabled_block_is_not_held_against_anything(tmp_path: Path) -> None:
    assert wanted(tmp_path, "{extension: nowhere, enabled: false}").specs == ()


def test_what_is_declared_to_be_secret_is_shown_to_nobody(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("  api_key", "  other: {}\n  pass_to_all")
    write(tmp_path, {"library/extension.yaml": manifest, **EMPTY_SERVICE})
    wanted(tmp_path, "{extension: library, config: {pass_to_all: hunter2, other: seen}}")
    shown = {one.key: one.value for one in explain(str(tmp_path / "p.yaml")).providers["p"]}

    assert (shown["config.pass_to_all"], shown["config.other"]) == ("********", "seen")


def test_it_shows_like_any_other_key(tmp_path: Path) -> None:
    write(tmp_path)
    wanted(tmp_path, "extension: tools")
    shown = {one.key: one.value for one in explain(str(tmp_path / "p.yaml")).providers["p"]}

    assert (shown["extension"], shown["type"]) == ("tools", "extension")


def plan(before: House, after: House) -> tuple[Action, tuple[str, ...]]:
    (step,) = diff(before, after, schema.is_live).steps
    return step.action, step.keys


def test_what_it_declares_is_part_of_the_config(tmp_path: Path) -> None:
    write(tmp_path)
    block = "{extension: library, config: {api_key: x}}"
    before = wanted(tmp_path, block)
    path = str(tmp_path / "p.yaml")
    assert fingerprint(path, (), before.extension_paths) == before.mark

    write(tmp_path, {"library/extension.yaml": MANIFEST.replace("14", "21")})
    assert fingerprint(path, (), before.extension_paths) != before.mark
    assert plan(before, wanted(tmp_path, block)) == (Action.RESTART, ("extension.declares",))


def test_a_save_during_the_look_is_not_taken_for_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    survey = extensions._survey

    def and_then_it_is_saved(paths: Sequence[str]) -> object:
        seen = survey(paths)
        write(tmp_path, {"library/extension.yaml": MANIFEST.replace("14", "21")})
        return seen

    monkeypatch.setattr(extensions, "_survey", and_then_it_is_saved)
    house = wanted(tmp_path, "{extension: library, config: {api_key: x}}")
    assert fingerprint(house.path, (), house.extension_paths) != house.mark


def test_a_secret_that_is_another_by_default_is_seen(tmp_path: Path) -> None:
    secret = MANIFEST.replace("required: true", "default: SECRET")
    write(tmp_path, {**FILES, "library/extension.yaml": secret.replace("SECRET", "hunter1")})
    before = wanted(tmp_path, "extension: library")

    write(tmp_path, {"library/extension.yaml": secret.replace("SECRET", "hunter2")})
    assert fingerprint(before.path, (), before.extension_paths) != before.mark
    assert plan(before, wanted(tmp_path, "extension: library"))[0] is Action.RESTART


def test_its_code_is_not(tmp_path: Path) -> None:
    write(tmp_path)
    block = "{extension: tools}"
    before = wanted(tmp_path, block)

    write(tmp_path, {"tools.py": f"# a line more\n{DECORATED}"})
    assert plan(before, wanted(tmp_path, block)) == (Action.UNCHANGED, ())


def test_other_paths_matter_only_where_they_lead_elsewhere(tmp_path: Path) -> None:
    write(tmp_path)
    before = wanted(tmp_path, "extension: tools")
    assert plan(before, wanted(tmp_path, "extension: tools", "{extension_paths: [none, extensions]}")) == (
        Action.UNCHANGED,
        (),
    )

    (tmp_path / "extensions").rename(tmp_path / "moved")
    after = wanted(tmp_path, "extension: tools", "{extension_paths: moved}")
    assert plan(before, after) == (Action.RESTART, ("extension.place",))
