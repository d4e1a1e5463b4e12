"""Every mistake that a file can have: its place, its key, and the sentence that says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from gleitzeitd.config.effective import explain
from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.processes.environment import LARGEST, child_environment
from tests.config.mistaken import mistakes, place, setting

FLAG = "must be true or false"
WHOLE = "must be a whole number"
TEXT = "must be text"
NAMES = "must be true or a list of names of variables"
VALUE = "must be text, a number, true or false"
MAPPING = "must be a mapping of keys to values"
STRATEGY = "must be 'least-busy', 'round-robin', 'random', 'weighted', 'latency', 'priority' or 'sticky'"
CHAIN = "must be a list of models or providers, or such a list for each class of errors"
SECONDS = 'must be a number of seconds or a duration like "30s"'
DURATION = 'must be seconds or a duration like "30s", "5m" or "1h"'
SIGNALS = "must be one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGKILL"
SIZE = 'must be bytes or a size like "20MiB" (by 1024) or "20MB" (by 1000)'
NO_SIZE = "must be from 4KiB (4096 bytes) to 1024TiB"
OCTAL = 'must be an octal number from "0000" to "0777"'
CRON = 'must be minute, hour, day of month, month and day of week, such as "30 4 * * 1-5"'
NEVER = "is a time that never comes"
NONE = "has none of `class`, `extension` and `command`"
ARGV = "must be a list of words or one text, such as [sleep, '60']"

WRONG = [
    ("global", "5", f"{MAPPING}, not 5"),
    ("global.auto_start", "maybe", f'{FLAG}, not "maybe"'),
    ("global.auto_start", "1", f"{FLAG}, not 1"),
    ("global.auto_restart", "[yes]", FLAG),
    ("global.health_check_interval", "0", "must be more than 0, not 0"),
    ("global.connection_timeout", "true", f"{SECONDS}, not true"),
    ("global.connection_timeout", "-1", "must be more than 0, not -1"),
    ("global.max_retry_attempts", "1.0", f"{WHOLE}, not 1.0"),
    ("global.max_retry_attempts", "-1", "must be at least 0, not -1"),
    ("global.max_retry_attempts", '"3"', f'{WHOLE}, not "3"'),
    ("global.default_server_url", "8000", f"{TEXT}, not 8000"),
    ("global.retry_fatal_every", "never", f'{DURATION}, not "never"'),
    ("global.parallel_starts", "0", "must be at least 1, not 0"),
    ("global.parallel_starts", "true", f"{WHOLE}, not true"),
    ("global.logs", "5", f"{MAPPING}, not 5"),
    ("global.logs.size", "20", f"{NO_SIZE}, not 20"),
    ("global.logs.size", "20M", f'{SIZE}, not "20M"'),
    ("global.logs.size", "1e9", f"{SIZE}, not 1e9"),
    ("global.logs.files", "-1", "must be at least 0, not -1"),
    ("providers", "[]", MAPPING),
    ("providers.p", "runs", f'{MAPPING}, not "runs"'),
    ("providers.p.enabled", "y", f'{FLAG}, not "y"'),
    ("providers.p.type", "robot", "must be 'llm', 'tool' or 'extension', not \"robot\""),
    ("providers.p.type", "5", "must be 'llm', 'tool' or 'extension', not 5"),
    ("providers.p.class", "Class", 'must look like module.ClassName, not "Class"'),
    ("providers.p.class", "my-module.Class", 'must look like module.ClassName, not "my-module.Class"'),
    ("providers.p.class", "module.Class()", 'must look like module.ClassName, not "module.Class()"'),
    ("providers.p.class", "[module.Class]", TEXT),
    ("providers.p.extension", "5", f"{TEXT}, not 5"),
    ("global.extension_paths", "{a: b}", "must be a list"),
    ("providers.p.command", "60", f"{ARGV}, not 60"),
    ("providers.p.command", "[sleep, 60]", ARGV),
    ("providers.p.command", "{run: sleep}", ARGV),
    ("providers.p.config", "[a]", MAPPING),
    ("providers.p.description", "3", f"{TEXT}, not 3"),
    ("providers.p.auto_discover_models", "2", f"{FLAG}, not 2"),
    ("providers.p.restart", "never", f'{MAPPING}, not "never"'),
    ("providers.p.restart.policy", "no", "must be 'always', 'on-failure' or 'never', not \"no\""),
    ("providers.p.restart.policy", "[never]", "must be 'always', 'on-failure' or 'never'"),
    ("providers.p.restart.initial", "soon", f'{DURATION}, not "soon"'),
    ("providers.p.restart.max_delay", "{s: 1}", SECONDS),
    ("providers.p.restart.reset_after", "1h30m", f'{DURATION}, not "1h30m"'),
    ("providers.p.restart.intensity", "yes", f'{WHOLE}, not "yes"'),
    ("providers.p.restart.period", "0s", 'must be more than 0, not "0s"'),
    ("providers.p.max_retry_attempts", "[3]", WHOLE),
    ("providers.p.connection_timeout", "0", "must be more than 0, not 0"),
    ("providers.p.start_seconds", '"30"', f'{DURATION}, not "30"'),
    ("providers.p.stop", "15", f"{MAPPING}, not 15"),
    ("providers.p.stop.signal", "15", f"{SIGNALS}, not 15"),
    ("providers.p.stop.signal", "sigterm", f'{SIGNALS}, not "sigterm"'),
    ("providers.p.stop.signal", "[SIGTERM]", SIGNALS),
    ("providers.p.stop.timeout", "-0.5", "must be at least 0, not -0.5"),
    ("providers.p.stop.drain_timeout", ".nan", "must be at least 0, not .nan"),
    ("providers.p.routing", "fast", f'{MAPPING}, not "fast"'),
    ("providers.p.routing.timeout", "0", "must be more than 0, not 0"),
    ("providers.p.routing.concurrency", "0", "must be at least 1, not 0"),
    ("providers.p.routing.concurrency", "100001", "must be at most 100000, not 100001"),
    ("providers.p.routing.queue", "1000001", "must be at most 1000000, not 1000001"),
    ("providers.p.routing.idempotent", "sometimes", f'{FLAG}, not "sometimes"'),
    ("providers.p.routing.stall_timeout", "never", f'{DURATION}, not "never"'),
    ("providers.p.routing.strategy", "fastest", f'{STRATEGY}, not "fastest"'),
    ("providers.p.routing.strategy", "LEAST_BUSY", f'{STRATEGY}, not "LEAST_BUSY"'),
    ("providers.p.routing.priority", "high", f'{WHOLE}, not "high"'),
    ("providers.p.routing.weight", "0", "must be more than 0, not 0"),
    ("providers.p.routing.weight", "-1.5", "must be more than 0, not -1.5"),
    ("providers.p.routing.weight", "heavy", 'must be a number such as 0.5, not "heavy"'),
    ("providers.p.routing.weight", ".inf", "must be at most 1000000, not .inf"),
    ("providers.p.routing.aliases", "[fast]", MAPPING),
    ("providers.p.routing.aliases.fast", "[gpt]", TEXT),
    ("providers.p.routing.aliases.fast", "4", f"{TEXT}, not 4"),
    ("providers.p.routing.fallbacks", "5", f"{CHAIN}, not 5"),
    ("providers.p.routing.fallbacks", "[1]", CHAIN),
    ("providers.p.routing.fallbacks", "{default: {a: b}}", CHAIN),
    ("providers.p.env", "[A=B]", MAPPING),
    ("providers.p.env.A", "[1]", VALUE),
    ("providers.p.env.A", "{str: 5}", VALUE),
    ("providers.p.instances", "0", "must be at least 1, not 0"),
    ("providers.p.instances", "1001", "must be at most 1000, not 1001"),
    ("providers.p.depends_on", "{q: 1}", "must be a list"),
    ("providers.p.start_timeout", "0", "must be more than 0, not 0"),
    ("providers.p.restart_schedule", "'@daily'", f'{CRON}, not "@daily"'),
    ("providers.p.restart_schedule", "0 0 4 * * *", f'{CRON}, not "0 0 4 * * *"'),
    ("providers.p.restart_schedule", "60 * * * *", f'has a bad minute: {CRON}, not "60 * * * *"'),
    ("providers.p.restart_schedule", "0 0 30 13 *", f'has a bad month: {CRON}, not "0 0 30 13 *"'),
    ("providers.p.restart_schedule", "0 0 30 2 *", f'{NEVER}, not "0 0 30 2 *"'),
    ("providers.p.restart_schedule", "0 0 */8 * mon#5", f'{NEVER}, not "0 0 */8 * mon#5"'),
    ("providers.p.inherit_env", "PATH", f'{NAMES}, not "PATH"'),
    ("providers.p.inherit_env", "[1]", NAMES),
    ("providers.p.user", "1.5", f"{TEXT}, not 1.5"),
    ("providers.p.user", "true", f"{TEXT}, not true"),
    ("providers.p.umask", "18", f"{OCTAL}, not 18"),
    ("providers.p.umask", "1777", f"{OCTAL}, not 1777"),
    ("providers.p.umask", "0x12", f"{OCTAL}, not 0x12"),
    ("providers.p.umask", "-1", f"{OCTAL}, not -1"),
    ("providers.p.umask", "u=rwx", f'{OCTAL}, not "u=rwx"'),
    ("providers.p.umask", "true", f"{OCTAL}, not true"),
    ("providers.p.nice", "20", "must be at most 19, not 20"),
    ("providers.p.nice", "-21", "must be at least -20, not -21"),
    ("providers.p.limits", "[]", MAPPING),
    ("providers.p.limits.nofile", "0", "must be at least 1, not 0"),
    ("providers.p.limits.memory", "-1", f"{NO_SIZE}, not -1"),
    ("providers.p.limits.memory", "512", f"{NO_SIZE}, not 512"),
    ("providers.p.limits.memory", "2000TiB", f'{NO_SIZE}, not "2000TiB"'),
    ("providers.p.limits.processes", "0", "must be at least 1, not 0"),
    ("providers.p.limits.cpu", "0", "must be more than 0, not 0"),
    ("providers.p.limits.cpu", ".nan", "must be more than 0, not .nan"),
    ("providers.p.limits.cpu", "50%", 'must be a number of cores such as 0.5, not "50%"'),
    ("providers.p.limits.max_rss", "true", f"{SIZE}, not true"),
    ("providers.p.cwd", "5", f"{TEXT}, not 5"),
    ("providers.p.python_path", "lib", 'must be a list, not "lib"'),
]


@pytest.mark.parametrize(("path", "value", "sentence"), WRONG, ids=[f"{p}={v}" for p, v, _ in WRONG])
def test_a_wrong_value_is_told_what_would_be_right(
    tmp_path: Path, path: str, value: str, sentence: str
) -> None:
    text = setting(path, value)

    assert mistakes(tmp_path, text) == [f"{place(text)}: {path}: {sentence}"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("400d", '"400d"'),
        (".inf", ".inf"),
        (f"{'9' * 30}s", f'"{"9" * 30}s"'),
    ],
    ids=["more than a year", "infinity", "digits without end"],
)
def test_no_duration_is_longer_than_a_year(tmp_path: Path, value: str, why: str) -> None:
    text = setting("providers.p.stop.timeout", value)
    (sentence,) = mistakes(tmp_path, text)

    assert sentence.startswith(f"{place(text)}: providers.p.stop.timeout: must be at most 365d, ")
    assert sentence.endswith(f", not {why}")
    assert "e+" not in sentence, "nobody knows how long 3.1536e+07 is"


@pytest.mark.parametrize("path", ["global.auto_start", "global.max_retry_attempts", "providers.p.env.A"])
def test_a_key_without_a_value_is_called_empty(tmp_path: Path, path: str) -> None:
    # The value is nowhere, so the place is that of the key.
    text = setting(path, "")
    (sentence,) = mistakes(tmp_path, text)
    line, column = len(text.splitlines()), len(path.split(".")) * 2 - 1

    assert sentence.startswith(f"{line}:{column}: {path}: must be ")
    assert sentence.endswith(", not empty")


@pytest.mark.parametrize(
    "text",
    [
        "providers:",
        "global:\nproviders:\n  p: {class: module.Class}",
        "global:\n  defaults:\n  logs:\nproviders:\n  p: {class: module.Class}",
        "providers:\n  p:\n    class: module.Class\n    restart:\n    env:\n    config:\n    limits:",
        "global: {defaults: {nice: 1}}\nproviders:\n  p:\n    class: module.Class\n    restart:",
    ],
)
def test_a_section_whose_keys_are_all_commented_out_is_one_without_keys(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, f"{text}\n") == []
    explain(str(tmp_path / "p.yaml"))


def test_an_empty_section_hides_nothing_of_the_defaults(tmp_path: Path) -> None:
    text = "global: {defaults: {restart: {initial: 1}}}\nproviders: {p: {command: x, restart: }}\n"
    (spec,) = load(_written(tmp_path, text)).specs

    assert spec.rules.initial == 1.0


def test_an_empty_block_is_told_what_it_lacks(tmp_path: Path) -> None:
    (sentence,) = mistakes(tmp_path, "providers:\n  p:\n")

    assert sentence.startswith("2:3: providers.p: has none of `class`, `extension` and `command`")


def test_a_hundred_mistakes_are_told_and_how_many_there_are(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "".join(f"k{number}: 1\n" for number in range(150)))

    assert len(told) == 101
    assert told[99].startswith("100:1: k99: ")
    assert told[100] == " and 50 more mistakes"


def test_so_are_those_of_the_syntax(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "a: 1\n" * 200)[-1] == " and 99 more mistakes"


def test_an_address_that_is_empty_is_called_so(tmp_path: Path) -> None:
    (sentence,) = mistakes(tmp_path, "providers: {p: {class: module.Class, config: {server_url: }}}\n")

    assert sentence.endswith(
        'is empty, but this daemon listens at "http://localhost:8000": write it there, or leave it out'
    )


def test_a_long_value_is_shown_by_its_beginning(tmp_path: Path) -> None:
    (text,) = mistakes(tmp_path, setting("providers.p.type", "x" * 1000))
    (number,) = mistakes(tmp_path, setting("providers.p.max_retry_attempts", f"-{'9' * 1000}"))

    assert text.endswith(f'not "{"x" * 56}..."')
    assert number.endswith("9...")


@pytest.mark.parametrize("value", [r'"a\nb"', r'"a\e[31mb"', r'"a\rb"'], ids=["line", "escape", "return"])
def test_a_sentence_stays_one_line_of_text_whatever_the_value_is(tmp_path: Path, value: str) -> None:
    (sentence,) = mistakes(tmp_path, setting("providers.p.type", value))

    assert sentence.isprintable()


UNKNOWN = {
    "at the top": ("provider: {}\n", '1:1: provider: unknown key (did you mean "providers"?)'),
    "at the top, unlike any": ("x: {}\n", "1:1: x: unknown key (known are global, providers)"),
    "in global": (
        setting("global.max_retries", "3"),
        '2:3: global.max_retries: unknown key (did you mean "max_retry_attempts"?)',
    ),
    "in global, unlike any": (
        setting("global.x", "3"),
        "2:3: global.x: unknown key (known are auto_restart, auto_start, connection_timeout,"
        " default_server_url, defaults, extension_paths, health_check_interval, hub, logs,"
        " max_retry_attempts, parallel_starts, retry_fatal_every)",
    ),
    "in a provider": (
        setting("providers.p.enabeld", "true"),
        '4:5: providers.p.enabeld: unknown key (did you mean "enabled"?)',
    ),
    "by the name it has in our code": (
        setting("providers.p.class_", "module.Class"),
        '4:5: providers.p.class_: unknown key (did you mean "class"?)',
    ),
    "in a section of a provider": (
        setting("providers.p.restart.polcy", "never"),
        '5:7: providers.p.restart.polcy: unknown key (did you mean "policy"?)',
    ),
    "in a section of a provider, unlike any": (
        setting("providers.p.stop.x", "1"),
        "5:7: providers.p.stop.x: unknown key (known are drain_timeout, signal, timeout)",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_key_is_told_which_are_known(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


@pytest.mark.parametrize("name", ["stop", "restart", "routing", "providers"])
def test_a_provider_may_be_called_like_a_setting(tmp_path: Path, name: str) -> None:
    text = f"providers:\n  {name}:\n    class: module.Class\n    enabeld: true\n"

    assert mistakes(tmp_path, text) == [
        f'4:5: providers.{name}.enabeld: unknown key (did you mean "enabled"?)'
    ]


NAME = (
    "a provider's name is made of letters, digits, _ . and - (not at the ends), at most 100, "
    "and not the word all"
)


@pytest.mark.parametrize("name", ["all", "-p", "p.", "a b", "a/b", "../x", "é", "calculator#1", "x" * 101])
def test_a_name_must_fit_in_files_and_commands(tmp_path: Path, name: str) -> None:
    text = f"providers:\n  '{name}': {{class: module.Class}}\n"

    assert mistakes(tmp_path, text) == [f"2:3: providers.{name}: {NAME}"]


@pytest.mark.parametrize("name", ["p", "a.b-c_d", "gpt-4.1", "_", "x" * 100, "All"])
def test_a_usual_name_is_fine(tmp_path: Path, name: str) -> None:
    assert mistakes(tmp_path, f"providers:\n  '{name}': {{class: module.Class}}\n") == []


@pytest.mark.parametrize(
    ("block", "has"),
    [
        ("{}", NONE),
        ("{description: nothing}", NONE),
        ("{class: module.Class, command: sleep 1}", "has `class` and `command`"),
        ("{class: module.Class, extension: mine}", "has `class` and `extension`"),
        ("{class: m.C, extension: mine, command: sleep 1}", "has `class` and `extension` and `command`"),
        ("{class: }", NONE),
        ("{extension: }", NONE),
        ("{command: }", NONE),
    ],
)
def test_exactly_one_key_says_what_runs(tmp_path: Path, block: str, has: str) -> None:
    assert mistakes(tmp_path, f"providers:\n  p: {block}\n") == [
        f"2:3: providers.p: {has}: give exactly one of them"
    ]


COMMANDS = {
    "''": "is empty: name a program",
    "[]": "is empty: name a program",
    "['']": "is empty: name a program",
    '"sleep \'60"': "cannot be split into words: no closing quotation",
    '"sleep \\\\"': "cannot be split into words: no escaped character",
    "sleep 60 > /dev/null": "is not run by a shell: write command: [sh, -c, '...']",
    "a;b": "is not run by a shell: write command: [sh, -c, '...']",
    "a && b": "is not run by a shell: write command: [sh, -c, '...']",
    "(a)": "is not run by a shell: write command: [sh, -c, '...']",
    r'"a\0b"': "has a NUL character, which no argument can have",
    r'[a, "\0"]': "has a NUL character, which no argument can have",
}


@pytest.mark.parametrize(("command", "sentence"), COMMANDS.items())
def test_a_command_that_cannot_run_is_refused(tmp_path: Path, command: str, sentence: str) -> None:
    text = setting("providers.p.command", command)

    assert mistakes(tmp_path, text) == [f"{place(text)}: providers.p.command: {sentence}"]


def test_a_quoted_sign_of_the_shell_is_only_a_character(tmp_path: Path) -> None:
    assert mistakes(tmp_path, setting("providers.p.command", "find . -exec ls {} ';'")) == []


UNSPEAKABLE = {
    "an argument without a code": (
        setting("providers.p.command", r'[echo, "\ud800"]'),
        "3:14: providers.p.command: has a character that no argument can have",
    ),
    "a variable's value with a NUL": (
        setting("providers.p.env.A", r'"\0"'),
        "5:10: providers.p.env.A: has a character that no variable can have",
    ),
    "a variable's name with a NUL": (
        setting("providers.p.env", r'{"A\0": b}'),
        r"4:11: providers.p.env.A\x00: no variable can have this name",
    ),
    "a variable's name with =": (
        setting("providers.p.env", '{"A=B": c}'),
        "4:11: providers.p.env.A=B: no variable can have this name",
    ),
    "a class without a code": (
        setting("providers.p.class", r'"module.\ud800"'),
        r'3:12: providers.p.class: must be text, not "module.\ud800"',
    ),
}


@pytest.mark.parametrize(("text", "sentence"), UNSPEAKABLE.values(), ids=UNSPEAKABLE)
def test_what_no_process_can_be_given_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


def test_what_the_class_is_told_must_be_what_the_daemon_knows(tmp_path: Path) -> None:
    text = """
