"""What is secret is in no complaint, whoever complains."""

from __future__ import annotations

from pathlib import Path

import pytest

from gleitzeitd.config.load import load
from gleitzeitd.config.secrets import MASK, is_secret_name, masked_text, masked_words
from gleitzeitd.core.errors import ConfigError

SECRET = "sk-Vx81"


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "OPENAI_API_KEY",
        "hf-token",
        "TOKENS",
        "client.secret",
        "DbPassword",
        "passwd",
        "credentials",
        "SSH_PASSPHRASE",
        "Authorization",
    ],
)
def test_a_name_tells_what_it_holds(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["name", "url", "PORT", "pass_through", ""])
def test_a_usual_name_hides_nothing(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run --api-key sk-1 --port 8", f"run --api-key {MASK} --port 8"),
        ("run --api-key='a b' c", f"run --api-key={MASK} c"),
        ("env OPENAI_API_KEY=sk-1 run", f"env OPENAI_API_KEY={MASK} run"),
        ('run -token "a b" c', f"run -token {MASK} c"),
        ("curl -H 'Authorization: Bearer sk-1 x'", f"curl -H 'Authorization: Bearer {MASK} x'"),
        ("run --max-tokens 100", "run --max-tokens 100"),
        ("run --password 100", f"run --password {MASK}"),
        ("run --use-token --api-key sk-1 x", f"run --use-token --api-key {MASK} x"),
        ("postgres://me:pw@host/x", f"postgres://me:{MASK}@host/x"),
        ("redis://:p@ss@host:1 x", f"redis://:{MASK}@host:1 x"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("Basic dXNlcjpwdw==", f"Basic {MASK}"),
        ("a basic calculator", "a basic calculator"),
        ("run key value", "run key value"),
    ],
)
def test_a_command_line_is_shown_without_its_secrets(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["run", "--token", "sk-1", "x"], ["run", "--token", MASK, "x"]),
        (["run", "--token", "a b", "x"], ["run", "--token", MASK, "x"]),
        (["run", "--token=a"], ["run", f"--token={MASK}"]),
        (["run", "--max-tokens", "100"], ["run", "--max-tokens", "100"]),
        (["run", "--password", "100"], ["run", "--password", MASK]),
        (["sh", "-c", "KEY=1x run"], ["sh", "-c", f"KEY={MASK} run"]),
    ],
)
def test_so_are_its_words(words: list[str], shown: list[str]) -> None:
    assert list(masked_words(words)) == shown


