"""What a setting is in effect and where it comes from; and that two files are equal that mean the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gleitzeitd.config import schema
from gleitzeitd.config.effective import Explained, Origin, Setting, explain
from gleitzeitd.config.load import load
from gleitzeitd.config.secrets import MASK
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.plan import differing

TEXT = """\
global:
  connection_timeout: 20
  auto_restart: no
  logs: {files: 2}
  defaults:
    nice: 3
    env: {COMMON: a}
providers:
  p:
    class: module.Class
    description: ${TEXT}
    stop: {timeout: 1m}
    config:
      model: m
      api_key: sk-1
      list: [1, "${TEXT}"]
      deep: {a.b: {c: 1}, empty: {}}
    env: {A: "${file:secret}", B: "${MY_TOKEN}"}
  c:
    command: run --token abc ${MY_TOKEN} ${TEXT} x
  missing:
    command: x
    nice: ${NONE}
    config: {a: "${NONE}"}
  off:
    enabled: false
    command: x
    nice: ${NONE}
    config: {a: "${TEXT}", b: "${MY_TOKEN:-sk-1}"}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "p.yaml").write_text(TEXT)
    (tmp_path / "secret").write_text("hush")
    monkeypatch.setenv("TEXT", "words")
    monkeypatch.setenv("MY_TOKEN", "hush")
    return str(tmp_path / "p.yaml")


@pytest.fixture
def explained(path: str) -> Explained:
    return explain(path)


def setting(explained: Explained, provider: str, key: str) -> Setting:
    (found,) = (one for one in explained.providers[provider] if one.key == key)
    return found


FOUND: list[tuple[str, str, Any, Origin, str]] = [
    ("p", "class", "module.Class", Origin.FILE, "10:12"),
    ("p", "enabled", True, Origin.DEFAULT, ""),
    ("p", "description", "words", Origin.ENVIRONMENT, "11:18"),
    ("p", "connection_timeout", 20.0, Origin.GLOBAL, "2:23"),
    ("p", "restart.policy", "never", Origin.GLOBAL, "3:17"),
    ("p", "restart.initial", 0.5, Origin.DEFAULT, ""),
    ("p", "logs.files", 2, Origin.GLOBAL, "4:17"),
    ("p", "logs.size", 20 * 2**20, Origin.DEFAULT, ""),
    ("p", "health.interval", 30.0, Origin.DEFAULT, ""),
    ("p", "update", "start-first", Origin.DEFAULT, ""),
    ("p", "start_timeout", 60.0, Origin.DEFAULT, ""),
    ("p", "nice", 3, Origin.DEFAULTS, "6:11"),
    ("p", "env.COMMON", "a", Origin.DEFAULTS, "7:19"),
    ("p", "stop.timeout", 60.0, Origin.FILE, "12:21"),
    ("p", "stop.signal", "SIGTERM", Origin.DEFAULT, ""),
    ("p", "config.model", "m", Origin.FILE, "14:14"),
    ("p", "config.api_key", MASK, Origin.FILE, "15:16"),
    ("p", "config.list", (1, "words"), Origin.ENVIRONMENT, "16:13"),
    ("p", 'config.deep."a.b".c', 1, Origin.FILE, "17:23"),
    ("p", "config.deep.empty", {}, Origin.FILE, "17:34"),
    ("p", "env.A", MASK, Origin.SECRET, "18:14"),
    ("p", "env.B", MASK, Origin.ENVIRONMENT, "18:35"),
    ("c", "command", ("run", "--token", MASK, MASK, "words", "x"), Origin.ENVIRONMENT, "20:14"),
    ("c", "update", "stop-first", Origin.DEFAULT, ""),
    ("missing", "nice", "${NONE}", Origin.ENVIRONMENT, "23:11"),
    ("missing", "config.a", "${NONE}", Origin.ENVIRONMENT, "24:17"),
    ("off", "enabled", False, Origin.FILE, "26:14"),
    ("off", "nice", "${NONE}", Origin.FILE, "28:11"),
    ("off", "config.a", "${TEXT}", Origin.FILE, "29:17"),
    ("off", "config.b", MASK, Origin.FILE, "29:31"),
]


