"""Each provider that comes along can be had by taking away some `#`, and has a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gleitzeit_extensions import settings
from gleitzeitd.config.load import load
from gleitzeitd.config.template import built_in
from gleitzeitd.core.spec import ClassTarget
from tools import print_providers

NAMES = [module.removesuffix("_provider") for module in built_in()]
NEEDS_NOTHING = {"calculator", "echo"}


def test_every_provider_is_shown_in_the_file_and_has_a_page() -> None:
    assert {*NAMES, *NEEDS_NOTHING} == set(print_providers.names())
    for name in NAMES:
        page = (print_providers.ROOT / f"docs/providers/{name}.md").read_text()
        assert set(re.findall(r"<!-- printed: (\w+) (\w+) -->", page)) == {
            (part, name) for part in ("block", "settings", "methods")
        }


@pytest.mark.parametrize("name", NAMES)
def test_its_block_is_what_the_provider_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = print_providers.block(name).removeprefix("```yaml\n").removesuffix("```\n")
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "a-value")
    path = tmp_path / "providers.yaml"
    path.write_text(text)

    (spec,) = load(str(path)).specs
    cls = print_providers.provider(name)
    assert spec.target == ClassTarget(f"{cls.__module__}.{cls.__name__}")
    assert cls.checks_config
    assert set(spec.config) <= set(settings.names(cls))
    settings.fitted(cls, dict(spec.config))


@pytest.mark.parametrize("name", NAMES)
def test_each_of_its_settings_has_a_sentence(name: str) -> None:
    assert [key for key, _, _, sentence in print_providers.settings_of(name) if not sentence] == []