@pytest.mark.parametrize("part", ["a", "key", "--key ", "a://a:", "key='", "- ", "--", "bearer "])
def test_a_long_text_takes_no_longer_than_it_has_to(part: str) -> None:
    text = part * (2**18 // len(part))

    # A time that grows with the square of the size would outlast every patience.
    assert masked_text(text)
    assert list(masked_words([text]))
    assert is_secret_name(text) == (part == "key")


def told(directory: Path, text: str) -> str:
    """All that is said of a file, as one text."""
    (directory / "p.yaml").write_text(text)
    (directory / "secret").write_text(f"{SECRET}\n")
    try:
        house = load(str(directory / "p.yaml"))
    except ConfigError as exc:
        return str(exc)
    return "\n".join(mistake for spec in house.specs for mistake in spec.mistakes)


PLACES = [
    "type: VALUE",
    "nice: VALUE",
    "class: VALUE",
    "class: module.Class, instances: VALUE",
    "class: module.Class, start_seconds: VALUE",
    "class: module.Class, restart: {policy: VALUE}",
    "class: module.Class, restart_schedule: VALUE",
    "class: module.Class, limits: {memory: VALUE}",
    "class: module.Class, config: {name: VALUE}",
    "class: module.Class, config: {server_url: VALUE}",
    "class: module.Class, depends_on: [VALUE]",
    "class: module.Class, depends_on: VALUE",
    "class: module.Class, inherit_env: ['VALUE*=']",
    "class: module.Class, inherit_env: VALUE",
    "class: module.Class, user: VALUE",
    "class: module.Class, group: VALUE",
    "class: module.Class, umask: VALUE",
    "class: module.Class, cwd: VALUE",
    "class: module.Class, python: VALUE",
    "class: module.Class, stop: {signal: VALUE}",
    "class: module.Class, ready: {kind: http, url: VALUE}",
    "class: module.Class, ready: {kind: tcp, port: VALUE}",
    "class: module.Class, health: VALUE",
    "class: module.Class, update: VALUE",
    "command: 'run | VALUE'",
    "command: 'run \"VALUE'",
    "command: x, ready: {kind: exec, command: 'run | VALUE'}",
]


@pytest.mark.parametrize(
    "value", ["${file:secret}", "${cred:secret}", "${MY_KEY}", "${HARMLESS:-x}${MY_KEY}"]
)
@pytest.mark.parametrize("place", PLACES)
def test_a_value_that_came_from_a_secret_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: str
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    written = place.replace("VALUE", f"'{value}'" if place.count("'") == 0 else value)
    complaint = told(tmp_path, f"providers:\n  p: {{{written}}}\n")

    assert complaint
    assert SECRET not in complaint
    # Without the mask it would be: the complaint is one that shows values, or none can be made of a part.
    monkeypatch.setenv("V", SECRET)
    plain = told(tmp_path, f"providers:\n  p: {{{written.replace(value, '${V}')}}}\n")
    assert complaint.replace(MASK, SECRET).count("\n") == plain.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "global: {default_server_url: '${MY_KEY}'}\nproviders: {p: {class: module.Class}}\n",
        "global: {parallel_starts: '${MY_KEY}'}\nproviders: {p: {class: module.Class}}\n",
        "global: {defaults: {cwd: '${MY_KEY}', nice: '${MY_KEY}'}}\nproviders: {p: {class: module.Class}}\n",
        "global: {defaults: {cwd: '${MY_KEY}'}}\nproviders: {p: {class: module.Class}}\n",
        "global: {defaults: {depends_on: '${file:secret}'}}\nproviders: {p: {class: module.Class}}\n",
        "providers: {p: '${MY_KEY}'}\n",
    ],
)
def test_nor_one_of_global(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    complaint = told(tmp_path, text)

    assert complaint
    assert SECRET not in complaint


@pytest.mark.parametrize(
    "block",
    [
        f"class: module.Class, api_key: {SECRET}",
        f"command: 'run --api-key {SECRET} | tee'",
        f"command: 'API_KEY={SECRET} run; run'",
        f"class: module.Class, config: [{{api_key: {SECRET}}}]",
        f"class: module.Class, restart: {{token: {SECRET}}}",
        f"class: module.Class, config: {{a: '${{NO_KEY:-{{{SECRET}}}}}'}}",
    ],
)
def test_nor_one_that_its_key_gives_away(tmp_path: Path, block: str) -> None:
    complaint = told(tmp_path, f"providers:\n  p: {{{block}}}\n")

    assert complaint
    assert SECRET not in complaint


def test_nor_are_delays_or_addresses_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "77m")
    delays = told(
        tmp_path, "providers:\n  p: {class: module.Class, restart: {initial: '${MY_KEY}', max_delay: 1}}\n"
    )
    assert delays.endswith(f"initial ({MASK} s) is above max_delay ({MASK} s)")

    monkeypatch.setenv("MY_KEY", "http://hush:1")
    address = "global: {default_server_url: '${MY_KEY}'}\n"
    block = "class: module.Class, config: {server_url: 'http://x'}"
    assert f'this daemon listens at "{MASK}"' in told(tmp_path, f"{address}providers:\n  p: {{{block}}}\n")


def test_nor_is_a_file_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    (tmp_path / SECRET).write_text("x")
    complaint = told(tmp_path, "providers:\n  p: {class: module.Class, env_file: '${MY_KEY}'}\n")

    assert complaint.endswith(f"{MASK}:1: must be NAME=value, a comment or empty")


def test_a_provider_may_be_called_keycloak(tmp_path: Path) -> None:
    assert 'not "robot"' in told(tmp_path, "providers:\n  keycloak: {class: module.Class, type: robot}\n")
