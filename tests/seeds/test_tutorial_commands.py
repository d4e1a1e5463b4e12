"""What the tutorial has its reader type: one test for each row, all at one desk with one daemon."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.client import Capability, SyncClient
from tests.docs.desk import Desk, desk
from tests.house import eventually
from tests.sdk.subjects import a_child

TUTORIAL = Path(__file__).with_name("tutorial")
SERVE = "gleitzeit serve --provider-config config/providers.yaml"
GOES_WELL = ("calculator", "ollama", "streaming", "robust", "smart", "configured", "monitored")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    texts = {
        str(path.relative_to(TUTORIAL)): path.read_text()
        for path in TUTORIAL.rglob("*.*")
        if path.suffix in (".py", ".yaml")
    }
    with desk(tmp_path_factory.mktemp("tutorial")) as d, pytest.MonkeyPatch.context() as here:
        here.setenv("GLEITZEIT_SOCKET", str(d.socket))
        for name, text in texts.items():
            (d.root / name).parent.mkdir(exist_ok=True)
            (d.root / name).write_text(text.replace("http://localhost:8000", d.url))
        d.type(SERVE)
        for name in GOES_WELL:
            d.until(name, "RUNNING")
        yield d


def shown(at: Desk, line: str) -> str:
    """What a command shows that goes well."""
    typed = at.type(line)
    assert typed.status == 0, typed.shown
    return typed.shown


def result(at: Desk, call: str, **args: Any) -> Any:
    return json.loads(shown(at, f"gleitzeit providers invoke {call} --args '{json.dumps(args)}'"))


def test_t1a_t9a_t18b_config_show_tells_what_is_in_effect_and_hides_the_key(at: Desk) -> None:
    text = shown(at, "gleitzeit config show")

    assert "config/providers.yaml:13" in text
    assert f"config.server_url {at.url} config/providers.yaml" in " ".join(text.split())
    assert "sk-1" not in text


def test_t1b_t9c_config_providers_lists_them(at: Desk) -> None:
    assert "my_local_llm_provider.OllamaProvider" in shown(at, "gleitzeit config providers")


def test_t2a_t6a_t9b_t17a_config_validate_goes_well(at: Desk) -> None:
    assert "config/providers.yaml: ok, 8 providers" in shown(at, "gleitzeit config validate")


def test_t2b_t5_t6b_serve_runs_what_the_file_says_as_it_stands(at: Desk) -> None:
    assert f"hub={at.url}" in at.said()
    assert "calculator: running (pid " in at.said()


def test_t3a_the_list_shows_what_each_offers(at: Desk) -> None:
    eventually(lambda: "llama3.2" in at.type("gleitzeit providers list").shown)

    assert "basic-math" in shown(at, "gleitzeit providers list")


def test_t3b_health_is_the_provider_s_own_word(at: Desk) -> None:
    assert "url=http://localhost:11434" in shown(at, "gleitzeit providers health ollama")


def test_t3c_a_model_generates(at: Desk) -> None:
    answer = result(at, "ollama generate", prompt="Hello world!", model="llama3.2")

    assert answer == {"text": "HELLO WORLD!", "model": "llama3.2"}


def test_t6c_the_calculator_calculates_whatever_comment_follows(at: Desk) -> None:
    assert result(at, "calculator add", a=5, b=3) == {"result": 8, "expression": "5 + 3 = 8"}
    line = """gleitzeit providers invoke calculator sin --args '{"x": 1.57}'  # half of it"""
    assert round(json.loads(shown(at, line))["result"], 3) == 1.0


def test_t6d_t20a_health_shows_the_whole_dict(at: Desk) -> None:
    assert 'available_methods=["add", "divide", "sin"]' in shown(at, "gleitzeit providers health calculator")


def test_t20b_monitor_shows_what_one_provider_uses_and_does(at: Desk) -> None:
    result(at, "calculator add", a=5, b=3)

    titles, row, *_ = (
        line.split("  ") for line in shown(at, "gleitzeit monitor --provider calculator").splitlines()
    )

    told = dict(zip(filter(None, map(str.strip, titles)), filter(None, map(str.strip, row)), strict=True))
    assert (told["NAME"], told["STATE"], told["RESTARTS"]) == ("calculator", "RUNNING", "0")
    assert told["CPU"].endswith("%")
    assert told["MEMORY"].endswith(" MiB")
    assert int(told["CALLS"]) >= 1
    assert told["P50"].endswith("s")
    assert told["P99"].endswith("s")


def test_t7_who_pastes_the_reference_is_told_what_to_choose_from(at: Desk) -> None:
    (at.root / "pasted.yaml").write_text(
        "providers:\n  provider_name:\n    enabled: true|false\n    type: llm|tool|extension\n"
        "    class: module.ClassName\n    auto_discover_models: true|false\n"
    )

    typed = at.type("gleitzeit config validate --config-file pasted.yaml")

    assert typed.status == 2
    assert typed.shown.splitlines() == [
        'pasted.yaml:3:14: providers.provider_name.enabled: must be true or false, not "true|false"',
        "pasted.yaml:4:11: providers.provider_name.type: must be 'llm', 'tool' or 'extension', "
        'not "llm|tool|extension"',
        "pasted.yaml:6:27: providers.provider_name.auto_discover_models: must be true or false, "
        'not "true|false"',
    ]


