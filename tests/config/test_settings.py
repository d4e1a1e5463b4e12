"""What a file says is what the house wants: each key has its effect, and what is left out has its default."""

from __future__ import annotations

import operator
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gleitzeitd.config import schema
from gleitzeitd.config.load import load
from gleitzeitd.core.spec import (
    Check,
    CheckKind,
    ClassTarget,
    CommandTarget,
    House,
    Logs,
    Policy,
    Routing,
    Rules,
    Spec,
    Strategy,
    Tls,
    Update,
)
from tests.config.mistaken import setting

ROOT = Path(__file__).resolve().parents[2]


def wanted(directory: Path, text: str) -> House:
    path = directory / "p.yaml"
    path.write_text(text)
    return load(str(path))


def only(house: House) -> Spec:
    (spec,) = house.specs
    return spec


def rule(name: str) -> Callable[[House], Any]:
    return lambda house: getattr(only(house).rules, name)


def routing(name: str) -> Callable[[House], Any]:
    return lambda house: getattr(only(house).routing, name)


def own(name: str) -> Callable[[House], Any]:
    """What `only` has by that name, or by a path like `logs.size`."""
    return lambda house: operator.attrgetter(name)(only(house))


ME = (str(os.geteuid()), str(os.getegid()))
# What has to be there beside a key, for it to have its effect.
NEEDED = {
    "providers.p.depends_on": "  q: {class: module.Class}\n",
    "global.hub.tls": "  default_server_url: https://localhost:1\n",
}
CLASS = "class: module.Class"
# What p has in the place of a class.
OTHER = {"providers.p.class": "command: sleep 1", "global.extension_paths": "extension: mine"}


