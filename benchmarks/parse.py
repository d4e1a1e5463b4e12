"""A fresh process that reads one config file: with the parser alone, or with all that our daemon does.

`python -P parse.py ruamel|load FILE` prints the milliseconds, without its imports.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path


def ruamel(path: str) -> Callable[[], object]:
    from ruamel.yaml import YAML

    yaml, text = YAML(), Path(path).read_text()
    return lambda: yaml.load(text)


def load(path: str) -> Callable[[], object]:
    from gleitzeitd.config.load import load

    return lambda: load(path)


WAYS = {way.__name__: way for way in (ruamel, load)}

if __name__ == "__main__":
    work = WAYS[sys.argv[1]](sys.argv[2])
    began = time.perf_counter()
    work()
    print((time.perf_counter() - began) * 1000)
