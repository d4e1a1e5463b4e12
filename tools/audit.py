"""Says which known weaknesses are in what requirements files pin.

`python tools/audit.py FILE...` asks the vulnerability service of the package index, with pip-audit, about
every version that the files pin; nothing of them is installed. Ends with 0 when no weakness is known, 1 when
some are, and 2 when something was not answered: what could not be asked is not taken for good.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

ASK = ("-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


def main(files: list[str]) -> int:
    pinned, weak = 0, dict[str, None]()
    for file in files:
        done = subprocess.run([sys.executable, *ASK, "-r", file], capture_output=True, text=True)
        try:
            found = json.loads(done.stdout)["dependencies"]
        except ValueError:
            last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            return untold(f"pip-audit could not ask about {file}: {last[0]}")
        if unknown := [one for one in found if "skip_reason" in one]:
            return untold(
                f"there was no answer about {len(unknown)} of the {len(found)} packages in {file}: "
                f"{unknown[0]['skip_reason']}"
            )
        pinned += len(found)
        weak |= dict.fromkeys(line for one in found for line in weaknesses(one))
    print(*weak, sep="\n", end="\n" if weak else "")
    print(f"known weaknesses: {len(weak)}, in {pinned} pins of {', '.join(files)}")
    return 1 if weak else 0


def weaknesses(package: Mapping[str, Any]) -> Iterator[str]:
    for one in package["vulns"]:
        names = " ".join([one["id"], *one["aliases"]])
        mended = " or ".join(one["fix_versions"]) or "no version yet"
        yield f"{package['name']} {package['version']}: {names}: mended in {mended}"


def untold(why: str) -> int:
    print(
        f"cannot audit: {why}. Try again where the package index itself is reached, not only a mirror of it.",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