# What a key is, what it is set to, where that shows, and what it is there.
EFFECTS: dict[str, tuple[str, Callable[[House], Any], object]] = {
    "global.auto_start": ("false", lambda house: house.auto_start, False),
    "global.auto_restart": ("false", rule("policy"), Policy.NEVER),
    "global.health_check_interval": ("5m", own("health.interval"), 300.0),
    "global.connection_timeout": ("20", rule("connection_timeout"), 20.0),
    "global.max_retry_attempts": ("7", rule("max_retry_attempts"), 7),
    "global.default_server_url": (
        "http://127.0.0.1:9/",
        lambda house: house.server_url,
        "http://127.0.0.1:9",
    ),
    "global.hub.max_connections": ("7", lambda house: house.max_connections, 7),
    "global.hub.tls": (
        "{certificate: /c.pem, key: /k.pem}",
        lambda house: house.tls,
        Tls("/c.pem", "/k.pem"),
    ),
    "global.retry_fatal_every": ("0", rule("retry_fatal_every"), 0.0),
    "global.parallel_starts": ("1", lambda house: house.parallel_starts, 1),
    "global.extension_paths": ("[/opt/mine]", lambda house: house.extension_paths, ("/opt/mine",)),
    "global.logs.size": ("1MiB", own("logs.size"), 2**20),
    "global.logs.files": ("0", own("logs.files"), 0),
    "global.defaults": ("{nice: 3}", own("identity.nice"), 3),
    "providers.p.enabled": ("false", lambda house: (house.specs, house.disabled), ((), frozenset({"p"}))),
    "providers.p.class": ("a.b.C", own("target"), ClassTarget("a.b.C")),
    "providers.p.extension": ("mine", own("kind"), "extension"),
    "providers.p.command": ("a 'b c'", own("target"), CommandTarget(("a", "b c"))),
    "providers.p.type": ("llm", own("type"), "llm"),
    "providers.p.config": ("{a: [1, {b: 2.5}], c: null}", own("config"), {"a": [1, {"b": 2.5}], "c": None}),
    "providers.p.description": ("Does it", own("description"), "Does it"),
    "providers.p.auto_discover_models": ("true", own("auto_discover_models"), True),
    "providers.p.instances": ("3", own("instance_names"), ("p#1", "p#2", "p#3")),
    "providers.p.depends_on": ("q", lambda house: house.specs[0].depends_on, ("q",)),
    "providers.p.restart.policy": ("on-failure", rule("policy"), Policy.ON_FAILURE),
    "providers.p.restart.initial": ("0", rule("initial"), 0.0),
    "providers.p.restart.max_delay": ("1h", rule("max_delay"), 3600.0),
    "providers.p.restart.reset_after": ("2", rule("reset_after"), 2.0),
    "providers.p.restart.intensity": ("0", rule("intensity"), 0),
    "providers.p.restart.period": ("1d", rule("period"), 86400.0),
    "providers.p.restart_schedule": ("0 4 * * mon", own("restart_schedule"), "0 4 * * mon"),
    "providers.p.max_retry_attempts": ("0", rule("max_retry_attempts"), 0),
    "providers.p.retry_fatal_every": ("1h", rule("retry_fatal_every"), 3600.0),
    "providers.p.connection_timeout": ("0.5", rule("connection_timeout"), 0.5),
    "providers.p.start_timeout": ("5m", rule("start_timeout"), 300.0),
    "providers.p.start_seconds": ("250ms", rule("start_seconds"), 0.25),
    "providers.p.ready": (
        "{kind: tcp, port: 80}",
        lambda house: (only(house).rules.checked, only(house).ready),
        (True, Check(CheckKind.TCP, 1.0, port=80)),
    ),
    "providers.p.health": (
        "{kind: tcp, port: 80}",
        own("health"),
        Check(CheckKind.TCP, 30.0, port=80),
    ),
    "providers.p.stop.signal": ("SIGINT", rule("stop_signal"), signal.SIGINT),
    "providers.p.stop.timeout": ("0", rule("stop_timeout"), 0.0),
    "providers.p.stop.drain_timeout": ("1.5s", rule("drain_timeout"), 1.5),
    "providers.p.routing.timeout": ("10", routing("timeout"), 10.0),
    "providers.p.routing.stall_timeout": ("5m", routing("stall_timeout"), 300.0),
    "providers.p.routing.concurrency": ("1", routing("concurrency"), 1),
    "providers.p.routing.queue": ("0", routing("queue"), 0),
    "providers.p.routing.idempotent": ("true", routing("idempotent"), True),
    "providers.p.routing.strategy": ("sticky", routing("strategy"), Strategy.STICKY),
    "providers.p.routing.priority": ("-1", routing("priority"), -1),
    "providers.p.routing.weight": ("2", routing("weight"), 2.0),
    "providers.p.routing.aliases": ("{fast: gpt-4o-mini}", routing("aliases"), {"fast": "gpt-4o-mini"}),
    "providers.p.routing.fallbacks": ("[a, b]", routing("fallbacks"), {"default": ("a", "b")}),
    "providers.p.env": ("{A: b}", own("env"), {"A": "b"}),
    "providers.p.env_file": (
        "vars",
        lambda house: [Path(path).name for path in only(house).env_file],
        ["vars"],
    ),
    "providers.p.inherit_env": ("[A, B]", own("inherit_env"), ("A", "B")),
    "providers.p.cwd": ("/", own("cwd"), "/"),
    "providers.p.python": (sys.executable, own("python"), sys.executable),
    "providers.p.python_path": ("[/a, /b]", own("python_path"), ("/a", "/b")),
    "providers.p.user": (ME[0], own("identity.user"), ME[0]),
    "providers.p.group": (ME[1], own("identity.group"), ME[1]),
    "providers.p.umask": ("0027", own("identity.umask"), 0o027),
    "providers.p.nice": ("19", own("identity.nice"), 19),
    "providers.p.limits.nofile": ("64", own("limits.nofile"), 64),
    "providers.p.limits.memory": ("2GB", own("limits.memory"), 2_000_000_000),
    "providers.p.limits.processes": ("10", own("limits.processes"), 10),
    "providers.p.limits.cpu": ("0.5", own("limits.cpu"), 0.5),
    "providers.p.limits.max_rss": ("512MiB", own("limits.max_rss"), 512 * 2**20),
    "providers.p.update": ("stop-first", own("update"), Update.STOP_FIRST),
    "providers.p.update_drain": ("1m", own("update_drain"), 60.0),
    "providers.p.watch": ("yes", own("watch"), True),
    "providers.p.logs.size": ("64KiB", own("logs.size"), 65536),
    "providers.p.logs.files": ("1", own("logs.files"), 1),
}


