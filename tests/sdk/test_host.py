"""`python -P -m gleitzeit_extensions.host`: one provider as one process, and its exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions import SocketIOProviderClient, settings
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import HOST, ROOT, a_child, order, write

pytestmark = pytest.mark.anyio

GOOD = '''
class Thing(SocketIOProviderClient):
    async def hello(self):
        """Says hello."""
        return "hello"
'''


async def outcome(line: str | None, **env: str) -> tuple[int, str]:
    async with a_child(*HOST, line=line, env=env) as child:
        status = await child.ended()
    return status, child.text


async def refused(tmp_path: Path, text: str, cls: str = "mine.Thing", **fields: Any) -> str:
    """What a host says that ends with 78: one line, no traceback."""
    status, said = await outcome(order(cls, write(tmp_path, mine=text), **fields))
    assert status == 78, said
    assert len(said.splitlines()) == 1, said
    return said


async def test_it_runs_the_class_as_a_provider_until_sigterm(hub: FakeHub, tmp_path: Path) -> None:
    async with a_child(*HOST, line=order("mine.Thing", write(tmp_path, mine=GOOD), hub)) as child:
        told = await hub.seen("register")
        assert (told["name"], told["type"]) == ("thing", "tool")
        assert (await hub.call("hello"))["result"] == "hello"
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0
        await hub.seen("bye")


async def test_it_comes_in_by_the_unix_socket_with_its_own_token(tmp_path: Path) -> None:
    hub = FakeHub(token="its own")
    await hub.start(tmp_path / "hub.sock")
    line = order(
        "mine.Thing", write(tmp_path, mine=GOOD), hub_socket=str(tmp_path / "hub.sock"), token="its own"
    )
    async with a_child(*HOST, line=line):
        await hub.seen("register")
    await hub.stop()


async def test_ctrl_c_of_the_terminal_is_left_to_the_daemon(hub: FakeHub, tmp_path: Path) -> None:
    text = (
        GOOD
        + """
    async def interrupt(self):
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
"""
    )
    async with a_child(*HOST, line=order("mine.Thing", write(tmp_path, mine=text), hub)):
        await hub.seen("register")
        assert (await hub.call("interrupt"))["ok"]
        for _ in range(50):  # it would have left by then
            assert (await hub.call("hello"))["result"] == "hello"


async def test_its_children_can_be_interrupted_all_the_same(hub: FakeHub, tmp_path: Path) -> None:
    text = (
        GOOD
        + """
    def child(self):
        import subprocess, sys
        code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
"""
    )
    async with a_child(*HOST, line=order("mine.Thing", write(tmp_path, mine=text), hub)):
        await hub.seen("register")
        assert (await hub.call("child"))["result"] == "True"


async def test_stdin_is_empty_for_the_provider_and_nothing_secret_is_in_its_environment(
    hub: FakeHub, tmp_path: Path
) -> None:
    text = (
        GOOD
        + """
    def look(self):
        import os, sys
        return [sys.stdin.read(), os.readlink("/proc/self/fd/0"), "s3cret" in f"{os.environ} {sys.orig_argv}"]
"""
    )
    line = order("mine.Thing", write(tmp_path, mine=text), hub, token="s3cret")
    async with a_child(*HOST, line=line):
        await hub.seen("register")
        assert (await hub.call("look"))["result"] == ["", "/dev/null", False]


async def test_the_config_reaches_the_constructor_and_the_name_only_who_asks(
    hub: FakeHub, tmp_path: Path
) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self, ollama_url, timeout=30, *, server_url=None, **kwargs):
        got = [ollama_url, timeout, sorted(kwargs)]
        super().__init__(server_url=server_url, metadata={"got": got}, **kwargs)

class Named(SocketIOProviderClient):
    def __init__(self, name):
        super().__init__(name, metadata={"got": name})

class Swallows(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(metadata={"got": kwargs}, **kwargs)
"""
    write(tmp_path, mine=text)
    config = {"name": "thing", "server_url": hub.url, "ollama_url": "http://o", "extra": 1}
    async with a_child(*HOST, line=order("mine.Thing", tmp_path, hub, config=config)):
        told = await hub.seen("register")
        assert told["metadata"] == {"got": ["http://o", 30, ["extra"]]}
    async with a_child(*HOST, line=order("mine.Named", tmp_path, hub)):
        assert (await hub.seen("register", nth=2))["metadata"] == {"got": "thing"}
    async with a_child(*HOST, line=order("mine.Swallows", tmp_path, hub, config={"x": 1})):
        assert (await hub.seen("register", nth=3))["metadata"] == {"got": {"x": 1, "server_url": hub.url}}


