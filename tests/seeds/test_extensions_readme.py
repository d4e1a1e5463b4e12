"""What the readme of the extensions shows, row by row: its files in a directory, and its calls."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gleitzeit_extensions import (
    ConfigBasedExtension,
    ExtensionConfigError,
    ExtensionDependencyError,
    ExtensionLoadError,
    ExtensionManager,
    ExtensionNotFound,
    ExtensionValidationError,
    GleitzeitCluster,
    create_cluster_with_extensions,
    exceptions,
    helpers,
)
from gleitzeit_extensions.decorators import (
    capability,
    config_field,
    extension,
    get_extension_meta,
    is_extension,
    model,
    requires,
)

DECORATED = """
    from gleitzeit_extensions.decorators import extension, requires, model, capability, config_field

    @extension(name="{name}", description="Answers", version="1.2.0")
    @requires("packaging>=20", "pytest>=7.0")
    @model("{model}", capabilities=["text"], max_tokens=4096)
    @capability("streaming", "function_calling")
    @config_field("api_key", required=True, env_var="{variable}")
    @config_field("timeout", field_type="integer", default=60, env_var="{variable}_TIMEOUT")
    class Answers:
        def __init__(self, api_key: str, timeout: int = 60, **kwargs):
            self.api_key, self.timeout, self.seen = api_key, timeout, []

        async def setup(self):
            self.seen.append("setup")

        async def start(self):
            self.seen.append("start")

        async def stop(self):
            self.seen.append("stop")

        def health_check(self):
            return {{"healthy": True, "provider": "{name}"}}
"""

MANIFEST = """
    name: claude
    description: Answers from a manifest
    version: 1.0.0
    author: Somebody

    models:
      - name: claude-3
        capabilities: [text, vision]
        max_tokens: 4096
        cost_per_token: 0.00001

    capabilities: [streaming, function_calling]

    dependencies:
      packages:
        - packaging>=20
        - pytest>=7.0

    config:
      api_key:
        type: string
        required: true
        env_var: CLAUDE_API_KEY
        description: API key for the provider

      timeout:
        type: integer
        default: 60
        min: 10
        max: 300
        description: Request timeout in seconds

    service:
      class_path: service.ClaudeService
