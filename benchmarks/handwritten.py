"""Ours with a providers.yaml as people write it: a setting a line, with comments and variables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from benchmarks.gleitzeit import Gleitzeit

HEAD = """\
# What runs on this machine.
global:
  default_server_url: {url}
  auto_start: {auto_start}

providers:
"""
BLOCK = """\
  # Provider {number}: what it is for stands in its description.
  {name}:
    enabled: true
    type: tool
    command: {command}
    description: Provider number {number}, which waits to be called
    env:
      MODEL_PATH: /srv/models/{name}
      LOG_LEVEL: info
      REGION: "{number}"

"""


class Handwritten(Gleitzeit):
    """Ours with such a file."""

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        self.save(self.config, written(self.url, children))


def written(url: str, children: Mapping[str, Sequence[str]], *, auto_start: bool = True) -> str:
    """The file for these commands, in their order."""
    blocks = (
        BLOCK.format(number=number, name=name, command=json.dumps(list(argv)))
        for number, (name, argv) in enumerate(children.items())
    )
    return HEAD.format(url=url, auto_start=json.dumps(auto_start)) + "".join(blocks)


def with_edited_comment(text: str, number: int, edition: int) -> str:
    """`text` with another comment above the block of that number, and nothing else changed."""
    begin = text.index(f"# Provider {number}:")
    end = text.index("\n", begin)
    return f"{text[:begin]}# Provider {number}: edition {edition}.{text[end:]}"
