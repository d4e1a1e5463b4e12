"""What `${...}` stands for in a value, and what is said where it stands for nothing."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeitd.config.load import load
from gleitzeitd.config.lookups import LARGEST_SECRET
from gleitzeitd.config.substitute import Lookups, MissingError, OddError, Used, substitute
from gleitzeitd.core.spec import CommandTarget, House, Spec
from tests.config.mistaken import mistakes

VARIABLES = {"A": "a b", "EMPTY": "", "URL": "http://x:1/$y"}


def secret(name: str) -> str:
    if name == "gone":
        raise MissingError("gone")
    return f"<{name}>"


LOOKUPS = Lookups(VARIABLES.get, secret, secret)

MEANT = {
    "${A}": "a b",
    "x${A}y${A}z": "xa bya bz",
    "${EMPTY}": "",
    "${NONE:-default}": "default",
    "${EMPTY:-default}": "default",
    "${A:-default}": "a b",
    "${NONE-default}": "default",
    "${EMPTY-default}": "",
    "${NONE:-}": "",
    "${NONE-}": "",
    "${NONE:-http://h:1/p?q=a-b c}": "http://h:1/p?q=a-b c",
    "${A:?is needed}": "a b",
    "$${A}": "${A}",
    "$${": "${",
    "$$${A}": "$${A}",
    "${file:/run/x}": "</run/x>",
    "${cred:x.y}": "<x.y>",
    "${URL}": "http://x:1/$y",
    "$": "$",
    "$A $(A) $ {A} }{ $$ a$": "$A $(A) $ {A} }{ $$ a$",
}
MISSING = {
    "${NONE}": "the environment variable NONE is not set: set it, or write ${NONE:-default}",
    "${NONE:?see the manual}": "the environment variable NONE is not set: see the manual",
    "${EMPTY:?see the manual}": "the environment variable EMPTY is empty: see the manual",
    "${NONE:?}": "the environment variable NONE is not set: it is needed here",
    "${file:gone}": "gone",
}
ODD = [
    "${",
    "${}",
    "${a b}",
    "${x:bad}",
    "${A",
    "${1}",
    "${A:-${A}}",
    "${file:}",
    "${A:+x}",
    "${é}",
]


@pytest.mark.parametrize(("text", "meant"), MEANT.items())
def test_a_text_is_what_its_parts_stand_for(text: str, meant: str) -> None:
    assert substitute(text, LOOKUPS, Used()) == meant


@pytest.mark.parametrize(("text", "sentence"), MISSING.items())
def test_what_is_missing_is_named(text: str, sentence: str) -> None:
    with pytest.raises(MissingError) as told:
        substitute(text, LOOKUPS, Used())

    assert str(told.value) == sentence


@pytest.mark.parametrize("text", ODD)
def test_what_means_nothing_is_told_the_way_out(text: str) -> None:
    with pytest.raises(OddError, match=r"write \$\$\{ where the two signs are meant"):
        substitute(text, LOOKUPS, Used())


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_the_two_signs_stays_as_it_is(text: str) -> None:
    assert substitute(text, LOOKUPS, Used()) == text


@given(st.text())
def test_what_comes_in_is_not_read_again(value: str) -> None:
    lookups = Lookups(lambda _: value, secret, secret)

    assert substitute("<${A}>", lookups, Used()) == f"<{value}>"


def house(directory: Path, text: str) -> House:
    (directory / "p.yaml").write_text(text)
    return load(str(directory / "p.yaml"))


def provider(directory: Path, block: str) -> Spec:
    (spec,) = house(directory, f"providers:\n  p: {{{block}}}\n").specs
    return spec


TYPED = {
    "nice: '${V}'": ("7", lambda spec: spec.identity.nice, 7),
    'nice: "${V}"': ("7", lambda spec: spec.identity.nice, 7),
    "auto_discover_models: '${V}'": ("true", lambda spec: spec.auto_discover_models, True),
    'auto_discover_models: "${V}"': ("Yes", lambda spec: spec.auto_discover_models, True),
    "start_seconds: '${V}'": ("30", lambda spec: spec.rules.start_seconds, 30.0),
    "start_seconds: '${V}m'": ("2", lambda spec: spec.rules.start_seconds, 120.0),
    "limits: {cpu: '${V}'}": ("0.5", lambda spec: spec.limits.cpu, 0.5),
    "limits: {memory: '${V}'}": ("8192", lambda spec: spec.limits.memory, 8192),
    "umask: '${V}'": ("0027", lambda spec: spec.identity.umask, 0o027),
    "inherit_env: '${V}'": ("true", lambda spec: spec.inherit_env, True),
    "stop: {signal: '${V}'}": ("INT", lambda spec: spec.rules.stop_signal.name, "SIGINT"),
    "description: '${V}'": ("7", lambda spec: spec.description, "7"),
    "type: '${V}'": ("llm", lambda spec: spec.type, "llm"),
    "config: {port: '${V}'}": ("7", lambda spec: spec.config, {"port": "7"}),
    "config: {a: [{b: '${V}'}]}": ("true", lambda spec: spec.config, {"a": [{"b": "true"}]}),
    "env: {A: '${V}'}": ("1.50", lambda spec: spec.env, {"A": "1.50"}),
    "ready: {kind: tcp, port: '${V}'}": ("80", lambda spec: spec.ready.port, 80),
}


@pytest.mark.parametrize("block", TYPED)
def test_a_value_has_the_type_of_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    value, read, wanted = TYPED[block]
    monkeypatch.setenv("V", value)

    found = read(provider(tmp_path, f"class: module.Class, {block}"))  # type: ignore[no-untyped-call]
    assert found == wanted
    assert type(found) is type(wanted) or isinstance(wanted, int)


def test_a_value_of_the_wrong_type_is_told_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V", "many")

    assert mistakes(tmp_path, "providers:\n  p: {class: module.Class, nice: '${V}'}\n") == [
        '2:34: providers.p.nice: must be a whole number, not "many"'
    ]


def test_a_word_of_a_command_stays_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V", "a 'b\" | c; d")
    text = provider(tmp_path, "command: 'serve ${V} \"${NONE:-x y}\"'")
    words = provider(tmp_path, "command: [serve, '${V}', '${NONE:-x y}']")

    assert text.target == words.target == CommandTarget(("serve", "a 'b\" | c; d", "x y"))


def test_the_command_of_a_check_is_one_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V", "a b")
    spec = provider(tmp_path, "command: x, ready: {kind: exec, command: 'try ${V}'}")

    assert spec.ready is not None
    assert spec.ready.argv == ("try", "a b")


@pytest.mark.parametrize("section", ["ready", "health"])
def test_so_is_one_that_the_defaults_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    monkeypatch.setenv("V", "a --more 'b c'")
    check = "{kind: exec, command: 'try ${V}'}"
    text = f"global: {{defaults: {{{section}: {check}}}}}\nproviders: {{p: {{command: x}}}}\n"
    (spec,) = house(tmp_path, text).specs

    assert getattr(spec, section).argv == ("try", "a --more 'b c'")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run ${NONE:-a b} c", ("run", "a b", "c")),
        ("run x${NONE:-it's}y", ("run", "xit'sy")),
        ("run '$NAME' \\$NAME", ("run", "$NAME", "$NAME")),
        ("run ~/a *", ("run", "~/a", "*")),
        ("run $5 a$", ("run", "$5", "a$")),
        ("run $${A}", ("run", "${A}")),
    ],
)
def test_a_text_is_cut_into_words_but_no_substitution_is(
    tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    assert provider(tmp_path, f"command: {json.dumps(command)}").target == CommandTarget(words)


def test_a_message_with_spaces_is_told_whole(tmp_path: Path) -> None:
    (mistake,) = provider(tmp_path, "command: 'run ${NONE:?see the manual}'").mistakes

    assert mistake.endswith("the environment variable NONE is not set: see the manual")


@pytest.mark.parametrize("command", ["run --port $PORT", 'run "$PORT"', "run 'a b' x$PORT"])
def test_a_variable_that_only_a_shell_would_replace_is_told(tmp_path: Path, command: str) -> None:
    (sentence,) = mistakes(tmp_path, f"providers:\n  p: {{command: {json.dumps(command)}}}\n")

    assert sentence.endswith("providers.p.command: is not run by a shell: write ${PORT} for $PORT")


def test_a_list_of_words_has_it_as_it_is(tmp_path: Path) -> None:
    assert provider(tmp_path, "command: [run, $PORT]").target == CommandTarget(("run", "$PORT"))


TOO_MUCH = "with what is put in, the config is larger than the 8 MiB it may have"


@pytest.mark.parametrize(
    "config",
    [
        f"{{a: '{'${file:s}' * 10_000}'}}",
        f"{{a: &a '${{file:s}}', b: [{'*a, ' * 10_000}]}}",
        f"{{a: &a '{'x' * 10_000}${{HOME}}', b: [{'*a, ' * 10_000}]}}",
    ],
    ids=["in one text", "in many", "of the file's own"],
)
def test_what_is_put_in_has_a_bound(tmp_path: Path, config: str) -> None:
    (tmp_path / "s").write_text("x" * 10_000)

    assert mistakes(tmp_path, f"providers:\n  p: {{class: module.Class, config: {config}}}\n") == [
        f" {TOO_MUCH}"
    ]


def test_signs_of_a_shell_beside_a_substitution_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V", "value")
    (sentence,) = mistakes(tmp_path, "providers:\n  p: {command: 'a ${V} | b'}\n")

    assert sentence.endswith("is not run by a shell: write command: [sh, -c, '...']")


def test_signs_of_a_shell_in_a_default_are_none(tmp_path: Path) -> None:
    assert provider(tmp_path, "command: 'a ${NONE:-b|c}'").target == CommandTarget(("a", "b|c"))


def test_global_is_substituted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V", "3")
    text = "global: {parallel_starts: '${V}', defaults: {nice: '${V}'}}\nproviders: {p: {command: x}}\n"
    wanted = house(tmp_path, text)

    assert (wanted.parallel_starts, wanted.specs[0].identity.nice) == (3, 3)


def test_what_is_missing_in_global_refuses_the_file(tmp_path: Path) -> None:
    text = "global:\n  parallel_starts: ${NONE}\nproviders: {p: {command: x}}\n"

    assert mistakes(tmp_path, text) == [f"2:20: global.parallel_starts: {MISSING['${NONE}']}"]


def test_what_is_missing_hurts_its_own_provider_only(tmp_path: Path) -> None:
    text = """