def keys(model: type[BaseModel], path: str) -> Iterator[str]:
    """The path of every setting of a section; `defaults` have a table of their own."""
    for name, field in model.model_fields.items():
        here, kind = f"{path}{field.alias or name}", field.annotation
        if kind is schema.Defaults:
            yield here
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{here}.")
        else:
            yield here


def test_the_table_of_effects_has_every_key_there_is() -> None:
    assert list(EFFECTS) == [*keys(schema.Global, "global."), *keys(schema.Provider, "providers.p.")]


@pytest.mark.parametrize("path", EFFECTS)
def test_a_key_has_its_effect(tmp_path: Path, path: str) -> None:
    value, read, effect = EFFECTS[path]
    some = NEEDED.get(path, "")
    if path.startswith("global"):
        some += f"providers:\n  p: {{{OTHER.get(path, CLASS)}}}\n"
    (tmp_path / "vars").touch()
    without = f"providers:\n  p: {{{OTHER.get(path, CLASS)}}}\n"

    assert read(wanted(tmp_path, setting(path, value) + some)) == effect
    assert read(wanted(tmp_path, without)) != effect, "the default has the same effect: choose another value"


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    house = wanted(tmp_path, "providers:\n  p: {class: module.Class}\n")

    (spec,) = house.specs
    assert house == House(
        path=str(tmp_path / "p.yaml"),
        specs=(
            Spec(
                "p",
                "tool",
                ClassTarget("module.Class"),
                Rules(),
                Routing(),
                health=Check(CheckKind.PROVIDER),
                update=Update.START_FIRST,
                where=f"{tmp_path / 'p.yaml'}:2",
                settings=spec.settings,
            ),
        ),
        settings={
            "auto_start": True,
            "default_server_url": "http://localhost:8000",
            "hub": {"max_connections": 10_000, "tls": None},
            "parallel_starts": 8,
        },
        mark=house.mark,
        saved_mark=house.mark,
    )


def test_a_command_needs_no_registration(tmp_path: Path) -> None:
    text = "providers:\n  c: {command: [sleep, '60']}\n  p: {class: module.Class}\n"
    command, provider = wanted(tmp_path, text).specs

    assert (command.kind, command.rules.registers) == ("command", False)
    assert (provider.kind, provider.rules.registers) == ("class", True)


def test_a_provider_has_what_is_global_unless_it_says_its_own(tmp_path: Path) -> None:
    text = """
global:
  auto_restart: false
  connection_timeout: 20
  max_retry_attempts: 7
  health_check_interval: 5
  retry_fatal_every: 9
  logs: {size: 1MiB, files: 2}
providers:
  inherits: {class: module.Class, health: {failures: 1}, logs: {files: 3}}
  differs:
    class: module.Class
    connection_timeout: 1
    max_retry_attempts: 0
    retry_fatal_every: 0
    health: {interval: 2}
    logs: {size: 2MiB}
    restart: {policy: always}
"""
    inherits, differs = wanted(tmp_path, text).specs

    assert inherits.rules == Rules(
        policy=Policy.NEVER, connection_timeout=20.0, max_retry_attempts=7, retry_fatal_every=9.0
    )
    assert differs.rules == Rules(
        policy=Policy.ALWAYS, connection_timeout=1.0, max_retry_attempts=0, retry_fatal_every=0.0
    )
    assert (inherits.health, differs.health) == (Check(interval=5.0, failures=1), Check(interval=2.0))
    assert (inherits.logs, differs.logs) == (Logs(2**20, 3), Logs(2**21, 2))


def test_providers_come_in_the_order_of_the_file_without_the_disabled(tmp_path: Path) -> None:
    text = """
providers:
  z: {class: module.Class}
  off: {class: module.Class, enabled: false}
  a: {class: module.Class}
"""
    house = wanted(tmp_path, text)

    assert [spec.name for spec in house.specs] == ["z", "a"]
    assert [spec.where for spec in house.specs] == [f"{house.path}:3", f"{house.path}:5"]
    assert house.disabled == {"off"}


