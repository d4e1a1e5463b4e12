"""What scopes, rates and the file of tokens mean, without a connection."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.keeper import Keeper
from gleitzeitd.hub.access.rates import Bucket
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import OF_THIS_MACHINE, Grant, Tokens

MINUTE = 60.0


def grant(*scopes: str) -> Grant:
    return Grant(name="ci", scopes=tuple(map(Scope.read, scopes)))


@pytest.mark.parametrize(
    ("pattern", "name", "covers"),
    [
        ("gpt-4", "gpt-4", True),
        ("gpt-4", "gpt-40", False),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "my-gpt-4", False),
        ("*", "", True),
        ("*-mini", "gpt-4-mini", True),
        ("a*a", "a", False),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*a*", "b\na\nb", True),
        ("a.c", "abc", False),
    ],
)
def test_a_star_in_a_scope_stands_for_any_text(pattern: str, name: str, covers: bool) -> None:
    assert grant(f"invoke:{pattern}").may_invoke(name) is covers


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """A regular expression of as many would not end."""
    assert not grant("invoke:" + "a*" * 90 + "b").may_invoke("a" * 100_000)


def test_a_scope_of_one_kind_allows_nothing_of_another() -> None:
    def rights(its: Grant) -> tuple[bool, ...]:
        return its.may_invoke("x"), its.may_provide("x"), its.may_observe, its.is_admin

    assert {scope: rights(grant(scope)) for scope in ("invoke:x", "provide:x", "observe", "admin")} == {
        "invoke:x": (True, False, False, False),
        "provide:x": (False, True, False, False),
        "observe": (False, False, True, False),
        "admin": (True, True, True, True),
    }


def test_who_may_call_a_provider_may_call_each_instance_of_it() -> None:
    assert grant("invoke:calculator").may_invoke("calculator#2")
    assert not grant("invoke:calculator#1").may_invoke("calculator#2")


def test_a_child_may_call_and_see_nothing() -> None:
    child = Grant("tool#1", 3)
    assert not child.may_invoke("x")
    assert not child.may_provide("tool")
    assert not child.may_observe
    assert not child.is_admin


def test_the_token_of_this_machine_takes_no_name_that_the_daemon_runs() -> None:
    assert OF_THIS_MACHINE.may_provide("tool")
    assert not OF_THIS_MACHINE.may_join("tool")
    assert grant("provide:tool").may_join("tool")
    assert not OF_THIS_MACHINE.is_admin


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [
        ("obsrve", "there is no scope 'obsrve' (did you mean \"observe\"?)"),
        ("invok:x", "there is no scope 'invok:x' (did you mean \"invoke\"?)"),
        ("", "there is no scope '' (provide:NAME, invoke:NAME, observe, admin)"),
        ("invoke", 'the scope "invoke" needs the name of what it is for, such as invoke:calculator, '),
        ("provide:", 'the scope "provide" needs the name of what it is for, such as provide:calculator, '),
        ("admin:x", 'the scope "admin" stands alone: write it without ":"'),
        ("invoke:\x1b[2J", 'the scope "invoke" needs the name of what it is for'),
    ],
)
def test_a_scope_that_is_none_is_refused_in_words(scope: str, sentence: str) -> None:
    with pytest.raises(CallError) as refusal:
        Scope.read(scope)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.message.startswith(sentence)


# Rates.


def test_a_bucket_holds_one_second_of_calls() -> None:
    bucket = Bucket(5, now=0)
    assert [bucket.take(0) for _ in range(6)] == [0, 0, 0, 0, 0, pytest.approx(0.2)]
    assert bucket.take(0.2) == 0
    assert bucket.take(0.3) == pytest.approx(0.1)
    assert [bucket.take(100) for _ in range(6)][4:] == [0, pytest.approx(0.2)], "and no more after a rest"


def test_a_rate_below_one_still_allows_one_call() -> None:
    bucket = Bucket(0.1, now=0)
    assert bucket.take(0) == 0
    assert bucket.take(5) == pytest.approx(5)
    assert bucket.take(10) == 0


# What is kept.


class Kept:
    """A keeper, its file, and whom it sent away."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text or ""
        self.gone: list[str] = []
        self.tokens = Tokens("local")
        self.keeper = Keeper(self.tokens, text, self.write, lambda grant: self.gone.append(grant.name))

    def write(self, text: str) -> None:
        self.text = text

    async def create(
        self, name: str, *scopes: str, lasts: float | None = None, rate: float | None = None
    ) -> str:
        _, token = await self.keeper.create(name, tuple(map(Scope.read, scopes)), lasts, rate)
        return token


@pytest.mark.anyio
async def test_a_token_outlives_the_daemon_that_made_it() -> None:
    before = Kept()
    token = await before.create("ci", "invoke:*", lasts=MINUTE, rate=2)

    after = Kept(before.text)

    found = after.tokens.check(token)
    assert found is not None
    assert found == before.tokens.check(token)
    assert (found.name, found.rate, found.may_invoke("x"), found.may_observe) == ("ci", 2, True, False)
    assert found.expires is not None


@pytest.mark.anyio
async def test_the_file_tells_nobody_the_token() -> None:
    kept = Kept()
    token = await kept.create("ci", "admin")

    assert token.startswith("gz_")
    assert len(token) == 3 + 64
    assert token not in kept.text
    assert token[3:] not in kept.text
    assert token not in json.dumps([one.view() for one in kept.keeper.all()])


@pytest.mark.anyio
async def test_a_revoked_token_is_good_no_more_and_its_holders_are_sent_away() -> None:
    kept = Kept()
    token = await kept.create("ci", "observe")
    await kept.keeper.revoke("ci")

    assert kept.tokens.check(token) is None
    assert kept.gone == ["ci"]
    assert Kept(kept.text).tokens.check(token) is None
    with pytest.raises(CallError, match='there is no token "ci"') as caught:
        await kept.keeper.revoke("ci")
    assert (caught.value.code, caught.value.meaning.http) == ("not_found.token", 404)


