"""Print a model's answer as it comes; Ctrl-C stops the model, too.

python examples/stream_a_model.py echo "Hello, how are you?"
"""

from __future__ import annotations

import sys

from gleitzeit_extensions.client import Model, SyncClient


def main(model: str, prompt: str) -> None:
    with SyncClient() as client, client.stream(Model(model), "stream", prompt=prompt) as items:
        for item in items:
            print(item["token"], end="", flush=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:3])
