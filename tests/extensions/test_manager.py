"""A manager finds, loads, starts and stops; a mistake in one extension is a sentence, and harms no other."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gleitzeit_extensions.exceptions import (
    ExtensionConfigError,
    ExtensionDependencyError,
    ExtensionError,
    ExtensionLoadError,
    ExtensionNotFound,
    ExtensionServiceError,
    ExtensionValidationError,
)
from gleitzeit_extensions.extensions.manager import ExtensionManager
from gleitzeit_extensions.extensions.modules import PREFIX
from gleitzeit_extensions.helpers import create_cluster_with_extensions

HEAD = "from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires\n"

STORY = """
    @extension(name="{name}")
    class Story:
        seen = []

        async def setup(self):
            self.seen.append("setup")

        async def stop(self):
            self.seen.append("stop")
"""

SERVICE = """
    from gleitzeit_extensions.config_loader import ConfigBasedExtension
    import utils

    class Service(ConfigBasedExtension):
        def health_check(self):
            return {"healthy": True, "url": utils.url(self.config)}
"""

MANIFEST = """
    name: weather
    description: Weather of the day
    models: [sky-1]
    config:
      host: {type: string, default: localhost}
      port: {type: integer, required: true, env_var: WEATHER_PORT, min: 1}
    service: {class_path: service.Service}
"""


def shelf(root: Path, files: dict[str, str]) -> ExtensionManager:
    """A manager that has looked into `root`, where these files are written."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = HEAD if name.endswith("_extension.py") else ""
        path.write_text(head + dedent(text))
    manager = ExtensionManager()
    manager.discover_extensions([root])
    return manager


def weather(root: Path) -> ExtensionManager:
    utils = "def url(config):\n    return f\"http://{config['host']}:{config['port']}\""
    files = {"w/extension.yaml": MANIFEST, "w/service.py": SERVICE, "w/utils.py": utils}
    return shelf(root, files)


def line_of(path: Path, text: str) -> str:
    """`file:line` of the line of `path` that contains `text`."""
    at = next(at for at, line in enumerate(path.read_text().splitlines(), 1) if text in line)
    return f"{path}:{at}"


def test_nothing_of_an_extension_runs_before_it_is_loaded(tmp_path: Path) -> None:
    manager = shelf(
        tmp_path, {"loud_extension.py": STORY.format(name="loud") + "\n    raise SystemExit('I ran')\n"}
    )

    assert list(manager.list_available()) == ["loud"]
    assert manager.problems == ()
    before = set(sys.modules)
    with pytest.raises(ExtensionLoadError) as caught:
        manager.load_extension("loud")

    where = line_of(tmp_path / "loud_extension.py", "I ran")
    assert f"{where}: SystemExit: I ran" in str(caught.value)
    assert not [name for name in set(sys.modules) - before if name.startswith(PREFIX)]


def test_two_managers_know_nothing_of_each_other(tmp_path: Path) -> None:
    managers = [shelf(tmp_path, {"one_extension.py": STORY.format(name="one")}) for _ in range(2)]

    one, other = (manager.load_extension("one") for manager in managers)

    assert managers[0].load_extension("one") is one
    assert type(one) is not type(other)
    assert ExtensionManager().list_available() == {}


def test_an_unknown_name_says_where_it_was_looked_for(tmp_path: Path) -> None:
    manager = shelf(tmp_path, {"one_extension.py": STORY.format(name="calculator")})

    with pytest.raises(ExtensionNotFound) as caught:
        manager.load_extension("calculater")

    assert str(caught.value) == (
        'there is no extension "calculater" (did you mean calculator?): '
        f"looked in {tmp_path}, found calculator"
    )
    assert manager.get_extension_info("calculater") == {"name": "calculater", "found": False}