providers:
  p:
    class: module.Class
    config:
      name: q
      server_url: http://elsewhere:8000
"""
    assert mistakes(tmp_path, text) == [
        '6:13: providers.p.config.name: is "q", but the block is called "p": make them equal',
        '7:19: providers.p.config.server_url: is "http://elsewhere:8000", but this daemon listens at '
        '"http://localhost:8000": make them equal or leave it out',
    ]


def test_a_name_that_was_left_empty_is_called_so(tmp_path: Path) -> None:
    (sentence,) = mistakes(tmp_path, setting("providers.p.config.name", ""))

    assert sentence == (
        '5:7: providers.p.config.name: is empty, but the block is called "p": make them equal'
    )


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://localhost:8000/"])
def test_the_same_address_may_be_said_twice(tmp_path: Path, url: str) -> None:
    assert mistakes(tmp_path, setting("providers.p.config.server_url", url)) == []


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "http://",
        "http://localhost:99999",
        "http://localhost:http",
        "http://[::1",
        "http://localhost:8000/hub",
        "''",
        f"http://{'x' * 64}:8000",
        "http://a..b:8000",
    ],
)
def test_an_address_that_cannot_be_listened_at_is_refused(tmp_path: Path, url: str) -> None:
    text = setting("global.default_server_url", url)
    sentence = "must look like http://localhost:8000"

    assert mistakes(tmp_path, text) == [f"{place(text)}: global.default_server_url: {sentence}"]


@pytest.mark.parametrize("cwd", ["nowhere", "/nonexistent/nowhere", "p.yaml"])
def test_a_working_directory_must_be_there(tmp_path: Path, cwd: str) -> None:
    text = setting("providers.p.cwd", cwd)

    assert mistakes(tmp_path, text) == [f'{place(text)}: providers.p.cwd: there is no directory "{cwd}"']


VARIABLE_FILES = {
    "with a line that is no variable": ("A=1\nsecret\n", "2: must be NAME=value, a comment or empty"),
    "of bytes": (b"A=\xff\n", "1:1: byte 2 is not UTF-8: save the file as UTF-8"),
}


@pytest.mark.parametrize(("content", "sentence"), VARIABLE_FILES.values(), ids=VARIABLE_FILES)
def test_a_file_of_variables_must_be_one(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    (tmp_path / "vars").write_bytes(content if isinstance(content, bytes) else content.encode())
    (spec,) = load(_written(tmp_path, setting("providers.p.env_file", "[vars]"))).specs
    (told,) = spec.mistakes

    assert told.startswith(f"{tmp_path}/p.yaml:4:16: providers.p.env_file.0: {tmp_path}/vars:")
    assert told.endswith(sentence)


def test_a_directory_in_its_place_is_the_mistake_of_its_provider(tmp_path: Path) -> None:
    (tmp_path / "vars").mkdir()
    text = "providers:\n  p: {class: module.Class, env_file: vars}\n  q: {class: module.Class}\n"
    p, q = load(_written(tmp_path, text)).specs

    assert p.mistakes == (
        f"{tmp_path}/p.yaml:2:38: providers.p.env_file: {tmp_path}/vars: "
        "this is not a regular file: name a file of text",
    )
    assert q.mistakes == ()


def test_a_file_of_variables_is_small_at_the_start_and_here(tmp_path: Path) -> None:
    text = setting("providers.p.env_file", "vars")
    for size in (LARGEST, LARGEST + 1):
        (tmp_path / "vars").write_bytes(b"\xef\xbb\xbf" + b"A=".ljust(size - 3, b"x"))
        (spec,) = load(_written(tmp_path, text)).specs
        try:
            child_environment({}, spec)
        except ConfigError:
            can_start = False
        else:
            can_start = True
        assert can_start is (spec.mistakes == ()) is (size == LARGEST)


def test_a_file_of_variables_that_is_not_there_is_no_mistake_of_the_config(tmp_path: Path) -> None:
    load(_written(tmp_path, setting("providers.p.env_file", "[nowhere]")))


@pytest.mark.parametrize("of_this_machine", ["cwd: nowhere", "user: nobody-here", "group: none-here"])
def test_what_this_machine_lacks_is_no_mistake_of_what_is_disabled(
    tmp_path: Path, of_this_machine: str
) -> None:
    text = f"providers:\n  p: {{command: 'true', enabled: ENABLED, {of_this_machine}}}\n"

    assert len(mistakes(tmp_path, text.replace("ENABLED", "true"))) == 1
    assert load(_written(tmp_path, text.replace("ENABLED", "no"))).disabled == {"p"}


def _written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return str(path)


def test_the_first_delay_is_not_above_the_longest(tmp_path: Path) -> None:
    text = setting("providers.p.restart.initial", "1m")

    assert mistakes(tmp_path, text) == ["5:7: providers.p.restart: initial (60 s) is above max_delay (30 s)"]


@pytest.mark.parametrize("name", ["A*", "A=B", r"\0", ""])
def test_only_a_name_can_be_inherited(tmp_path: Path, name: str) -> None:
    (told,) = mistakes(tmp_path, setting("providers.p.inherit_env", f'[A, "{name}"]'))

    assert told.startswith("4:22: providers.p.inherit_env.1: ")
    assert told.endswith("is not the name of a variable")


def test_an_item_of_a_list_is_named_by_its_number(tmp_path: Path) -> None:
    text = setting("providers.p.python_path", "[lib, 5]")

    assert mistakes(tmp_path, text) == ["4:24: providers.p.python_path.1: must be text, not 5"]


def test_a_mistake_in_a_merged_block_is_told_of_all_that_have_it(tmp_path: Path) -> None:
    text = """