@pytest.mark.anyio
async def test_a_revoked_token_is_good_no_more_though_the_disk_is_full() -> None:
    kept = Kept()
    token = await kept.create("ci", "observe")

    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    kept.keeper._write = full
    with pytest.raises(CallError, match=r"the tokens cannot be kept: .*No space left"):
        await kept.keeper.revoke("ci")
    assert kept.tokens.check(token) is None
    with pytest.raises(CallError, match="cannot be kept"):
        await kept.create("other", "observe")
    assert [one.grant.name for one in kept.keeper.all()] == ["ci"], "what is not kept is not made"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ci", 'there is a token "ci" already'),
        ("local", '"local" is the token of this machine'),
        ("", "'' is no name for a token"),
        ("../x", "'../x' is no name for a token"),
        (".hidden", "'.hidden' is no name"),
        ("\u00e4", r"'\\xe4' is no name"),
        ("a" * 101, "is no name for a token"),
    ],
)
async def test_a_name_that_cannot_be_is_refused_in_words(name: str, sentence: str) -> None:
    kept = Kept()
    await kept.create("ci", "observe")
    with pytest.raises(CallError, match=sentence):
        await kept.create(name, "observe")
    assert [one.grant.name for one in kept.keeper.all()] == ["ci"]


@pytest.mark.anyio
async def test_who_holds_an_expired_token_is_sent_away() -> None:
    kept = Kept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keeper.run)
        await kept.create("later", "observe", lasts=MINUTE)
        await kept.create("soon", "observe", lasts=0.05)
        with anyio.fail_after(10):
            while not kept.gone:  # noqa: ASYNC110 - what is waited for is a list
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert set(kept.gone) == {"soon"}


@pytest.mark.anyio
async def test_when_a_token_was_used_last_is_kept_at_the_end() -> None:
    kept = Kept()
    token = await kept.create("ci", "observe")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keeper.run)
        await anyio.lowlevel.checkpoint()
        found = kept.tokens.check(token)
        assert found is not None
        kept.tokens.note_use(found)
        tasks.cancel_scope.cancel()
    (again,) = Kept(kept.text).keeper.all()
    assert again.used == kept.tokens.used["ci"]


def damaged(**wrong: object) -> str:
    good = {"name": "ci", "scopes": ["observe"], "created": 1.0, "expires": None, "used": None, "rate": None}
    return json.dumps({"tokens": [{**good, "sha256": "00" * 32, **wrong}]})


def test_a_file_is_taken_for_what_it_says() -> None:
    assert [one.name for one in (named.grant for named in Kept(damaged()).keeper.all())] == ["ci"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "[" * 100_000, '{"tokens": [{}]}', '{"tokens": [{"name": 1, "scopes": ["x"]}]}'),
        *(damaged(name="local"), damaged(name="c i"), damaged(sha256="00"), damaged(created="now")),
        *(damaged(expires="soon"), damaged(expires=float("nan")), damaged(rate="9"), damaged(rate=0)),
        damaged()[:-2] + ", " + damaged().removeprefix('{"tokens": ['),
    ],
)
def test_a_file_that_is_damaged_is_not_taken_for_an_empty_one(text: str) -> None:
    with pytest.raises(ValueError, match="no list of tokens"):
        Kept(text)


def test_the_file_is_for_the_daemon_alone_and_written_whole(tmp_path: Path) -> None:
    from gleitzeitd import premises

    path = tmp_path / "tokens.json"
    path.write_text("old")
    path.chmod(0o666)
    draft = tmp_path / "tokens.json.draft"
    draft.symlink_to(tmp_path / "elsewhere")

    premises.keep(path, "new")

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tokens.json"]


def test_two_daemons_of_one_user_keep_their_tokens_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleitzeitd import premises

    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    one, other = (premises.tokens_file(f"/run/{name}/gleitzeitd.sock") for name in ("a", "b"))

    assert one != other
    assert one == premises.tokens_file("/run/a/gleitzeitd.sock")
    assert one.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.anyio
async def test_a_full_disk_keeps_no_token_good_and_says_what_is_left_to_do() -> None:
    kept = Kept()
    token = await kept.create("ci", "observe")
    written, full = kept.text, True

    def write(text: str) -> None:
        if full:
            raise OSError(28, "No space left on device")
        kept.write(text)

    kept.keeper._write = write
    with pytest.raises(CallError, match=r"good no more until the daemon restarts.*No space.*revoke it again"):
        await kept.keeper.revoke("ci")
    assert kept.tokens.check(token) is None
    assert kept.text == written

    full = False
    await kept.keeper.revoke("ci")
    assert Kept(kept.text).keeper.all() == []


@pytest.mark.anyio
async def test_who_hangs_up_while_a_token_is_written_does_not_mix_it_with_the_next() -> None:
    kept, entered, go = Kept(), threading.Event(), threading.Event()
    inside: list[int] = []
    most: list[int] = []

    def write(text: str) -> None:
        inside.append(1)
        most.append(len(inside))
        entered.set()
        go.wait(10)
        inside.pop()
        kept.write(text)

    kept.keeper._write = write
    first = asyncio.create_task(kept.create("one", "observe"))
    await asyncio.to_thread(entered.wait, 10)
    # as aiohttp does it when somebody hangs up
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(kept.create("two", "observe"))
    await asyncio.sleep(0.05)
    go.set()
    await second

    assert max(most) == 1
    assert [one.grant.name for one in Kept(kept.text).keeper.all()] == ["two"]
