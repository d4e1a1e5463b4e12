"""`token` as a process against a fake daemon: what is refused before anything is asked, and how."""

from __future__ import annotations

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, refusal, reply

CREATED = {"name": "ci", "scopes": ["observe", "invoke:*"], "token": "gz_1", "expires": None}


def test_a_token_may_have_several_scopes(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(CREATED, 201))

    done = ctl("token", "create", "ci", "--scope", "observe", "--scope", "invoke:*")

    assert (done.returncode, done.stdout) == (0, "gz_1\n")
    assert daemon.requests[0].body["scopes"] == ["observe", "invoke:*"]
    assert "repeat it for more" in " ".join(ctl("token", "create", "--help").stdout.split())


@pytest.mark.parametrize("scope", ["observe,invoke:*", "observe invoke:*", ""])
def test_several_scopes_in_one_option_are_refused_with_the_way_out(
    daemon: FakeDaemon, ctl: Ctl, scope: str
) -> None:
    done = ctl("token", "create", "ci", "--scope", scope)

    assert (done.returncode, done.stdout, daemon.requests) == (2, "", [])
    assert done.stderr == f'gleitzeitctl: --scope takes one scope, not "{scope}": repeat --scope for more\n'


@pytest.mark.parametrize(
    ("option", "value"), [("--expires", "100000d"), ("--expires", "0s"), ("--rate", "0"), ("--rate", "nan")]
)
def test_what_cannot_be_is_named_as_it_was_written(
    daemon: FakeDaemon, ctl: Ctl, option: str, value: str
) -> None:
    done = ctl("token", "create", "ci", "--scope", "observe", option, value)

    assert (done.returncode, daemon.requests) == (2, [])
    assert done.stderr.startswith(f"gleitzeitctl: {option} takes ")
    assert done.stderr.endswith(f", not {value}\n")


def test_to_revoke_what_is_no_token_ends_with_not_found(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("not_found.token", 'there is no token "nope"', 404))

    assert ctl("token", "revoke", "nope").returncode == 4