def test_a_broken_one_harms_no_other_and_its_name_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = shelf(
        tmp_path,
        {
            "good_extension.py": STORY.format(name="good"),
            "torn_extension.py": "class (:",
            "bad/extension.yaml": "name: bad\ndescripton: typo\n",
            "twice_extension.py": STORY.format(name="twice"),
            "again_extension.py": STORY.format(name="twice"),
        },
    )

    assert list(manager.list_available()) == ["good"]
    assert all(sentence in caplog.text for sentence in manager.problems)
    for name in ("torn_extension.py", "bad/extension.yaml", "again_extension.py"):
        assert any(sentence.startswith(f"{tmp_path / name}:") for sentence in manager.problems)
    with pytest.raises(ExtensionValidationError, match=r"bad/extension\.yaml:\d.*descripton"):
        manager.load_extension("bad")
    with pytest.raises(ExtensionLoadError, match="twice_extension") as caught:
        manager.load_extension("twice")
    assert "again_extension.py" in str(caught.value)


def test_a_problem_is_logged_once_and_goes_when_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = shelf(tmp_path, {"torn_extension.py": "class (:"})
    manager.discover_extensions(tmp_path)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1

    (tmp_path / "torn_extension.py").write_text(HEAD + dedent(STORY.format(name="mended")))

    assert manager.discover_extensions(str(tmp_path)) == ["mended"]
    assert manager.problems == ()


def test_what_cannot_be_read_is_imported_and_one_that_fails_is_a_problem(tmp_path: Path) -> None:
    computed = """
    NAME = "-".join(["made", "up"])

    @extension(name=NAME)
    class Story: ...
    """
    made = "Story = extension(name='by-hand')(type('Story', (), {}))\n"
    fails = "@extension(name=''.join(['x', 'y']))\nclass Story: ...\n1 / 0\n"
    files = {
        "computed_extension.py": computed,
        "made_extension.py": made,
        "fails_extension.py": fails,
        "other_extension.py": STORY.format(name="fails_extension"),
    }
    before = set(sys.modules)
    manager = shelf(tmp_path, files)

    assert not [name for name in set(sys.modules) - before if name.startswith(PREFIX)]
    assert set(manager.list_available()) == {"made-up", "by-hand", "fails_extension"}
    assert manager.load_extension("made-up")
    (problem,) = manager.problems
    assert f"{line_of(tmp_path / 'fails_extension.py', '1 / 0')}: ZeroDivisionError" in problem


def test_of_two_that_compute_one_name_neither_is_there(tmp_path: Path) -> None:
    computed = "@extension(name=''.join(['t', 'wo']))\nclass Story: ...\n"
    written = STORY.format(name="one")
    manager = shelf(
        tmp_path,
        {
            "first_extension.py": computed,
            "second_extension.py": computed,
            "more_extension.py": computed,
            "third_extension.py": written,
            "fourth_extension.py": computed.replace("['t', 'wo']", "['o', 'ne']"),
        },
    )

    assert list(manager.list_available()) == []
    for name, files in {"two": ("first", "second"), "one": ("third", "fourth")}.items():
        with pytest.raises(ExtensionLoadError) as caught:
            manager.load_extension(name)
        assert all(f"{file}_extension.py:" in str(caught.value) for file in files)


def test_a_manifest_s_service_gets_its_config_name_and_siblings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_PORT", "80")
    manager = weather(tmp_path)

    service = manager.load_extension("weather", host="sky")

    assert service.config == {"host": "sky", "port": 80}
    assert (service.name, service.get_models()) == ("weather", ["sky-1"])
    assert manager.get_extension_info("weather")["health"] == {"healthy": True, "url": "http://sky:80"}
    assert manager.list_available()["weather"].config_file == tmp_path / "w" / "extension.yaml"


def test_what_does_not_fit_the_declared_fields_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEATHER_PORT", raising=False)
    manager = weather(tmp_path)

    with pytest.raises(ExtensionConfigError, match="WEATHER_PORT"):
        manager.load_extension("weather")
    with pytest.raises(ExtensionConfigError, match="port"):
        manager.load_extension("weather", port=0)
    with pytest.raises(
        ExtensionConfigError, match=r"does not take prot \(did you mean port\?\); it takes host, port"
    ):
        manager.load_extension("weather", port=1, prot=2)
    assert not manager.is_loaded("weather")


