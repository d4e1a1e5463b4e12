"""`make audit` says what is known to be weak, and never takes silence for a good answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {
    "name": "weak",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1", "3.0"], "description": "bad"}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "nobody answered"}


def audited(tmp_path: Path, answers: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What is said where pip-audit answers that about each file."""
    (tmp_path / "answers").write_text(json.dumps(answers))
    (tmp_path / "pip_audit.py").write_text(
        "import json, pathlib, sys\n"
        "answers = json.loads(pathlib.Path(__file__).with_name('answers').read_text())\n"
        "print(answers[sys.argv[-1]])\n"
        "sys.exit('a traceback\\nERROR: no such host')\n"
    )
    return subprocess.run(
        [sys.executable, "-S", ROOT / "tools/audit.py", *answers],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )


def answer(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_what_is_known_to_be_weak_is_named_with_what_mends_it_once(tmp_path: Path) -> None:
    done = audited(tmp_path, {"a.txt": answer(SOUND, WEAK), "b.txt": answer(WEAK)})
    assert done.stdout.splitlines() == [
        "weak 2.0: PYSEC-1 CVE-1: mended in 2.1 or 3.0",
        "known weaknesses: 1, in 3 pins of a.txt, b.txt",
    ]
    assert done.returncode == 1


def test_nothing_known_is_success(tmp_path: Path) -> None:
    done = audited(tmp_path, {"a.txt": answer(SOUND)})
    assert (done.stdout, done.returncode) == ("known weaknesses: 0, in 1 pins of a.txt\n", 0)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (answer(SOUND, UNKNOWN), "no answer about 1 of the 2 packages in b.txt: nobody answered. Try again"),
        ("", "could not ask about b.txt: ERROR: no such host. Try again"),
    ],
)
def test_what_could_not_be_asked_is_not_taken_for_good(tmp_path: Path, said: str, sentence: str) -> None:
    """pip-audit itself ends with 0 when the service knows none of the packages."""
    done = audited(tmp_path, {"a.txt": answer(SOUND), "b.txt": said})
    assert sentence in done.stderr
    assert done.stderr.startswith("cannot audit: ")
    assert len(done.stderr.splitlines()) == 1
    assert (done.stdout, done.returncode) == ("", 2)


def test_its_own_pins_have_hashes_and_name_no_address() -> None:
    pinned = (ROOT / "tools/audit.txt").read_text()
    assert "pip-audit==" in pinned
    assert "://" not in pinned
    for block in re.findall(r"^\w\S*==.*?(?=^\S|\Z)", pinned, re.MULTILINE | re.DOTALL):
        assert "--hash=sha256:" in block, block