"""

SERVICE = """
    from gleitzeit_extensions.config_loader import ConfigBasedExtension
    import utils
    from .utils import VOICE

    class ClaudeService(ConfigBasedExtension):
        def __init__(self, config):
            super().__init__(config)
            self.voices = {utils.VOICE, VOICE}

        async def setup(self):
            self.is_set_up = True

        async def health_check(self):
            return {"healthy": self.is_set_up}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the reader works in; no daemon runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(tmp_path / "none.sock"))
    for name in ("OPENAI_API_KEY", "CLAUDE_API_KEY", "GLEITZEIT_HUB_URL", "GLEITZEIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    openai = DECORATED.format(name="openai", model="gpt-4", variable="OPENAI_API_KEY")
    custom = DECORATED.format(name="custom", model="custom-1", variable="CUSTOM_KEY")
    written("extensions/openai_extension.py", openai)
    written("extensions/custom_provider/__init__.py", "from .extension import Answers")
    written("extensions/custom_provider/extension.py", custom)
    written("extensions/claude_extension/extension.yaml", MANIFEST)
    written("extensions/claude_extension/service.py", SERVICE)
    written("extensions/claude_extension/utils.py", "VOICE = 'calm'")
    return tmp_path


def written(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


@pytest.fixture
def manager(here: Path) -> ExtensionManager:
    manager = ExtensionManager()
    manager.discover_extensions(["./extensions"])
    assert manager.problems == ()
    return manager


@pytest.mark.anyio
async def test_e2_basic_usage() -> None:
    manager = ExtensionManager()
    manager.discover_extensions(["./extensions"])
    openai = manager.load_extension("openai", api_key="your-key")
    await manager.start_all_extensions()
    await manager.stop_all_extensions()
    assert openai.seen == ["setup", "start", "stop"]

    cluster, other = create_cluster_with_extensions(
        search_paths=["./extensions"],
        extensions=["openai", "claude"],
        extension_configs={"openai": {"api_key": "a"}, "claude": {"api_key": "b"}},
    )

    assert cluster.extension_manager is other
    assert {name: info.loaded for name, info in other.list_loaded().items()} == {
        "openai": True,
        "claude": True,
    }
    assert other.list_loaded()["openai"].instance is not openai


@pytest.mark.anyio
async def test_e2_runs_where_no_extension_was_written(tmp_path: Path) -> None:
    cluster, manager = create_cluster_with_extensions(
        search_paths=[str(tmp_path / "nowhere")],
        extensions=["openai", "claude"],
        extension_configs={
            "openai": {"api_key": "your-openai-key"},
            "claude": {"api_key": "your-claude-key"},
        },
    )
    await manager.start_all_extensions()
    assert cluster.extension_manager is manager
    assert set(manager.list_loaded()) == {"openai", "claude"}
    assert manager.find_extension_for_model("gpt-4") == "openai"
    await manager.stop_all_extensions()


def test_e3_a_decorated_class_with_extension_outermost_or_anywhere() -> None:
    def answers() -> type:
        class Answers:
            def __init__(self, api_key: str, timeout: int = 60, **kwargs: Any) -> None: ...

        return Answers

    says = [
        extension(name="my-provider", description="My LLM provider", version="1.0.0"),
        requires("requests>=2.0", "some-llm-sdk>=1.0"),
        model("my-model", capabilities=["text", "vision"], max_tokens=4096),
        capability("streaming", "function_calling"),
        config_field("api_key", required=True, env_var="MY_PROVIDER_API_KEY"),
        config_field("timeout", field_type="integer", default=60),
    ]

    for order in (says, says[1:] + says[:1]):
        cls = answers()
        for decorate in reversed(order):
            cls = decorate(cls)
        meta = get_extension_meta(cls)
        assert is_extension(cls)
        assert (meta.name, meta.version) == ("my-provider", "1.0.0")
        assert meta.dependencies == ("requests>=2.0", "some-llm-sdk>=1.0")
        assert [(one.name, one.capabilities, one.max_tokens) for one in meta.models] == [
            ("my-model", ("text", "vision"), 4096)
        ]
        assert meta.capabilities == ("streaming", "function_calling")
        assert (meta.config["api_key"].required, meta.config["timeout"].default) == (True, 60)


def test_e4_a_manifest_says_the_same(manager: ExtensionManager) -> None:
    info = manager.list_available()["claude"]

    assert (info.type, info.meta.author) == ("config", "Somebody")
    assert info.models == [
        {
            "name": "claude-3",
            "capabilities": ["text", "vision"],
            "max_tokens": 4096,
            "cost_per_token": 0.00001,
        }
    ]
    assert info.meta.capabilities == ("streaming", "function_calling")
    assert info.meta.dependencies == ("packaging>=20", "pytest>=7.0")
    with pytest.raises(ExtensionConfigError, match=r"timeout .*10"):
        manager.load_extension("claude", api_key="k", timeout=5)


def test_e5_its_service_inherits_what_it_does_not_write(manager: ExtensionManager) -> None:
    service = manager.load_extension("claude", api_key="k")

    assert isinstance(service, ConfigBasedExtension)
    assert service.config == {"api_key": "k", "timeout": 60}
    assert service.name == "claude"


def test_e6_a_single_file_and_a_package_with_an_extension_py(manager: ExtensionManager) -> None:
    written("more/quiet/__init__.py", "")
    written("more/quiet/extension.py", DECORATED.format(name="quiet", model="q", variable="Q"))

    assert {"openai", "custom"} <= set(manager.list_available())
    assert manager.discover_extensions(["./more"]) == ["quiet"]
    assert manager.load_extension("quiet", api_key="k").api_key == "k"
    assert manager.load_extension("custom", api_key="k").api_key == "k"


def test_e7_a_manifest_a_service_and_more_modules(manager: ExtensionManager) -> None:
    for name in ("claude_extension", "other_provider"):
        written(f"more/{name}/extension.yaml", MANIFEST.replace("name: claude\n", f"name: {name}\n", 1))
        written(f"more/{name}/service.py", SERVICE)
        written(f"more/{name}/utils.py", f"VOICE = '{name}'")
    manager.discover_extensions(["./more"])

    voices = [manager.load_extension(name, api_key="k").voices for name in ("claude", "other_provider")]

    assert voices == [{"calm"}, {"other_provider"}]


def test_e8_variables_of_the_environment_in_both_styles(
    manager: ExtensionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    monkeypatch.setenv("OPENAI_API_KEY_TIMEOUT", "5")
    monkeypatch.setenv("CLAUDE_API_KEY", "two")

    openai, claude = manager.load_extension("openai"), manager.load_extension("claude")

    assert (openai.api_key, openai.timeout, claude.config["api_key"]) == ("one", 5, "two")


def test_e9_values_given_now_or_in_os_environ(
    manager: ExtensionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExtensionConfigError, match="OPENAI_API_KEY"):
        manager.load_extension("openai")
    given = manager.load_extension("openai", api_key="key", timeout=30)
    assert (given.api_key, given.timeout) == ("key", 30)
    manager.unload_extension("openai")

    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "your-key")

    assert manager.load_extension("openai").api_key == "your-key"


def test_e10_the_default_path_and_several_some_of_which_are_not_there() -> None:
    written("custom_extensions/one.py", DECORATED.format(name="one", model="m", variable="V"))
    manager = ExtensionManager()

    assert sorted(manager.discover_extensions()) == ["claude", "custom", "openai"]
    paths = [
        "./custom_extensions",
        "./third_party_extensions",
        "/opt/gleitzeit/not-there",
    ]
    assert manager.discover_extensions(paths) == ["one"]
    assert sorted(manager.list_available()) == ["claude", "custom", "one", "openai"]
    assert manager.problems == ()


@pytest.mark.anyio
async def test_e11_models_lead_to_extensions(manager: ExtensionManager) -> None:
    assert manager.find_extension_for_model("gpt-4") == "openai"
    assert manager.find_extension_for_model("gpt-5") is None

    models = helpers.get_available_models(manager)
    assert (models["gpt-4"]["extension"], models["gpt-4"]["capabilities"]) == ("openai", ["text"])

    cluster = GleitzeitCluster()
    assert await cluster.find_provider_for_model("gpt-4") is None
    cluster.set_extension_manager(manager)
    assert await cluster.find_provider_for_model("gpt-4") == "openai"


@pytest.mark.anyio
async def test_e12_health_and_a_report(manager: ExtensionManager) -> None:
    assert manager.get_extension_info("openai").get("health", {}) == {}
    manager.load_extension("openai", api_key="k")
    manager.load_extension("claude", api_key="k")
    await manager.start_all_extensions()

    assert manager.get_extension_info("openai").get("health", {}) == {"healthy": True, "provider": "openai"}
    assert manager.get_extension_info("claude").get("health", {}) == {}
    assert await manager.check_health("claude") == {"healthy": True}
    assert manager.get_extension_info("claude").get("health", {}) == {"healthy": True}
    report = helpers.create_extension_summary_report(manager)
    await manager.stop_all_extensions()

    assert report.splitlines()[0] == "Extensions: 3 available, 2 loaded, 2 running"
    assert "openai 1.2.0 (decorator, running): Answers" in report
    assert "  model claude-3 (text, vision)" in report


@pytest.mark.anyio
async def test_e13_the_manager_has_what_its_reference_lists() -> None:
    manager = ExtensionManager(cluster=None)
    assert set(manager.discover_extensions(paths=None)) == set(manager.list_available())
    assert manager.load_extension("openai", api_key="k")
    await manager.start_extension("openai")
    assert manager.get_extension_info("openai")["running"] is True
    await manager.stop_extension("openai")
    manager.unload_extension("openai")
    assert manager.get_extension_info("openai") | {"models": []} == {
        "name": "openai",
        "type": "decorator",
        "version": "1.2.0",
        "description": "Answers",
        "author": "",
        "models": [],
        "capabilities": ["streaming", "function_calling"],
        "dependencies": ["packaging>=20", "pytest>=7.0"],
        "loaded": False,
        "running": False,
    }
    summary = manager.get_summary()
    assert (summary["available_extensions"], summary["loaded_extensions"]) == (3, 0)
    assert summary["extensions"]["by_type"] == {"decorator": 2, "config": 1}


@pytest.mark.anyio
async def test_e14_the_helpers_do_what_they_say(
    manager: ExtensionManager, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, loaded = helpers.create_cluster_with_extensions(
        search_paths=["extensions"],
        extensions=["openai", "claude"],
        extension_configs={"openai": {"api_key": "k"}},
    )
    assert list(loaded.list_loaded()) == ["openai"]
    assert "CLAUDE_API_KEY" in caplog.text
    openai = loaded.load_extension("openai")

    await helpers.start_cluster_with_extensions(cluster, loaded)
    await helpers.stop_cluster_with_extensions(cluster, loaded)

    assert openai.seen == ["setup", "start", "stop"]
    assert sorted(helpers.get_extensions_by_capability(manager, "streaming")) == [
        "claude",
        "custom",
        "openai",
    ]
    assert helpers.get_extensions_by_capability(manager, "vision") == ["claude"]
    assert helpers.validate_all_dependencies(manager)["openai"] == {"valid": True, "missing": []}


@pytest.mark.parametrize(
    ("raised", "base"),
    [
        (ExtensionNotFound, exceptions.ExtensionError),
        (ExtensionConfigError, ExtensionLoadError),
        (ExtensionDependencyError, ExtensionLoadError),
        (ExtensionValidationError, ExtensionLoadError),
    ],
)
def test_p_the_errors_are_there_under_both_names(raised: type, base: type) -> None:
    assert issubclass(raised, base)
    assert getattr(import_module("gleitzeit_extensions"), raised.__name__) is raised
    assert inspect.getdoc(raised)
