"""What the page and the examples show is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.house import House, house
from tests.sdk.subjects import ROOT

SHOWN = re.findall(
    r"```python\n(.*?)```\n\n```text\n(.*?)```", (ROOT / "docs/clients.md").read_text(), re.DOTALL
)
PROVIDERS = {
    "calculator": {"class": "providers.calculator_provider.CalculatorProvider"},
    "echo": {"class": "providers.echo_provider.EchoProvider"},
}
EXAMPLES = {
    "call_from_a_script.py": (["5", "3"], "5.0 + 3.0 = 8.0\n"),
    "stream_a_model.py": (["echo", "Hello, how are you?"], "Hello, how are you? \n"),
    "many_calls_at_once.py": (["20"], "the roots of 0 to 19 sum up to 57.194\n"),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("docs"), PROVIDERS) as h:
        for name in PROVIDERS:
            h.until(name, "RUNNING")
        yield h


def printed(daemon: House, *command: str) -> str:
    """What a program prints that finds the daemon by itself."""
    done = subprocess.run(
        [sys.executable, *command], env=daemon.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_page_has_programs_that_it_shows_the_output_of() -> None:
    assert len(SHOWN) == (ROOT / "docs/clients.md").read_text().count("```python") > 5


@pytest.mark.parametrize(("program", "output"), SHOWN)
def test_a_program_of_the_page_prints_what_the_page_says(daemon: House, program: str, output: str) -> None:
    assert printed(daemon, "-c", program) == output


def test_every_example_is_tried() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} >= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_does_what_it_says(daemon: House, name: str) -> None:
    arguments, output = EXAMPLES[name]

    assert printed(daemon, str(ROOT / "examples" / name), *arguments) == output
