"""Find the extensions beside this file, load one, ask it something, and tell what there is.

OPENAI_API_KEY=sk-... python examples/extensions/extension_usage_demo.py "Hello!"
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gleitzeit_extensions import ExtensionManager
from gleitzeit_extensions.exceptions import ExtensionError
from gleitzeit_extensions.helpers import create_extension_summary_report, get_available_models


async def main(prompt: str, model: str) -> int:
    manager = ExtensionManager()
    manager.discover_extensions([str(Path(__file__).parent)])
    for problem in manager.problems:
        print(f"problem: {problem}", file=sys.stderr)
    for name, about in get_available_models(manager).items():
        print(f"{name}: by {about['extension']}, for {', '.join(about['capabilities'])}")

    found = manager.find_extension_for_model(model)
    if found is None:
        print(f"no extension has {model}", file=sys.stderr)
        return 1
    try:
        # What is not given here comes from the environment, or is at its default.
        extension = manager.load_extension(found)
        await manager.start_extension(found)
    except ExtensionError as exc:
        print(exc, file=sys.stderr)
        return 1
    try:
        print((await extension.generate(prompt, model=model))["text"])
        print(await manager.check_health(found))
        print(create_extension_summary_report(manager))
    finally:
        await manager.stop_all_extensions()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], os.environ.get("MODEL", "gpt-4o-mini"))))