providers:
  well: {command: x}
  ill:
    type: llm
    class: module.Class
    description: Not today
    depends_on: well
    nice: ${NONE}
    config: {api_key: "${NONE}"}
    env: {A: "${file:nowhere}"}
"""
    well, ill = house(tmp_path, text).specs
    path = tmp_path / "p.yaml"

    assert well.mistakes == ()
    assert ill.mistakes == (
        f"{path}:9:11: providers.ill.nice: {MISSING['${NONE}']}",
        f"{path}:10:23: providers.ill.config.api_key: {MISSING['${NONE}']}, "
        "or $${NONE} where the text itself is meant",
        f"{path}:11:14: providers.ill.env.A: the secret cannot be read: {tmp_path}/nowhere: "
        "there is no such file",
    )
    assert (ill.name, ill.type, ill.description, ill.depends_on) == ("ill", "llm", "Not today", ("well",))
    assert ill.where == f"{path}:4"


@pytest.mark.parametrize(
    "block",
    [
        "command: 'run ${NONE}'",
        "command: ['${NONE}']",
        "class: '${NONE}'",
        "class: module.Class, type: '${NONE}'",
        "class: module.Class, enabled: '${NONE}'",
        "class: module.Class, depends_on: '${NONE}'",
        "class: module.Class, depends_on: ['${NONE}']",
        "class: module.Class, user: '${NONE}', group: '${NONE:?x}'",
        "class: module.Class, cwd: '${NONE}'",
        "class: module.Class, python: '${NONE}'",
        "class: module.Class, inherit_env: ['${NONE}']",
        "class: module.Class, restart_schedule: '${NONE}'",
        "class: module.Class, restart: {initial: '${NONE}', max_delay: 0.1}",
        "class: module.Class, stop: {signal: '${NONE}'}",
        "class: module.Class, config: {name: '${NONE}', server_url: '${NONE}'}",
        "class: module.Class, ready: {kind: '${NONE}', port: 80}",
        "class: module.Class, ready: {kind: tcp, port: '${NONE}'}",
        "class: module.Class, ready: {kind: http, url: '${NONE}'}",
        "class: module.Class, ready: {kind: exec, command: '${NONE}'}",
    ],
)
def test_what_is_missing_is_told_once_and_disabled_not_at_all(tmp_path: Path, block: str) -> None:
    spec = provider(tmp_path, block)

    assert len(spec.mistakes) == block.count("${")
    disabled = block.partition(", enabled")[0]
    assert house(tmp_path, f"providers:\n  p: {{{disabled}, enabled: false}}\n").disabled == {"p"}


def test_what_is_missing_hides_no_mistake_in_the_key(tmp_path: Path) -> None:
    text = (
        "providers:\n  p: {class: module.Class, nic: '${NONE}', env: {'A=': '${NONE}'}, enabled: ENABLED}\n"
    )

    for enabled in ("true", "false"):
        assert [
            sentence.split(": ")[1] for sentence in mistakes(tmp_path, text.replace("ENABLED", enabled))
        ] == [
            "providers.p.nic",
            "providers.p.env.A=",
        ]


def test_an_address_that_is_missing_is_told_once(tmp_path: Path) -> None:
    text = """