providers:
  one: &one
    class: module.Class
    type: robot
  two:
    <<: *one
"""
    sentence = "must be 'llm', 'tool' or 'extension', not \"robot\""
    first, second = mistakes(tmp_path, text)

    assert first == f"5:11: providers.one.type: {sentence}"
    assert second.endswith(f": providers.two.type: {sentence}")


def test_all_wrong_values_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
providers:
  z:
    class: module.Class
    restart: {policy: seldom, initial: -1}
    descripton: a
  a: {class: 5, type: x}
global:
  auto_start: perhaps
more: 1
"""
    assert [sentence.split(": ")[:2] for sentence in mistakes(tmp_path, text)] == [
        ["5:23", "providers.z.restart.policy"],
        ["5:40", "providers.z.restart.initial"],
        ["6:5", "providers.z.descripton"],
        ["7:14", "providers.a.class"],
        ["7:23", "providers.a.type"],
        ["9:15", "global.auto_start"],
        ["10:1", "more"],
    ]


def test_all_that_only_the_whole_shows_is_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
providers:
  z:
    cwd: nowhere
    config: {name: y}
  'a b': {command: a | b}
global:
  default_server_url: x
"""
    assert [sentence.split(": ")[:2] for sentence in mistakes(tmp_path, text)] == [
        ["3:3", "providers.z"],
        ["4:10", "providers.z.cwd"],
        ["5:20", "providers.z.config.name"],
        ["6:3", "providers.a b"],
        ["6:20", "providers.a b.command"],
        ["8:23", "global.default_server_url"],
    ]


def test_a_wrong_value_hides_no_other_kind_of_mistake(tmp_path: Path) -> None:
    text = """
providers:
  all: {class: module.Class}
  p: {class: module.Class, typ: tool}
"""
    assert [sentence.split(": ")[1] for sentence in mistakes(tmp_path, text)] == [
        "providers.all",
        "providers.p.typ",
    ]