@pytest.mark.parametrize(
    ("provider", "key", "value", "origin", "where"), FOUND, ids=[f"{f[0]}.{f[1]}" for f in FOUND]
)
def test_a_setting_says_where_it_comes_from(
    path: str, explained: Explained, provider: str, key: str, value: Any, origin: Origin, where: str
) -> None:
    place = f"{path}:{where}" if where else ""

    assert setting(explained, provider, key) == Setting(
        key, value, origin, place, is_secret=MASK in (value if isinstance(value, tuple) else (value,))
    )


def test_nothing_that_is_secret_is_shown_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("""\
global: {default_server_url: "http://me:sk-1@localhost:8000"}
providers:
  off: {enabled: false, command: "run --api-key sk-1 ${PORT}"}
  missing: {command: "run --api-key sk-1 ${NOT_SET}"}
  p:
    command: [run]
    description: run it with --token sk-1
    config:
      args: [--api-key, sk-1, 5]
      header: "Authorization: Bearer sk-1"
      password: 5318008
      max_tokens: 100
    env: {AUTH: Bearer sk-1, DATABASE: "postgres://me:sk-1@host", MY_PASSPHRASE: sk-1}
    health: {kind: http, url: "http://me:sk-1@host/"}
""")
    explained = explain(str(path))
    values = [one.value for some in (explained.common, *explained.providers.values()) for one in some]

    assert "sk-1" not in repr(values)
    assert "5318008" not in repr(values)
    assert setting(explained, "p", "config.max_tokens").value == 100
    assert setting(explained, "off", "command").value == f"run --api-key {MASK} ${{PORT}}"


def test_global_is_explained_too(explained: Explained) -> None:
    found = {one.key: (one.value, one.origin) for one in explained.common}

    assert found["connection_timeout"] == (20.0, Origin.FILE)
    assert found["parallel_starts"] == (8, Origin.DEFAULT)
    assert found["defaults.nice"] == (3, Origin.FILE)
    assert found["defaults.env.COMMON"] == ("a", Origin.FILE)


def test_what_is_explained_has_all_providers_and_their_mistakes(path: str, explained: Explained) -> None:
    assert list(explained.providers) == ["p", "c", "missing", "off"]
    assert explained.enabled == {"p", "c", "missing"}
    assert [mistake.split(": ")[1] for mistake in explained.mistakes] == [
        "providers.missing.nice",
        "providers.missing.config.a",
    ]
    assert (explained.path, explained.files) == (path, (path,))


def test_no_secret_is_in_it(explained: Explained) -> None:
    assert "hush" not in repr(explained)
    assert "sk-1" not in repr(explained)


