"""Call the calculator, and say what went wrong in words for whoever runs this.

python examples/call_from_a_script.py 5 3
"""

from __future__ import annotations

import sys

from gleitzeit_extensions.client import ClientError, SyncClient


def main(a: float, b: float) -> int:
    with SyncClient() as client:
        try:
            answer = client.with_options(timeout=10).invoke("calculator", "add", a=a, b=b)
        except ClientError as exc:
            print(exc.message, file=sys.stderr)
            return 1
    print(answer["expression"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:3])))