@pytest.mark.parametrize("word", ["yes", "Yes", "on", "ON", "true", "True", '"yes"'])
def test_a_yes_means_true(tmp_path: Path, word: str) -> None:
    assert only(wanted(tmp_path, setting("providers.p.auto_discover_models", word))).auto_discover_models


@pytest.mark.parametrize("word", ["no", "NO", "off", "Off", "false", "FALSE"])
def test_a_no_means_false(tmp_path: Path, word: str) -> None:
    assert not wanted(tmp_path, setting("global.auto_start", word)).auto_start


@pytest.mark.parametrize("word", ["yes", "no", "on", "off"])
def test_such_a_word_is_a_word_where_no_flag_is_meant(tmp_path: Path, word: str) -> None:
    spec = only(wanted(tmp_path, setting("providers.p.config", f"{{{word}: {word}}}")))

    assert spec.config == {word: word}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30", 30.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("30 s", 30.0),
        ('" 30s "', 30.0),
        ("5m", 300.0),
        ("1.5h", 5400.0),
        ("365d", 365 * 86400.0),
    ],
)
def test_a_duration_is_seconds_or_has_a_unit(tmp_path: Path, written: str, seconds: float) -> None:
    assert only(wanted(tmp_path, setting("providers.p.stop.timeout", written))).rules.stop_timeout == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("4096", 4096),
        ("4096B", 4096),
        ("4KiB", 4096),
        ("8kB", 8000),
        ("8 KB", 8000),
        ("20MiB", 20 * 2**20),
        ("20MB", 20 * 10**6),
        ("1.5GiB", 3 * 2**29),
        ("1024TiB", 2**50),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(tmp_path: Path, written: str, size: int) -> None:
    assert only(wanted(tmp_path, setting("providers.p.limits.memory", written))).limits.memory == size


@pytest.mark.parametrize("written", ["0027", "027", "27", "0o27", '"0027"', '"27"'])
def test_a_umask_is_octal_however_it_is_written(tmp_path: Path, written: str) -> None:
    # YAML 1.2 reads 0027 as twenty-seven.
    assert only(wanted(tmp_path, setting("providers.p.umask", written))).identity.umask == 0o027


@pytest.mark.parametrize(
    ("written", "inherited"), [("true", True), ("yes", True), ("false", ()), ("[A]", ("A",)), ("[]", ())]
)
def test_all_variables_are_inherited_or_some(tmp_path: Path, written: str, inherited: object) -> None:
    assert only(wanted(tmp_path, setting("providers.p.inherit_env", written))).inherit_env == inherited


def test_a_model_has_more_time_to_start_unless_it_says_its_own(tmp_path: Path) -> None:
    text = """
providers:
  tool: {class: module.Class}
  llm: {class: module.Class, type: llm}
  quick: {class: module.Class, type: llm, start_timeout: 5}
"""
    times = [spec.rules.start_timeout for spec in wanted(tmp_path, text).specs]

    assert times == [60.0, 900.0, 5.0]


@pytest.mark.parametrize("name", ["SIGTERM", "TERM", "SIGUSR1", "HUP", "KILL"])
def test_a_signal_is_named_with_or_without_sig(tmp_path: Path, name: str) -> None:
    spec = only(wanted(tmp_path, setting("providers.p.stop.signal", name)))

    assert spec.rules.stop_signal.name in (name, f"SIG{name}")


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("text", "text"),
        ("true", "true"),
        ("False", "false"),
        ("yes", "yes"),
        ("8080", "8080"),
        ("0.5", "0.5"),
        ("2020-01-31", "2020-01-31"),
        ("''", ""),
        ("3.10", "3.10"),
        ("0022", "0022"),
        ("1e3", "1e3"),
    ],
)
def test_a_variable_has_the_value_that_the_file_shows(tmp_path: Path, written: str, word: str) -> None:
    assert only(wanted(tmp_path, setting("providers.p.env.A", written))).env == {"A": word}