def test_a_keyword_that_is_not_declared_goes_where_the_class_takes_it(tmp_path: Path) -> None:
    text = """
    @extension(name="{name}")
    @config_field("key")
    class Story:
        def __init__(self, {takes}):
            self.given = dict(locals())
    """
    manager = shelf(
        tmp_path,
        {
            "any_extension.py": text.format(name="any", takes="key='k', **more"),
            "named_extension.py": text.format(name="named", takes="key='k', region='eu'"),
            "strict_extension.py": text.format(name="strict", takes="key='k'"),
            "needs_extension.py": text.format(name="needs", takes="key, region"),
            "deaf_extension.py": text.format(name="deaf", takes="*, nothing=1"),
        },
    )

    assert manager.load_extension("any", region="us").given["more"] == {"region": "us"}
    assert manager.load_extension("named", region="us").given["region"] == "us"
    assert manager.list_loaded()["named"].instance.given["key"] == "k"
    with pytest.raises(ExtensionConfigError, match="it does not take region; it takes key"):
        manager.load_extension("strict", region="us")
    with pytest.raises(ExtensionConfigError, match=r'"needs" needs region \(.*needs_extension.py:\d+\)'):
        manager.load_extension("needs", key="k")
    with pytest.raises(
        ExtensionValidationError, match=r"deaf_extension.py:\d+: Story declares key, which its"
    ):
        manager.load_extension("deaf", key="k")


def test_a_missing_requirement_is_named_before_anything_is_imported(tmp_path: Path) -> None:
    text = """
    @extension(name="needy")
    @requires("no-such-package-of-ours>=2", "pytest>=1", "pytest>=9999")
    class Story: ...

    raise SystemExit
    """
    manager = shelf(tmp_path, {"needy_extension.py": text})

    with pytest.raises(ExtensionDependencyError) as caught:
        manager.load_extension("needy")

    assert caught.value.missing_deps == ["no-such-package-of-ours>=2", "pytest>=9999"]
    assert "no-such-package-of-ours>=2" in str(caught.value)
    assert "needy_extension.py" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("setup = 5", "setup of Story is a int, not a method"),
        ("@abc.abstractmethod\n        def ask(self): ...", "Story leaves ask abstract"),
        ("def setup(self, client): ...", r"setup\(self, client\) of Story is called without arguments"),
        ("async def start(self):\n            yield 1", r"start\(\) of Story yields"),
        ("def __init__(self):\n            raise OSError('no')", r"cannot make Story .*: OSError: no"),
        ("def __init__(self):\n            exit(5)", r"cannot make Story .*: SystemExit: 5"),
    ],
)
def test_a_class_that_cannot_work_is_refused_with_its_line(tmp_path: Path, body: str, says: str) -> None:
    text = f"""
    import abc

    @extension(name="odd")
    class Story(abc.ABC):
        {body}
    """
    manager = shelf(tmp_path, {"odd_extension.py": text})

    before = set(sys.modules)
    with pytest.raises(ExtensionLoadError, match=says) as caught:
        manager.load_extension("odd")

    assert f"{tmp_path}/odd_extension.py:" in str(caught.value)
    assert not [name for name in set(sys.modules) - before if name.startswith(PREFIX)]


@pytest.mark.parametrize(
    ("class_path", "says"),
    [
        ("service.Servce", r"service.py has no class Servce \(did you mean Service\?\)"),
        ("servce.Service", "No module named 'servce'"),
        ("service.utils", "is a module, not a class"),
    ],
)
def test_a_class_path_that_leads_nowhere_says_so(tmp_path: Path, class_path: str, says: str) -> None:
    manifest = MANIFEST.replace("service.Service", class_path)
    manager = shelf(tmp_path, {"w/extension.yaml": manifest, "w/service.py": SERVICE, "w/utils.py": ""})

    with pytest.raises(ExtensionLoadError, match=says):
        manager.load_extension("weather", port=1)