@pytest.mark.parametrize("config", [{}, {"name": "calculator", "server_url": "http://127.0.0.1:1"}])
async def test_a_class_that_brings_its_own_name_and_takes_keywords_works(
    hub: FakeHub, tmp_path: Path, config: dict[str, str]
) -> None:
    text = """
class Calculator(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(name="calculator", **kwargs)
"""
    line = order("mine.Calculator", write(tmp_path, mine=text), hub, name="calculator", config=config)
    async with a_child(*HOST, line=line):
        assert (await hub.seen("register"))["name"] == "calculator"


async def test_a_constructor_may_use_the_running_loop(hub: FakeHub, tmp_path: Path) -> None:
    text = """
import asyncio
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(0))
"""
    async with a_child(*HOST, line=order("mine.Thing", write(tmp_path, mine=text), hub)):
        await hub.seen("register")


async def test_models_are_discovered_when_the_config_says_so(hub: FakeHub, tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    async def discover_models(self):
        return ["found"]
"""
    line = order("mine.Thing", write(tmp_path, mine=text), hub, auto_discover_models=True)
    async with a_child(*HOST, line=line):
        assert (await hub.seen("register"))["models"] == ["found"]


# What only a human can mend: 78, and one line.


async def test_an_unknown_module_is_named_with_the_places_searched(tmp_path: Path) -> None:
    write(tmp_path, my_calculator_provider=GOOD)
    said = await refused(
        tmp_path, GOOD, "my_calculater_provider.Thing", python_path=[str(tmp_path), "/opt/classes"]
    )

    assert said == (
        "there is no module my_calculater_provider (did you mean my_calculator_provider?): "
        f"looked in {tmp_path}, /opt/classes, the packages of {sys.executable}"
    )


async def test_an_unknown_package_is_named(tmp_path: Path) -> None:
    assert (await refused(tmp_path, "", "nopackage.module.Thing")).startswith(
        "there is no module nopackage: "
    )


async def test_a_missing_class_is_named_with_its_neighbour(tmp_path: Path) -> None:
    said = await refused(tmp_path, GOOD, "mine.Thin")

    assert said == f"{tmp_path}/mine.py has no class Thin (did you mean Thing?)"


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        ("mine.function", "is a function, not a class"),
        ("mine.Plain", "mine.Plain is not a provider: let it inherit from"),
        ("mine.Plain", "SocketIOProviderClient (mine.py:3)"),
        ("Thing", 'class: "Thing" is not of the form module.ClassName'),
        ("mine.", 'class: "mine." is not of the form module.ClassName'),
    ],
)
async def test_what_is_no_provider_class_is_told(tmp_path: Path, cls: str, sentence: str) -> None:
    assert sentence in await refused(tmp_path, "def function(): ...\nclass Plain: ...\n", cls)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\nimport no_such_package\n", "cannot import mine: mine.py:3: ModuleNotFoundError: No module named"),
        ("x = (\n", "cannot import mine: mine.py:2: SyntaxError: '(' was never closed"),
        ("x = 1 / 0\n", "cannot import mine: mine.py:2: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('no')\n", "cannot import mine: mine.py:2: SystemExit: no"),
        ("import json; json.loads('{')\n", "cannot import mine: mine.py:2: JSONDecodeError: "),
    ],
)
async def test_a_module_that_breaks_is_told_with_the_author_s_own_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    assert sentence in await refused(tmp_path, text)


async def test_a_break_in_a_module_that_the_module_imports_is_told_there(tmp_path: Path) -> None:
    write(tmp_path, helper="import no_such_package\n")

    assert "helper.py:2: ModuleNotFoundError" in await refused(tmp_path, "import helper\n")


@pytest.mark.parametrize("error", ["ValueError", "TypeError", "ImportError"])
async def test_a_constructor_that_refuses_its_config_is_told(tmp_path: Path, error: str) -> None:
    text = f"""
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        if not kwargs.get("api_key"):
            raise {error}("api_key is required")
"""

    assert await refused(tmp_path, text) == "cannot make Thing: api_key is required (mine.py:6)"


async def test_a_missing_config_key_is_named(tmp_path: Path) -> None:
    text = "class Thing(SocketIOProviderClient):\n    def __init__(self, api_key, **kwargs): ...\n"

    assert await refused(tmp_path, text) == "cannot make Thing: config.api_key is required (mine.py:3)"


async def test_a_config_key_that_the_constructor_cannot_take_is_named(tmp_path: Path) -> None:
    text = "class Thing(SocketIOProviderClient):\n    def __init__(self, name, timeout=3): ...\n"

    said = await refused(tmp_path, text, config={"timeuot": 5})
    hint = "(did you mean timeout?); it takes name, timeout (mine.py:3)"
    assert said == f"config.timeuot: Thing does not take it {hint}"


CHECKED = """
class Base(SocketIOProviderClient):
    checks_config = True
    def __init__(self, timeout: float = 3, **kwargs):
        super().__init__(**kwargs)
        self.timeout = timeout
class Thing(Base):
    def __init__(self, api_key: str = "", sizes: list[int] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.sizes = sizes
"""


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"timeuot": 5}, "config.timeuot: Thing does not take it (did you mean timeout?); it takes "),
        ({"timeout": "soon"}, "config.timeout must be a number (mine.py:9)"),
        ({"sizes": [1, "x"]}, "config.sizes[1] must be a whole number (mine.py:9)"),
        ({"api_key": ["hidden"]}, "config.api_key must be a string (mine.py:9)"),
        ({"models": "abc"}, "config.models must be a list (mine.py:9)"),
        ({"models": ["a", {}]}, "config.models[1] must be a string (mine.py:9)"),
    ],
)
async def test_a_class_that_checks_its_config_needs_no_code_for_it(
    tmp_path: Path, config: dict[str, object], sentence: str
) -> None:
    said = await refused(tmp_path, CHECKED, config=config)
    assert said.startswith(sentence)
    assert "hidden" not in said


def test_a_setting_has_the_type_that_the_first_class_gives_it() -> None:
    class Base(SocketIOProviderClient):
        def __init__(self, timeout: float = 3, **kwargs: Any) -> None: ...

    class Thing(Base):
        def __init__(self, timeout: str, **kwargs: Any) -> None: ...

    assert settings.fitted(Thing, {"timeout": "5s", "models": ["a"]}) == {"timeout": "5s", "models": ["a"]}


async def test_a_key_that_the_class_sets_itself_is_told(tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(models=["a"], **kwargs)
"""

    said = await refused(tmp_path, text, config={"models": ["b"]})
    assert "got multiple values for keyword argument 'models' (mine.py:5)" in said


async def test_a_class_with_another_name_than_its_block_is_told_both(tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(name="calculator", **kwargs)
"""

    said = await refused(tmp_path, text, name="calc")
    assert 'Thing calls itself "calculator", but the config calls it "calc"' in said


async def test_a_class_with_another_hub_than_the_daemon_s_is_told_both(tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self):
        super().__init__(server_url="http://elsewhere:9")
"""

    said = await refused(tmp_path, text)
    assert "wants the hub at http://elsewhere:9, but this daemon's is at http://127.0.0.1:1" in said


async def test_a_constructor_that_forgets_its_base_class_is_told(tmp_path: Path) -> None:
    text = "class Thing(SocketIOProviderClient):\n    def __init__(self): ...\n"

    said = await refused(tmp_path, text)
    assert said == "Thing.__init__ does not call super().__init__() (mine.py:3)"


async def test_an_abstract_class_is_told(tmp_path: Path) -> None:
    text = """
from abc import ABC, abstractmethod
class Base(SocketIOProviderClient, ABC):
    @abstractmethod
    def work(self): ...
    @abstractmethod
    def rest(self): ...
class Thing(Base):
    def rest(self): ...
"""

    assert await refused(tmp_path, text) == (
        "cannot make Thing: it does not write what is abstract: work() (mine.py:5) (mine.py:9)"
    )


EXTENSION = """
from gleitzeit_extensions.decorators import config_field, extension, handler
import asyncio

@extension(name="mine", description="Mine alone")
@config_field("size", field_type="integer", default=3)
class Mine:
    def __init__(self, size):
        self.size = size
        {init}

    async def grow(self, by: int) -> int:
        asyncio.sleep(1)
        return self.size + by

    @handler("shrink")
    async def _shrink(self) -> int:
        return self.size - 1
"""


def extension_order(directory: Path, hub: FakeHub | None = None, init: str = "", **fields: Any) -> str:
    """The line for an extension "mine" that lies in a directory of its own."""
    (directory / "mine.py").write_text(EXTENSION.format(init=init or "pass"))
    return order("", directory, hub, extension={"name": "mine", "paths": [str(directory)]}, **fields)


async def test_it_runs_an_extension_as_a_provider(hub: FakeHub, tmp_path: Path) -> None:
    line = extension_order(tmp_path, hub, config={"size": 5, "name": "thing"})
    async with a_child(*HOST, line=line) as child:
        told = await hub.seen("register")
        assert (told["name"], told["description"]) == ("thing", "Mine alone")
        assert (await hub.call("grow", {"by": 2}))["result"] == 7
        assert (await hub.call("shrink"))["result"] == 4
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0


async def test_a_coroutine_that_nobody_awaited_is_told_with_its_line(hub: FakeHub, tmp_path: Path) -> None:
    async with a_child(*HOST, line=extension_order(tmp_path, hub)) as child:
        await hub.seen("register")
        await hub.call("grow", {"by": 2})

        await child.says(f"{tmp_path}/mine.py:13: RuntimeWarning: coroutine 'sleep' was never awaited")


@pytest.mark.parametrize(
    ("init", "fields", "status", "sentence"),
    [
        ("", {"config": {"size": "5"}}, 78, '"mine" is not well configured: size has to be an integer'),
        ("", {"config": {"sise": 5}}, 78, "it does not take sise (did you mean size?)"),
        ("raise ValueError('too small')", {}, 78, "mine.py:10: ValueError: too small"),
        ("raise ConnectionError('it is down')", {}, 1, "mine.py:10: ConnectionError: it is down"),
        ("", {"extension": {"name": "mien", "paths": []}}, 78, 'there is no extension "mien"'),
    ],
)
async def test_an_extension_that_cannot_be_made_is_told(
    tmp_path: Path, init: str, fields: dict[str, Any], status: int, sentence: str
) -> None:
    line = json.dumps(json.loads(extension_order(tmp_path, init=init)) | fields)
    ended, said = await outcome(line)

    assert (ended, len(said.splitlines())) == (status, 1), said
    assert sentence in said


async def test_an_extension_that_fails_while_it_is_imported_is_no_more_to_be_tried_than_a_class(
    tmp_path: Path,
) -> None:
    line = extension_order(tmp_path)
    (tmp_path / "mine.py").write_text(EXTENSION.replace("import asyncio", "open('nowhere')"))

    status, said = await outcome(line)
    assert status == 78, said
    assert f"{tmp_path}/mine.py:3: FileNotFoundError" in said


PROVIDING = """
from gleitzeit_extensions.decorators import extension
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

@extension(name="mine")
class Mine(SocketIOProviderClient):
    def __init__(self):
        {init}
"""


@pytest.mark.parametrize(
    ("init", "sentence"),
    [
        ("pass", "Mine.__init__ does not call super().__init__() (mine.py:7)"),
        ('super().__init__("other")', 'Mine calls itself "other", but the config calls it "thing"'),
    ],
)
async def test_an_extension_that_is_a_provider_agrees_with_the_config(
    tmp_path: Path, init: str, sentence: str
) -> None:
    line = extension_order(tmp_path)
    (tmp_path / "mine.py").write_text(PROVIDING.format(init=init))
    status, said = await outcome(line)

    assert (status, len(said.splitlines())) == (78, 1), said
    assert said.startswith(sentence)


async def test_an_extension_in_the_place_of_a_class_is_told_apart(tmp_path: Path) -> None:
    extension_order(tmp_path)
    status, said = await outcome(order("mine.Mine", tmp_path))

    assert (status, said) == (
        78,
        "mine.Mine is not a provider: it is an extension: write `extension: mine` in the place of `class` "
        "(mine.py:5)",
    )


async def test_a_refusal_by_the_hub_is_told(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "another"
    status, said = await outcome(order("mine.Thing", write(tmp_path, mine=GOOD), hub))

    assert (status, said) == (78, 'the hub refused "thing": the token is not the one of this daemon')


async def test_the_traceback_is_there_for_who_asks(tmp_path: Path) -> None:
    write(tmp_path, mine="x = 1 / 0\n")
    status, said = await outcome(order("mine.Thing", tmp_path), LOG_LEVEL="DEBUG")

    assert status == 78
    assert "Traceback" in said
    assert said.splitlines()[-1] == "cannot import mine: mine.py:2: ZeroDivisionError: division by zero"


# What may pass: 1.


async def test_another_error_of_a_constructor_may_pass(tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        raise ConnectionRefusedError("the database is down")
"""
    status, said = await outcome(order("mine.Thing", write(tmp_path, mine=text)))

    assert (status, said) == (
        1,
        "cannot make Thing: ConnectionRefusedError: the database is down (mine.py:5)",
    )


async def test_a_slip_of_its_author_does_not(tmp_path: Path) -> None:
    text = """
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        {}["key"]
"""
    status, said = await outcome(order("mine.Thing", write(tmp_path, mine=text)))

    assert (status, said) == (78, "cannot make Thing: KeyError: 'key' (mine.py:5)")


async def test_a_provider_whose_daemon_died_ends(hub: FakeHub, tmp_path: Path) -> None:
    line = order("mine.Thing", write(tmp_path, mine=GOOD), hub) + "\n"
    daemon = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({HOST!r}, stdin=subprocess.PIPE)\n"
        f"child.stdin.write({line.encode()!r})\n"
        "child.stdin.close()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    async with a_child(sys.executable, "-c", daemon) as parent:
        await hub.seen("register")
        parent.process.kill()
        await hub.stop()  # the daemon's hub dies with it

        await parent.says(f'the daemon (pid {parent.process.pid}) is gone: "thing" ends')


@pytest.mark.parametrize("line", ["{", "[]", "{}", '"x"', json.dumps({"name": "x", "instance": "x"})])
async def test_a_launch_line_that_cannot_be_read_is_told_without_its_secrets(line: str) -> None:
    status, said = await outcome(line)

    assert status == 78
    assert said.startswith("the launch line cannot be read: ")


async def test_a_daemon_that_says_nothing_is_told() -> None:
    status, said = await outcome(None)

    assert status == 1
    assert said == f"the daemon (pid {os.getpid()}) ended before it said what to run"


def test_somebody_who_types_the_command_is_told_what_it_is() -> None:
    controller, terminal = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "gleitzeit_extensions.host"],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=10,
        cwd=ROOT,
        check=False,
    )
    os.close(controller)
    os.close(terminal)

    assert done.returncode == 2
    assert "this is how gleitzeitd starts a provider" in done.stderr


LOGS = """
import logging
SET_UP
class Thing(SocketIOProviderClient):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        logging.getLogger("mine").info("made")
"""


@pytest.mark.parametrize(
    ("level", "set_up", "expected"),
    [
        ("", "", ["INFO mine: made"]),
        ("WARNING", "", []),
        ("WARNING", "logging.basicConfig(level=logging.DEBUG, format='mine %(message)s!')", ["mine made!"]),
    ],
)
async def test_logging_is_set_up_unless_the_author_does(
    hub: FakeHub, tmp_path: Path, level: str, set_up: str, expected: list[str]
) -> None:
    line = order("mine.Thing", write(tmp_path, mine=LOGS.replace("SET_UP", set_up)), hub)
    async with a_child(*HOST, line=line, env={"LOG_LEVEL": level}) as child:
        await hub.seen("register")
        child.process.send_signal(signal.SIGTERM)
        await child.ended()

    assert [line for line in child.lines if "made" in line] == expected


async def test_a_line_that_is_printed_is_there_at_once(hub: FakeHub, tmp_path: Path) -> None:
    text = GOOD + "    async def speak(self):\n        print('spoken')\n"
    line = order("mine.Thing", write(tmp_path, mine=text), hub)
    async with a_child(*HOST, line=line, env={"PYTHONUNBUFFERED": ""}) as child:
        await hub.seen("register")
        await hub.call("speak")
        await child.says("spoken")


async def test_the_path_is_searched_in_the_order_given_and_before_what_is_installed(
    hub: FakeHub, tmp_path: Path
) -> None:
    for name in ("first", "second", "installed"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, mine=GOOD.replace("Says hello.", name))
    path = [str(tmp_path / "first"), str(tmp_path / "second"), str(tmp_path / "first")]
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path / 'installed'}"}
    async with a_child(*HOST, line=order("mine.Thing", tmp_path, hub, python_path=path), env=env):
        assert (await hub.seen("register"))["methods"][0]["description"] == "first"