def test_t9d_t9e_a_new_config_file_can_be_made_and_shown(at: Desk) -> None:
    shown(at, "gleitzeit config create --config-file my-providers.yaml")

    assert "calculator" in shown(at, "gleitzeit config show --config-file my-providers.yaml")
    assert at.type("gleitzeit config create --config-file my-providers.yaml").status != 0, "it is there"


def test_t10_a_stream_comes_item_by_item(at: Desk) -> None:
    with SyncClient() as calling:
        items = list(calling.stream("slow-1", "stream", prompt="one two"))

    assert items == [
        {"token": "one", "done": False, "model": "slow-1", "metadata": {"n": 1}},
        {"token": "two", "done": True, "model": "slow-1", "metadata": {"n": 2}},
    ]


def test_t11_a_provider_may_try_again_by_itself(at: Desk) -> None:
    assert result(at, "robust hardy") == 2


def test_t12_discovered_models_are_routed(at: Desk) -> None:
    eventually(lambda: "phi3" in at.type("gleitzeit providers models").shown)
    with SyncClient() as calling:
        assert calling.invoke("phi3", "generate", prompt="hi") == {"text": "HI", "model": "phi3"}


def test_t13_calls_find_a_provider_by_what_it_can_do(at: Desk) -> None:
    with SyncClient() as calling:
        assert calling.invoke(Capability("vision"), "generate", image="...") == "seen"
        assert calling.invoke(Capability("code"), "generate", prompt="some code") == "coded"


def test_t14_a_missing_setting_is_a_mistake_and_no_restart_loop(at: Desk) -> None:
    assert result(at, "configured waits") == 5.5
    told = json.dumps(at.until("misconfigured", "FATAL"))
    assert "exited with 78: cannot make WellConfiguredProvider: api_key is required (" in told
    assert "shapes.py:" in told


def test_t15_a_provider_may_count_what_the_base_class_does(at: Desk) -> None:
    assert result(at, "monitored double", x=21) == 42
    unknown = at.type("gleitzeit providers invoke monitored triple")
    assert (unknown.status, 'has no method "triple"' in unknown.shown) == (4, True)
    health = at.type("gleitzeit providers health monitored").shown
    assert 'metrics={"requests": 2, "errors": 1}' in health


def test_t17b_requirements_can_be_installed(at: Desk) -> None:
    (at.root / "requirements.txt").write_text("aiohttp>=3\n")

    assert "already satisfied" in shown(at, "pip install --no-index -r requirements.txt")


def test_t17c_logs_are_what_a_provider_printed(at: Desk) -> None:
    assert "is connected to the hub" in shown(at, "gleitzeit logs --provider calculator")


def test_t18a_status_shows_who_runs(at: Desk) -> None:
    assert "calculator     RUNNING" in shown(at, "gleitzeit status")


def test_t18c_the_hub_answers_curl(at: Desk) -> None:
    assert "Invalid transport" in shown(at, f"curl -s {at.url}/socket.io/")


def test_t19_the_class_can_be_imported(at: Desk) -> None:
    shown(at, """python -c 'from my_calculator_provider import CalculatorProvider'""")


def test_t21_an_author_s_own_logging_is_kept(at: Desk) -> None:
    result(at, "monitored double", x=1)

    assert "INFO mine Completed double request in 0s" in shown(at, "gleitzeit logs --provider monitored")


@pytest.mark.parametrize("kind", ["llm", "tool", "extension"], ids=["t22a", "t22b", "t22c"])
def test_t22_a_template_is_a_provider_that_can_be_loaded(at: Desk, kind: str) -> None:
    name = f"my_{kind}_provider"

    shown(at, f"gleitzeit providers create-template --type {kind} --name {name}")

    assert (at.root / name / f"{name}.py").exists()
    assert "ok, 1 provider" in shown(at, f"gleitzeit config validate --config-file {name}/providers.yaml")
    assert at.type(f"gleitzeit providers create-template --type {kind} --name {name}").status != 0


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_t4_t20c_by_hand_it_logs_what_it_is_asked_to_and_ctrl_c_ends_it(at: Desk) -> None:
    # Nobody listens there: it goes on trying.
    env = {"PYTHONPATH": ".", "LOG_LEVEL": "DEBUG", "GLEITZEIT_HUB_URL": at.url.replace("8000", "1")}
    async with a_child(sys.executable, "my_calculator_provider.py", cwd=at.root, env=env) as child:
        await child.says("waiting for the hub")
        child.process.send_signal(signal.SIGINT)
        assert await child.ended() == 0

    assert "Provider: calculator, tool, arithmetic, trigonometry" in child.text
    assert "DEBUG __main__: a word for whoever looks closely" in child.text
    assert child.lines[-2:] == ["Stopping provider...", "Goodbye!"]
