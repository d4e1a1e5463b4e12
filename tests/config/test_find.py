"""Which file is taken when none is named, or when one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gleitzeitd.config.load import find
from gleitzeitd.core.errors import ConfigError

SYSTEM = "/etc/gleitzeit/providers.yaml"
HOME = "/home/somebody/.config/gleitzeit/providers.yaml"
PLACES = ["config/providers.yaml", "providers.yaml", HOME, SYSTEM]


@pytest.fixture
def existing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files that there are: put some in."""
    files: set[str] = set()
    monkeypatch.setattr("gleitzeitd.config.load.os.path.exists", lambda path: path in files)
    monkeypatch.setattr("gleitzeitd.config.load.os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("GLEITZEIT_CONFIG", raising=False)
    return files


@pytest.mark.parametrize("service", [True, False])
@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_first_of_the_usual_places_is_taken(existing: set[str], first: int, service: bool) -> None:
    existing.update(PLACES[first:])

    assert find(None, "--config", service=service) == PLACES[first]


def test_a_variable_comes_before_the_places_and_a_flag_before_the_variable(
    existing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    existing.update(PLACES)
    monkeypatch.setenv("GLEITZEIT_CONFIG", "variable.yaml")

    assert find(None, "--config-file") == "variable.yaml"
    assert find("flag.yaml", "--config-file") == "flag.yaml"


def test_what_is_named_is_taken_though_it_is_not_there(existing: set[str]) -> None:
    # Not another file in its stead: load() says that it is missing.
    existing.update(PLACES)

    assert find("missing.yaml", "--config-file") == "missing.yaml"


def test_an_empty_variable_names_nothing(existing: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    existing.update(PLACES)
    monkeypatch.setenv("GLEITZEIT_CONFIG", "")

    assert find(None, "--config-file") == PLACES[0]


def test_a_service_of_root_never_runs_a_stray_file(
    existing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeitd.config.load.os.geteuid", lambda: 0)
    existing.update(PLACES)

    assert find(None, "--config", service=True) == SYSTEM
    assert find(None, "--config", service=False) == PLACES[0]
    assert find("named.yaml", "--config", service=True) == "named.yaml"


def test_without_any_file_all_places_are_named(existing: set[str]) -> None:
    with pytest.raises(ConfigError) as missing:
        find(None, "--config-file")

    assert missing.value.problems == (
        f"there is no config file (looked for {', '.join(PLACES)}): name one with --config-file FILE, "
        'or write one with "gleitzeit config create"',
    )


def test_a_service_of_root_names_only_where_it_looked(
    existing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeitd.config.load.os.geteuid", lambda: 0)
    existing.update(PLACES[:3])
    with pytest.raises(ConfigError) as missing:
        find(None, "--config", service=True)

    (sentence,) = missing.value.problems
    assert sentence.startswith(f"there is no config file (looked for {SYSTEM}): name one with ")
    assert "--config FILE" in sentence


def test_places_are_looked_for_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLEITZEIT_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/providers.yaml").touch()

    assert find(None, "--config-file") == "config/providers.yaml"