def test_a_file_that_is_refused_is_not_explained(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("providers: []\n")

    with pytest.raises(ConfigError):
        explain(str(tmp_path / "p.yaml"))


def effect(directory: Path, text: str) -> dict[str, Any]:
    (directory / "p.yaml").write_text(text)
    return dict(load(str(directory / "p.yaml")).specs[0].settings)


def test_the_settings_of_a_spec_are_what_is_explained(path: str) -> None:
    spec = load(path).by_name["p"]

    assert spec.settings["env.A"] == "hush"
    assert spec.settings["config.list"] == (1, "words")
    assert set(spec.settings) == {one.key for one in explain(path).providers["p"]}
    json.dumps(spec.settings)


ALIKE = [
    ("stop: {timeout: 30}", "stop: {timeout: 30s}"),
    ("restart: {initial: 0.5}", "restart: {}"),
    ("restart: {policy: always}", "description: ''"),
    ("health: {}", "instances: 1"),
    ("ready: {kind: provider}", "ready: "),
    ("limits: {memory: 8KiB}", "limits: {memory: 8192}"),
    ("umask: '027'", "umask: 0o27"),
    ("depends_on: q", "depends_on: [q]"),
    ("stop: {signal: TERM}", "stop: {signal: SIGTERM}"),
    ("env: {A: 1}", "env: {A: '1'}"),
    ("watch: no", "watch: false"),
    ("inherit_env: false", "inherit_env: []"),
    ("config: {a: 1, b: 2}", "config: {b: 2, a: 1}"),
    ("config: {a: .nan}", "config: {a: .NaN}"),
    ("connection_timeout: 10", "connection_timeout: "),
    ("start_timeout: 1m", "nice: "),
    ("update: start-first", "update_drain: 10m"),
    ("nice: 3", "# a comment\n    nice: 3"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=[f"{a} is {b}" for a, b in ALIKE])
def test_what_means_the_same_has_the_same_settings(tmp_path: Path, one: str, other: str) -> None:
    text = "providers:\n  p:\n    class: module.Class\n    {}\n  q: {command: x}\n"
    first, second = (effect(tmp_path, text.replace("{}", block)) for block in (one, other))

    assert differing(first, second) == ()


DIFFERENT = [
    ("config: {a: 1}", "config: {a: '1'}", "config.a"),
    ("config: {a: 1}", "config: {a: 1.0}", "config.a"),
    ("config: {a: {b: 1}}", "config: {a.b: 1}", "config.a.b"),
    ("config: {a: []}", "config: {a: {}}", "config.a"),
    ("env: {A: a}", "env: {}", "env.A"),
    ("ready: {kind: provider}", "ready: {kind: tcp, port: 1}", "ready.port"),
    ("python_path: [a]", "python_path: [b]", "python_path"),
]


@pytest.mark.parametrize(("one", "other", "key"), DIFFERENT)
def test_what_differs_says_its_key(tmp_path: Path, one: str, other: str, key: str) -> None:
    text = "providers:\n  p: {class: module.Class, BLOCK}\n"
    first, second = (effect(tmp_path, text.replace("BLOCK", block)) for block in (one, other))

    assert key in differing(first, second)


def test_what_is_global_shows_in_every_provider(tmp_path: Path) -> None:
    text = "global: {GIVEN}\nproviders: {p: {class: module.Class}}\n"
    before = effect(tmp_path, text.replace("GIVEN", ""))
    given = "health_check_interval: 1, auto_restart: no, retry_fatal_every: 1, defaults: {nice: 1}"

    assert differing(before, effect(tmp_path, text.replace("GIVEN", given))) == (
        "health.interval",
        "nice",
        "restart.policy",
        "retry_fatal_every",
    )


def test_every_key_of_a_provider_can_show(tmp_path: Path) -> None:
    keys = {field.alias or name for name, field in schema.Provider.model_fields.items()}
    shown = {key.split(".")[0] for key in effect(tmp_path, "providers: {p: {class: module.Class}}\n")}
    # What has no value unless it is given one, or is another of what may run.
    assert keys - shown == {
        *("command", "extension", "config", "restart_schedule", "env", "cwd", "python", "user", "group"),
        *("umask", "nice", "limits"),
    }


LIVE = [
    *("description", "depends_on", "instances", "restart.initial", "restart_schedule", "max_retry_attempts"),
    *("retry_fatal_every", "connection_timeout", "start_timeout", "start_seconds", "stop.signal"),
    *("routing.queue", "logs.size", "health.kind", "health.command", "update", "update_drain", "watch"),
    *("global.auto_start", "global.parallel_starts"),
]
NOT_LIVE = [
    *("class", "extension", "command", "type", "config.a", "env.A", "env_file", "inherit_env", "cwd"),
    "python",
    *("python_path", "user", "group", "umask", "nice", "limits.cpu", "ready.kind", "auto_discover_models"),
    *("enabled", "global.default_server_url", "global.extension_paths"),
]


def test_what_runs_takes_over_some_keys() -> None:
    assert [key for key in (*LIVE, *NOT_LIVE) if schema.is_live(key)] == LIVE


def test_each_key_is_either() -> None:
    keys = {field.alias or name for name, field in schema.Provider.model_fields.items()}

    assert {key.split(".")[0] for key in (*LIVE, *NOT_LIVE)} == keys | {"global"}