global: {default_server_url: "${NONE}"}
providers:
  p: {class: module.Class, config: {server_url: "http://localhost:8000"}}
"""
    assert mistakes(tmp_path, text) == [f"2:30: global.default_server_url: {MISSING['${NONE}']}"]


def test_all_other_mistakes_of_the_block_refuse_the_file(tmp_path: Path) -> None:
    text = "providers:\n  p: {class: module.Class, nice: '${NONE}', instances: 0, config: {name: q}}\n"

    assert [sentence.split(": ")[1] for sentence in mistakes(tmp_path, text)] == [
        "providers.p.instances",
        "providers.p.config.name",
    ]


def test_an_odd_text_refuses_the_file_unless_it_is_disabled(tmp_path: Path) -> None:
    text = "providers:\n  p: {class: module.Class, description: 'a ${b c}', enabled: ENABLED}\n"
    (sentence,) = mistakes(tmp_path, text.replace("ENABLED", "true"))

    assert sentence.startswith("2:41: providers.p.description: has a ${ that is none of ")
    assert mistakes(tmp_path, text.replace("ENABLED", "false")) == []


@pytest.mark.parametrize(
    ("value", "is_enabled"), [("yes", True), ("true", True), ("off", False), ("false", False)]
)
def test_a_variable_may_enable_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, is_enabled: bool
) -> None:
    monkeypatch.setenv("V", value)
    text = "providers:\n  p: {command: x, enabled: '${V}', config: {a: '${NONE:-b}'}}\n"

    assert bool(house(tmp_path, text).specs) is is_enabled


def test_a_key_is_not_substituted(tmp_path: Path) -> None:
    assert provider(tmp_path, "class: module.Class, config: {'${NONE}': 1}").config == {"${NONE}": 1}


def test_a_file_is_read_from_beside_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf s\n\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/key").write_text("c")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    monkeypatch.chdir("/")
    block = "class: module.Class, config: {a: '${file:key}', b: '${file:%s}', c: '${cred:key}'}"
    spec = provider(tmp_path, block % (tmp_path / "key"))

    assert spec.config == {"a": " s\n", "b": " s\n", "c": "c"}


@pytest.mark.parametrize(
    ("held", "text"), [(b"s\r\n", "s"), (b"s\n", "s"), (b"s\r", "s\r"), (b"s\n\r\n", "s\n")]
)
def test_one_end_of_a_line_is_none_of_a_secret(tmp_path: Path, held: bytes, text: str) -> None:
    (tmp_path / "key").write_bytes(held)

    assert provider(tmp_path, "class: module.Class, config: {a: '${file:key}'}").config == {"a": text}


def unusable(path: Path, kind: str) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "socket":
            socket.socket(socket.AF_UNIX).bind(str(path))
        case "large":
            path.write_bytes(b"x" * (LARGEST_SECRET + 1))
        case "nul":
            path.write_bytes(b"a\0b")
        case "bytes":
            path.write_bytes(b"sk-\xff")


UNUSABLE = {
    "directory": "this is not a regular file: name a file of text",
    "fifo": "this is not a regular file: name a file of text",
    "socket": "this is not a regular file: name a file of text",
    "large": "is larger than the 64 KiB that it may have",
    "nul": "has a NUL character: save it as text",
    "bytes": "byte 3 is not UTF-8: save the file as UTF-8",
    "none": "there is no such file",
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_is_no_secret_is_the_mistake_of_its_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    unusable(Path("s"), kind)
    spec = provider(tmp_path, "class: module.Class, config: {a: '${file:s}'}")

    assert [mistake.endswith(UNUSABLE[kind]) for mistake in spec.mistakes] == [True]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a/b", "the name of a credential has no slash"),
        ("..", "no slash"),
        ("a", "$CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_a_credential_is_a_name_and_somebody_has_to_hand_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (mistake,) = provider(tmp_path, f"class: module.Class, config: {{a: '${{cred:{name}}}'}}").mistakes

    assert sentence in mistake


@settings(deadline=None, max_examples=50)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_no_value_changes_the_structure(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    directory = tmp_path_factory.getbasetemp()
    (directory / "secret").write_bytes(value.encode() + b"\n")
    text = 'config: {a: "${file:secret}", b: [1, "<${file:secret}>"]}, env: {A: "${file:secret}"}'
    spec = provider(directory, f"class: module.Class, {text}, description: '${{file:secret}}'")

    value = value.removeprefix("\ufeff").removesuffix("\r")
    assert spec.config == {"a": value, "b": [1, f"<{value}>"]}
    assert (spec.env, spec.description, spec.mistakes) == ({"A": value}, value, ())


# JSON writes other characters as two, which YAML does not know; and a longer key has no line of its own.
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT.filter(lambda text: "${" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
KEYS = TEXT.filter(lambda key: key not in ("name", "server_url"))


@settings(deadline=None, max_examples=60)
@given(config=st.dictionaries(KEYS, JSON, max_size=4))
def test_what_has_nothing_to_substitute_is_untouched(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]
) -> None:
    spec = provider(tmp_path_factory.getbasetemp(), f"class: module.Class, config: {json.dumps(config)}")

    assert spec.config == config
