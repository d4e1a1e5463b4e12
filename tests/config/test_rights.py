"""What this machine has and what our rights allow, asked before anything is started."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.config.mistaken import mistakes, place, setting

NOBODY = 4_294_967_294
"""A number that no account has."""
ROOT = 0
OTHER = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != ROOT)


def seem(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    """Have the ids and the limits of somebody."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: uid)
    monkeypatch.setattr("resource.getrlimit", lambda limit: (100, 1000))


# Who we are, the setting, its value, and what is said of it.
WRONG = [
    (ROOT, "user", "rooot", 'there is no user "rooot" (did you mean "root"?)'),
    (ROOT, "user", "''", 'there is no user ""'),
    (ROOT, "user", r'"a\0"', r'there is no user "a\x00"'),
    (ROOT, "user", "-1", 'there is no user "-1"'),
    (ROOT, "user", "4294967295", 'there is no user "4294967295"'),
    (ROOT, "user", "9" * 50, f'there is no user "{"9" * 50}"'),
    (ROOT, "user", str(NOBODY), f'there is no user "{NOBODY}"'),
    (ROOT, "group", "4294967295", 'there is no group "4294967295"'),
    (ROOT, "group", "rooot", 'there is no group "rooot" (did you mean "root"?)'),
    (ROOT, "limits.nofile", "9" * 20, "must be at most "),
    (OTHER, "user", "root", "only a daemon that runs as root can run a provider as another user"),
    (OTHER, "group", "0", "only a daemon that runs as root can run a provider with another group"),
    (OTHER, "nice", "-1", "only a daemon that runs as root can go below 0"),
    (
        OTHER,
        "limits.nofile",
        "1001",
        "must be at most 1000, which is all that this daemon can give, not 1001",
    ),
]
FINE = [
    (ROOT, "user", "root"),
    (ROOT, "user", str(OTHER)),
    (ROOT, "group", str(NOBODY)),
    (ROOT, "nice", "-20"),
    (ROOT, "limits.nofile", "1001"),
    (OTHER, "user", str(OTHER)),
    (OTHER, "group", str(OTHER)),
    (OTHER, "nice", "0"),
    (OTHER, "limits.nofile", "1000"),
]


@pytest.mark.parametrize(("uid", "key", "value", "sentence"), WRONG)
def test_what_cannot_be_had_is_told_before_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, key: str, value: str, sentence: str
) -> None:
    seem(monkeypatch, uid)
    text = setting(f"providers.p.{key}", value)
    (told,) = mistakes(tmp_path, text)

    assert told.startswith(f"{place(text)}: providers.p.{key}: {sentence}")


@pytest.mark.parametrize(("uid", "key", "value"), FINE)
def test_what_can_be_had_is_not_complained_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, key: str, value: str
) -> None:
    seem(monkeypatch, uid)

    assert mistakes(tmp_path, setting(f"providers.p.{key}", value)) == []