def test_a_service_that_forgets_its_base_class_is_told_where(tmp_path: Path) -> None:
    forgets = SERVICE + "\n        def __init__(self, config): ...\n"
    manager = shelf(tmp_path, {"w/extension.yaml": MANIFEST, "w/service.py": forgets, "w/utils.py": ""})

    with pytest.raises(ExtensionValidationError, match=r"service.py:\d+: Service.__init__ does not call"):
        manager.load_extension("weather", port=1)


@pytest.mark.anyio
async def test_all_start_side_by_side_and_stop_in_reverse(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meets = """
    import asyncio

    @extension(name="{name}")
    class Story:
        async def setup(self):
            await self.barrier()

        async def stop(self):
            self.seen.append("{name}")
    """
    names = ("one", "two", "three")
    fails = "\n@extension(name='fails')\nclass Story:\n    def setup(self):\n        1 / 0\n"
    files = {f"{name}_extension.py": meets.format(name=name) for name in names}
    manager = shelf(tmp_path, files | {"fails_extension.py": fails})
    seen: list[str] = []
    waiting, met = set(), asyncio.Event()

    for name in ("one", "fails", "two", "three"):
        instance = manager.load_extension(name)

        async def barrier(name: str = name) -> None:
            waiting.add(name)
            if waiting == set(names):
                met.set()
            await met.wait()

        vars(instance).update(seen=seen, barrier=barrier)

    async with asyncio.timeout(10):
        await manager.start_all_extensions()

    assert "ZeroDivisionError" in caplog.text
    assert manager.get_summary()["running_services"] == 3
    assert not manager.get_extension_info("fails")["running"]
    await manager.stop_all_extensions()
    assert seen == ["three", "two", "one"]
    assert manager.get_summary()["running_services"] == 0


@pytest.mark.anyio
async def test_one_life_at_a_time_however_often_it_is_started_and_stopped(tmp_path: Path) -> None:
    manager = shelf(tmp_path, {"one_extension.py": STORY.format(name="one")})
    with pytest.raises(ExtensionError, match=r'"one" is not loaded: first manager.load_extension\("one"\)'):
        await manager.start_extension("one")
    story = manager.load_extension("one")

    await asyncio.gather(*(manager.start_extension("one") for _ in range(3)))
    with pytest.raises(ExtensionError, match="is running: first await"):
        manager.unload_extension("one")
    await asyncio.gather(
        manager.stop_extension("one"), manager.start_extension("one"), manager.stop_extension("one")
    )
    await manager.stop_extension("one")
    await manager.start_extension("one")
    await manager.stop_all_extensions()
    manager.unload_extension("one")

    assert story.seen == ["setup", "stop"] * (len(story.seen) // 2)
    assert len(story.seen) >= 4
    assert not manager.is_loaded("one")
    assert manager.load_extension("one") is not story


@pytest.mark.anyio
async def test_a_failed_or_abandoned_start_may_be_tried_again(tmp_path: Path) -> None:
    text = """
    import asyncio

    @extension(name="slow")
    class Story:
        seen = []
        fails = True

        async def setup(self):
            self.seen.append("setup")
            if len(self.seen) == 1:
                self.begun.set()
                await asyncio.Event().wait()

        async def start(self):
            if self.fails:
                asyncio.get_running_loop().call_later(0, self.over.set)
                raise OSError("gone")

        async def health_check(self):
            return {"healthy": True}
    """
    manager = shelf(tmp_path, {"slow_extension.py": text})
    slow = manager.load_extension("slow")
    slow.begun, slow.over = asyncio.Event(), asyncio.Event()

    first = asyncio.create_task(manager.start_extension("slow"))
    await slow.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    assert not manager.get_extension_info("slow")["running"]
    await manager.start_extension("slow")
    await asyncio.wait_for(slow.over.wait(), 10)
    assert "OSError: gone" in manager.get_extension_info("slow")["error"]
    assert not (await manager.check_health("slow"))["healthy"]
    assert not manager.get_extension_info("slow")["health"]["healthy"]

    slow.fails = False
    await manager.start_extension("slow")

    assert manager.get_extension_info("slow")["running"]
    assert (
        await manager.check_health("slow")
        == manager.get_extension_info("slow")["health"]
        == {"healthy": True}
    )
    await manager.stop_all_extensions()


@pytest.mark.anyio
async def test_a_stop_that_fails_is_told_and_the_extension_is_stopped(tmp_path: Path) -> None:
    text = "@extension(name='one')\nclass Story:\n    def stop(self):\n        1 / 0\n"
    manager = shelf(tmp_path, {"one_extension.py": text})
    manager.load_extension("one")
    await manager.start_extension("one")

    with pytest.raises(ExtensionServiceError, match=r"one_extension.py:\d+: ZeroDivisionError"):
        await manager.stop_extension("one")

    assert not manager.get_extension_info("one")["running"]


def test_an_async_health_check_is_asked_where_no_loop_runs(tmp_path: Path) -> None:
    text = (
        "@extension(name='one')\nclass Story:\n    async def health_check(self):\n        return {'n': 1}\n"
    )
    manager = shelf(tmp_path, {"one_extension.py": text})
    manager.load_extension("one")
    expected: Any = {"healthy": True, "n": 1}

    assert manager.get_extension_info("one")["health"] == expected

    async def inside() -> Any:
        return manager.get_extension_info("one")["health"]

    assert asyncio.run(inside()) == expected


@pytest.mark.anyio
async def test_one_whose_setup_failed_is_not_well_until_it_is_started_again(tmp_path: Path) -> None:
    story = """
        @extension(name="moody")
        class Story:
            mood = "bad"

            def setup(self):
                if self.mood == "bad":
                    raise RuntimeError("not today")
    """
    manager = shelf(tmp_path, {"moody_extension.py": story})
    moody = manager.load_extension("moody")
    with pytest.raises(ExtensionServiceError):
        await manager.start_extension("moody")

    assert (await manager.check_health("moody"))["healthy"] is False
    assert "not today" in manager.get_extension_info("moody")["error"]

    moody.mood = "good"
    await manager.start_extension("moody")
    assert (await manager.check_health("moody"))["healthy"] is True
    await manager.stop_extension("moody")


def test_one_that_is_loaded_takes_no_other_values(tmp_path: Path) -> None:
    manager = weather(tmp_path)
    service = manager.load_extension("weather", port=5)

    assert manager.load_extension("weather") is service
    assert manager.load_extension("weather", port=5) is service
    with pytest.raises(ExtensionConfigError, match=r"loaded already, with other values: .*unload_extension"):
        manager.load_extension("weather", port=6)


def test_values_for_an_extension_that_is_not_to_be_loaded_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ExtensionConfigError, match=r'has "wether", .* \(did you mean weather\?\)'):
        create_cluster_with_extensions([tmp_path], ["weather"], {"wether": {"port": 1}})


def test_what_nobody_gives_and_nobody_requires_is_none(tmp_path: Path) -> None:
    coded = """
        @extension(name="coded")
        @config_field("a")
        @config_field("b")
        class Coded:
            def __init__(self, a, b="own"):
                self.values = (a, b)
    """
    manifest = """
        name: written
        description: Of settings
        config: {a: {type: string}, b: {type: string, default: x}}
        service: {class_path: service.Service}
    """
    service = """
        from gleitzeit_extensions.config_loader import ConfigBasedExtension

        class Service(ConfigBasedExtension): ...
    """
    files = {"coded_extension.py": coded, "w/extension.yaml": manifest, "w/service.py": service}
    manager = shelf(tmp_path, files)

    assert manager.load_extension("coded").values == (None, "own")
    assert manager.load_extension("written").config == {"a": None, "b": "x"}
