"""`ready` and `health`: what a check becomes, and what each kind needs and refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gleitzeitd.config import schema
from gleitzeitd.config.load import load
from gleitzeitd.core.spec import Check, CheckKind, Spec
from tests.config.mistaken import mistakes

CLASS, COMMAND = "class: module.Class", "command: sleep 60"
COUNTS = "interval: 2, timeout: 1m, failures: 4, successes: 5"


def wanted(directory: Path, block: str) -> Spec:
    path = directory / "p.yaml"
    path.write_text(f"providers:\n  p: {{{block}}}\n")
    (spec,) = load(str(path)).specs
    return spec


CHECKS = {
    "kind: http, url: 'https://localhost:8/a?b'": Check(CheckKind.HTTP, 2.0, url="https://localhost:8/a?b"),
    "kind: tcp, port: 80": Check(CheckKind.TCP, 2.0, port=80),
    "kind: tcp, host: '::1', port: 80": Check(CheckKind.TCP, 2.0, host="::1", port=80),
    "kind: exec, command: a 'b c'": Check(CheckKind.EXEC, 2.0, argv=("a", "b c")),
    "kind: exec, command: [a, b c]": Check(CheckKind.EXEC, 2.0, argv=("a", "b c")),
}


@pytest.mark.parametrize("section", ["ready", "health"])
@pytest.mark.parametrize("given", CHECKS)
def test_a_check_is_what_its_section_says(tmp_path: Path, section: str, given: str) -> None:
    spec = wanted(tmp_path, f"{COMMAND}, {section}: {{{given}, {COUNTS}}}")

    expected = dataclasses.replace(CHECKS[given], timeout=60.0, failures=4, successes=5)
    assert getattr(spec, section) == expected


def test_every_key_of_a_check_is_tried_here() -> None:
    tried = {key for key in schema.Check.model_fields if any(f"{key}:" in text for text in (*CHECKS, COUNTS))}

    assert tried == set(schema.Check.model_fields)


# What a block says, whether it then registers, whether it is checked, and who is asked for its health.
WAYS = {
    CLASS: (True, False, CheckKind.PROVIDER),
    f"{CLASS}, ready: {{kind: provider}}": (True, False, CheckKind.PROVIDER),
    f"{CLASS}, ready: {{kind: tcp, port: 80}}": (True, True, CheckKind.PROVIDER),
    f"{CLASS}, health: {{kind: tcp, port: 80}}": (True, False, CheckKind.TCP),
    COMMAND: (False, False, None),
    f"{COMMAND}, ready: {{kind: tcp, port: 80}}": (False, True, None),
    f"{COMMAND}, health: {{kind: tcp, port: 80}}": (False, False, CheckKind.TCP),
    f"{COMMAND}, ready: {{}}": (True, False, None),
    f"{COMMAND}, ready: {{kind: provider}}": (True, False, None),
    f"{COMMAND}, ready: {{kind: provider}}, health: {{kind: provider}}": (True, False, CheckKind.PROVIDER),
}


@pytest.mark.parametrize("block", WAYS)
def test_who_says_that_it_is_ready_and_well(tmp_path: Path, block: str) -> None:
    spec = wanted(tmp_path, block)
    registers, checked, asked = WAYS[block]

    assert (spec.rules.registers, spec.rules.checked) == (registers, checked)
    assert (spec.ready is not None) == checked
    assert (spec.health.kind if spec.health else None) is asked


def with_defaults(directory: Path, section: str, common: str, own: str) -> Spec:
    path = directory / "p.yaml"
    path.write_text(
        f"global: {{defaults: {{{section}: {{{common}}}}}}}\n"
        f"providers:\n  p: {{{COMMAND}, {section}: {{{own}}}}}\n"
    )
    (spec,) = load(str(path)).specs
    return spec


@pytest.mark.parametrize("section", ["ready", "health"])
def test_a_block_may_have_a_check_of_another_kind_than_the_defaults(tmp_path: Path, section: str) -> None:
    spec = with_defaults(tmp_path, section, "kind: http, url: 'http://a', timeout: 9", "kind: tcp, port: 80")

    assert spec.mistakes == ()
    assert getattr(spec, section) == Check(
        CheckKind.TCP, 1.0 if section == "ready" else 30.0, timeout=9.0, port=80
    )


def test_it_may_register_where_the_defaults_ask(tmp_path: Path) -> None:
    common = "kind: http, url: 'http://a', timeout: 9, interval: 2"
    spec = with_defaults(tmp_path, "ready", common, "kind: provider")

    assert (spec.ready, spec.rules.registers) == (None, True)


def test_a_block_of_the_same_kind_keeps_what_the_defaults_say(tmp_path: Path) -> None:
    spec = with_defaults(tmp_path, "health", "kind: http, url: 'http://a'", "kind: http, interval: 2")

    assert spec.health == Check(CheckKind.HTTP, 2.0, url="http://a")


def test_what_is_null_is_not_there(tmp_path: Path) -> None:
    spec = wanted(tmp_path, f"{COMMAND}, health: {{kind: tcp, port: 80, url: null, command: null}}")

    assert spec.health == Check(CheckKind.TCP, 30.0, port=80)


WRONG = {
    "kind: ping": ".kind: must be 'provider', 'http', 'tcp' or 'exec', not \"ping\"",
    "kind: http": ": a check of kind http needs `url`",
    "kind: tcp, host: a": ": a check of kind tcp needs `port`",
    "kind: exec": ": a check of kind exec needs `command`",
    "kind: http, url: 'http://a', port: 1": ".port: is for a check of kind tcp, and this one is of kind http",
    "kind: tcp, port: 1, url: 'http://a'": ".url: is for a check of kind http, and this one is of kind tcp",
    "kind: tcp, port: 0": ".port: must be at least 1, not 0",
    "kind: tcp, port: 65536": ".port: must be at most 65535, not 65536",
    "kind: tcp, port: true": ".port: must be a whole number, not true",
    "kind: tcp, port: 1, hosst: a": '.hosst: unknown key (did you mean "host"?)',
    "kind: tcp, port: 1, timeout: 0": ".timeout: must be more than 0, not 0",
    "kind: tcp, port: 1, interval: 0": ".interval: must be more than 0, not 0",
    "kind: tcp, port: 1, failures: 0": ".failures: must be at least 1, not 0",
    "kind: tcp, port: 1, successes: 1.5": ".successes: must be a whole number, not 1.5",
    "kind: exec, command: ''": ".command: is empty: name a program",
    "kind: exec, command: a | b": ".command: is not run by a shell: write command: [sh, -c, '...']",
}


@pytest.mark.parametrize("section", ["ready", "health"])
@pytest.mark.parametrize("given", WRONG)
def test_a_check_that_cannot_be_made_is_refused(tmp_path: Path, section: str, given: str) -> None:
    (told,) = mistakes(tmp_path, f"providers:\n  p: {{{CLASS}, {section}: {{{given}}}}}\n")

    assert told.split(": ", 1)[1] == f"providers.p.{section}{WRONG[given]}"


URL = 'must be a URL such as "http://127.0.0.1:8080/health"'
HOST = "must be the name or the address of a host, such as 127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:80",
        "ftp://a",
        "http://",
        "http:///x",
        "http://a:b",
        "http://a:0",
        "http://a:65536",
        "http://[::1",
        "http://a b",
        "http://a/\\n",
        "http://a..b",
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(tmp_path: Path, url: str) -> None:
    text = f'providers:\n  p: {{{CLASS}, health: {{kind: http, url: "{url}"}}}}\n'
    (told,) = mistakes(tmp_path, text)

    assert told == f"2:{text.splitlines()[1].index('url: ') + 6}: providers.p.health.url: {URL}"


@pytest.mark.parametrize("host", ["", "a b", "a/b", "[::1]", "a:80", "a..b"])
def test_a_host_that_nobody_can_be_is_refused(tmp_path: Path, host: str) -> None:
    (told,) = mistakes(
        tmp_path, f"providers:\n  p: {{{CLASS}, ready: {{kind: tcp, port: 1, host: '{host}'}}}}\n"
    )

    assert told.endswith(f"providers.p.ready.host: {HOST}")


def test_what_only_a_repeated_check_has_is_refused_where_none_is_made(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, f"providers:\n  p: {{{COMMAND}, ready: {{kind: provider, interval: 1}}}}\n")

    assert told.endswith(
        "providers.p.ready.interval: is of no use here: "
        "kind provider waits until it registers, and asks nothing"
    )


@pytest.mark.parametrize("ready", ["", ", ready: {kind: tcp, port: 80}"])
def test_a_command_that_does_not_register_cannot_be_asked(tmp_path: Path, ready: str) -> None:
    (told,) = mistakes(tmp_path, f"providers:\n  p: {{{COMMAND}, health: {{interval: 5}}{ready}}}\n")

    assert told == (
        "2:26: providers.p.health: a command can be asked over the hub only if it registers there: "
        "add `ready: {kind: provider}`, or choose the kind http, tcp or exec"
    )
