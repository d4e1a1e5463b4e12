"""docs/metrics.md before Prometheus' own tools: what is scraped, the alerts, and every query."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, eventually, house
from tests.services.ports import free_port
from tests.services.prometheus import Prometheus, prometheus

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
SCRAPES, RULES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
QUERIES = re.findall(r"^\| .* \| `(.*)` \|$", PAGE.partition("\n## Questions\n")[2], re.MULTILINE)
PROVIDERS = {
    "calculator": {"class": "providers.calculator_provider.CalculatorProvider", "instances": 2},
    "mistaken": {"command": ["sh", "-c", "exit 78"]},
}


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def daemon(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("house")
    with house(root, PROVIDERS, settings={"default_server_url": f"http://{address}"}) as made:
        made.until("calculator#2", "RUNNING")
        made.until("mistaken", "FATAL")
        made.invoke("calculator", "add", {"a": 5, "b": 3})
        yield made


@pytest.fixture(scope="module")
def scraping(daemon: House, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With the page's own config, but for the address and the place of the token."""
    home = tmp_path_factory.mktemp("prometheus")
    token = home / "token"
    token.write_text(daemon.ctl("token", "create", "prometheus", "--scope", "observe").stdout)
    config = SCRAPES.replace("localhost:8000", address).replace("/etc/prometheus/gleitzeit.token", str(token))
    assert config.count(address) == config.count(str(token)) == 1
    with prometheus(home, f"global: {{scrape_interval: 1s}}\n{config}") as made:
        eventually(lambda: made.ask("gleitzeit_instance_up"), "it has scraped")
        yield made


def promtool(here: Path, *words: str, given: str = "") -> None:
    done = subprocess.run(["promtool", *words], cwd=here, input=given, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_alerts_wake_for_what_they_say_and_for_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "gleitzeit.rules.yml").write_text(RULES)
    shutil.copy(ROOT / "tests/services/alerts.yaml", tmp_path)

    promtool(tmp_path, "check", "rules", "--lint-fatal", "gleitzeit.rules.yml")
    promtool(tmp_path, "test", "rules", "alerts.yaml")


def test_every_alert_is_tried() -> None:
    tried = (ROOT / "tests/services/alerts.yaml").read_text()
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert alerts
    assert [alert for alert in alerts if f"alertname: {alert}" not in tried] == []


def test_what_is_told_is_what_metrics_should_be(daemon: House, tmp_path: Path) -> None:
    asks = ["curl", "-sS", "--unix-socket", str(daemon.socket), "http://d/metrics"]
    shown = subprocess.run(asks, capture_output=True, text=True)
    assert "gleitzeit_calls_total" in shown.stdout
    promtool(tmp_path, "check", "metrics", given=shown.stdout)


def test_an_instance_keeps_its_name_and_its_machine_is_told(scraping: Prometheus, address: str) -> None:
    """Broken once by leaving out honor_labels: the name was that of the address."""
    labels = [one["metric"] for one in scraping.ask("gleitzeit_instance_up")]
    found = {(label["instance"], label["host"]) for label in labels}
    assert found == {("calculator#1", address), ("calculator#2", address), ("mistaken", address)}


def test_what_has_given_up_is_seen(scraping: Prometheus) -> None:
    (expression,) = re.findall(r"alert: InstanceGaveUp\n.*\n +expr: (.*)\n", RULES)
    assert [one["metric"]["instance"] for one in scraping.ask(expression)] == ["mistaken"]


@pytest.mark.parametrize("query", QUERIES)
def test_every_question_can_be_asked(scraping: Prometheus, query: str) -> None:
    scraping.ask(query)


def test_there_are_questions_and_those_about_now_have_answers(scraping: Prometheus) -> None:
    assert len(QUERIES) > 10
    (states,) = (query for query in QUERIES if query.startswith("count"))
    assert {one["metric"]["state"]: one["value"][1] for one in scraping.ask(states)} == {
        "RUNNING": "2",
        "FATAL": "1",
    }