def test_paths_are_seen_from_the_file_and_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "work").mkdir()
    (tmp_path / "vars").write_text("A=1\n")
    monkeypatch.chdir("/")
    where = "cwd: work, env_file: vars, python_path: [., lib, ~/lib, /lib]"
    spec = only(wanted(tmp_path, f"providers:\n  p: {{class: module.Class, {where}}}\n"))

    assert spec.cwd == str(tmp_path / "work")
    assert spec.env_file == (str(tmp_path / "vars"),)
    assert [str(Path(path)) for path in spec.python_path] == [
        str(tmp_path),
        str(tmp_path / "lib"),
        "/home/somebody/lib",
        "/lib",
    ]


def test_a_relative_name_of_the_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.yaml").write_text("providers:\n  p: {class: module.Class, python_path: [lib]}\n")
    monkeypatch.chdir(tmp_path)
    spec = only(load("p.yaml"))

    assert (spec.python_path, spec.where) == ((str(tmp_path / "lib"),), "p.yaml:2")


def test_the_example_that_we_ship_loads_and_says_the_defaults() -> None:
    house = load(str(ROOT / "etc/providers.yaml"))

    assert [spec.name for spec in house.specs] == ["calculator", "echo"]
    assert [spec.rules for spec in house.specs] == [Rules(), Rules(start_timeout=900.0)]
    assert house.server_url == House("", ()).server_url
    assert house.auto_start


def test_the_file_of_the_tutorial_loads(tmp_path: Path) -> None:
    text = """
global:
  # Global settings for all providers
  auto_start: true           # Auto-start enabled providers
  auto_restart: true         # Restart failed providers
  health_check_interval: 30  # Health check frequency (seconds)
  connection_timeout: 10     # Connection timeout (seconds)
  max_retry_attempts: 3      # Max connection retries
  default_server_url: http://localhost:8000

providers:
  calculator:
    enabled: true
    type: tool
    class: my_calculator_provider.CalculatorProvider
    config:
      name: calculator
      server_url: http://localhost:8000
    description: Mathematical calculation provider

  ollama:
    enabled: true
    type: llm
    class: my_local_llm_provider.OllamaProvider
    config:
      name: ollama
      ollama_url: http://localhost:11434
      server_url: http://localhost:8000
    description: Local Ollama LLM models
    auto_discover_models: true

  provider_name:
    enabled: false             # Enable/disable provider
    type: extension            # Provider type
    class: module.ClassName    # Python class path
    config:                    # Provider-specific configuration
      name: provider_name      # Required: provider identifier
      server_url: http://localhost:8000  # Required: Gleitzeit server URL
      # ... other config options
    description: "..."         # Human-readable description
    auto_discover_models: true # For LLM providers
"""
    house = wanted(tmp_path, text)
    calculator, ollama = house.specs

    assert calculator.target == ClassTarget("my_calculator_provider.CalculatorProvider")
    assert (calculator.type, calculator.auto_discover_models) == ("tool", False)
    assert (ollama.type, ollama.auto_discover_models) == ("llm", True)
    assert ollama.config["ollama_url"] == "http://localhost:11434"
    assert house.disabled == {"provider_name"}
    assert [spec.rules for spec in house.specs] == [Rules(), Rules(start_timeout=900.0)]


def test_no_two_settings_have_one_name(tmp_path: Path) -> None:
    config = """{'x.y"."z.w': 1, x.y: {z.w: 2}}"""
    settings = (
        wanted(tmp_path, f"providers: {{p: {{class: module.Class, config: {config}}}}}\n").specs[0].settings
    )

    assert sorted(value for key, value in settings.items() if key.startswith("config.")) == [1, 2]


def test_the_order_of_what_is_inherited_is_no_setting(tmp_path: Path) -> None:
    one, two = (
        wanted(tmp_path, f"providers: {{p: {{command: x, inherit_env: {names}}}}}\n").specs[0].settings
        for names in ("[A, B]", "[B, A, B]")
    )

    assert one == two
