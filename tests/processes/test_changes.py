"""Plans carried out on real processes: what is replaced, what goes on, and what is put back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gleitzeitd.core.events import Restart, Start, Stop
from gleitzeitd.core.plan import diff
from gleitzeitd.core.process import State
from gleitzeitd.core.spec import CommandTarget, House, Policy, Rules, Spec, Update
from gleitzeitd.processes.changes import SUPERSEDED, Change, Changes
from tests.processes.test_supervisor import Watched
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

SLEEP = "exec sleep 1000"
PATIENCE = 20.0
AT_ONCE = Rules(registers=False, start_seconds=0, stop_timeout=5)
SLOWLY = replace(AT_ONCE, start_seconds=0.2)
START_FIRST, STOP_FIRST = Update.START_FIRST, Update.STOP_FIRST


def spec(script: str = SLEEP, rules: Rules = AT_ONCE, update: Update = START_FIRST, **more: Any) -> Spec:
    """A provider whose settings are its script and its policy, as far as a plan can tell."""
    name, needs = more.pop("name", "p"), more.pop("depends_on", ())
    settings = {"command": script, "restart.policy": rules.policy, **more}
    known = {key: value for key, value in more.items() if key == "instances"}
    target = CommandTarget(("sh", "-c", script))
    return Spec(
        name, "tool", target, rules, update=update, settings=settings, depends_on=needs, where="p:1", **known
    )


class Site:
    def __init__(self, supervisor: Watched, *specs: Spec) -> None:
        self.supervisor = supervisor
        self.house = House("p", specs)
        self.undone = list[str]()
        self.changes = Changes(supervisor, lambda key: key != "command", lambda _: None, self._settled)

    def _settled(self, change: Change) -> None:
        if change.is_undone:
            self.undone.append(change.provider)

    def save(self, *specs: Spec, auto_start: bool = True) -> list[Change]:
        """What was wanted so far becomes that."""
        wanted = House("p", specs, auto_start=auto_start)
        plan = diff(self.house, wanted, lambda key: key != "command")
        self.house = plan.house
        return self.changes.carry_out(plan)

    async def saved(self, *specs: Spec) -> list[str]:
        """The same, and wait until it is done: the failures."""
        changes = self.save(*specs)
        with anyio.fail_after(PATIENCE):
            for change in changes:
                await change.done.wait()
        return [change.failure for change in changes if change.failure]

    def pid(self, name: str = "p") -> int:
        pid = self.supervisor.instances[name].process.pid
        assert pid is not None
        return pid

    async def runs(self, script: str, name: str = "p") -> bool:
        """Whether its process comes to be that, by the kernel's word, once it is loaded."""
        file = Path(f"/proc/{self.pid(name)}/cmdline")
        await eventually_here(lambda: script in file.read_text().replace("\0", " "))
        return True

    async def alone(self, name: str = "p") -> None:
        """Wait until nobody is beside who leads."""
        await self.supervisor.wait_for(lambda: not self.supervisor.beside(name))


@asynccontextmanager
async def running(logs: Path, *specs: Spec) -> AsyncIterator[Site]:
    """All of them up, and whoever changes them."""
    site = Site(Watched(list(specs), logs), *specs)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.supervisor.run)
        await tasks.start(site.changes.run)
        site.supervisor.start_all()
        for name in site.supervisor.instances:
            await site.supervisor.becomes(name, State.RUNNING)
        yield site
        tasks.cancel_scope.cancel()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_old_life_goes_only_when_the_new_one_is_up(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        (change,) = site.save(spec("exec sleep 1001", SLOWLY))
        await site.supervisor.wait_for(lambda: any(i.process.pid for i in site.supervisor.beside("p")))
        assert (site.pid(), is_there(old)) == (old, True)
        await change.done.wait()
        assert change.failure == ""
        assert await site.runs("sleep 1001")
        await site.alone()
        assert not is_there(old)


async def test_a_new_life_that_fails_leaves_the_old_one_where_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        failures = await site.saved(spec("echo no such model >&2; exit 3", SLOWLY))
        await site.alone()
        assert (site.pid(), site.undone) == (old, ["p"])
        assert failures == ["exited with 3: no such model"]


async def test_a_program_that_is_not_there_is_put_back_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        gone = replace(spec("other"), target=CommandTarget(("/no/such/program",)))
        (failure,) = await site.saved(gone)
        assert 'there is no program "/no/such/program"' in failure
        assert site.pid() == old


async def test_stop_first_has_never_two_at_once_and_goes_back_when_it_fails(tmp_path: Path) -> None:
    lock = f"mkdir {tmp_path}/held || exit 9; trap 'rmdir {tmp_path}/held; exit 0' TERM; echo up"
    wait = "while :; do sleep 0.05; done"
    async with running(tmp_path, spec(f"{lock}; {wait}", SLOWLY, STOP_FIRST)) as site:
        assert await site.saved(spec(f"{lock}; : other; {wait}", SLOWLY, STOP_FIRST)) == []
        assert await site.runs(": other")
        assert await site.saved(spec("exit 4", SLOWLY, STOP_FIRST)) == ["exited with 4"]
        await site.supervisor.becomes("p", State.RUNNING)
        assert site.undone == ["p"]
        assert await site.runs(": other")


async def test_what_runs_takes_over_what_it_can(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        assert await site.saved(spec(rules=replace(AT_ONCE, policy=Policy.NEVER))) == []
        assert site.pid() == old
        os.kill(old, 9)
        assert (await site.supervisor.becomes("p", State.EXITED)).reason == "killed by SIGKILL"


async def test_what_gave_up_is_tried_again_when_anything_about_it_changes(tmp_path: Path) -> None:
    async with running(tmp_path, spec(), spec(name="q")) as site:
        (change,) = site.save(spec(), spec(name="q"), spec("exit 127", SLOWLY, name="broken"))
        await change.done.wait()
        assert "exited with 127" in change.failure
        await site.supervisor.becomes("broken", State.FATAL)
        changed = replace(SLOWLY, policy=Policy.ON_FAILURE)
        site.save(spec(), spec(name="q"), spec("exit 127", changed, name="broken"))
        broken = site.supervisor.instances["broken"]
        await site.supervisor.wait_for(lambda: broken.process.generation == 2)


async def test_who_was_stopped_stays_so_and_is_as_wanted_when_it_is_started(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        site.supervisor.tell("p", Stop())
        await site.supervisor.becomes("p", State.STOPPED)
        assert await site.saved(spec("exec sleep 1001")) == []
        assert site.supervisor.instances["p"].process.state is State.STOPPED
        site.supervisor.tell("p", Start())
        await site.supervisor.becomes("p", State.RUNNING)
        assert await site.runs("sleep 1001")


async def test_a_stop_during_a_change_ends_both_lives(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        (change,) = site.save(spec("exec sleep 1001", replace(AT_ONCE, start_seconds=60)))
        await site.supervisor.wait_for(lambda: any(i.process.pid for i in site.supervisor.beside("p")))
        site.supervisor.tell("p", Stop())
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        await site.supervisor.becomes("p", State.STOPPED)
        await site.alone()
        assert change.failure == ""


async def test_the_newest_of_several_changes_wins(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        slow = replace(AT_ONCE, start_seconds=60)
        (first,) = site.save(spec("exec sleep 1001", slow))
        await site.supervisor.wait_for(lambda: any(i.process.pid for i in site.supervisor.beside("p")))
        assert await site.saved(spec("exec sleep 1002")) == []
        assert first.failure == SUPERSEDED
        assert await site.runs("sleep 1002")
        await site.alone()


async def test_a_change_back_to_what_runs_replaces_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        site.save(spec("exec sleep 1001", replace(AT_ONCE, start_seconds=60)))
        await site.supervisor.wait_for(lambda: any(i.process.pid for i in site.supervisor.beside("p")))
        assert await site.saved(spec()) == []
        await site.alone()
        assert site.pid() == old


async def test_after_two_changes_one_goes_back_to_what_was_last_seen_to_work(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        site.save(spec("exec sleep 1001", replace(AT_ONCE, start_seconds=60)))
        assert await site.saved(spec("exit 5", SLOWLY)) == ["exited with 5"]
        assert site.pid() == old


async def test_providers_come_and_go(tmp_path: Path) -> None:
    async with running(tmp_path, spec(), spec(name="q", depends_on=("p",))) as site:
        leaving = [site.pid("p"), site.pid("q")]
        assert await site.saved(spec(name="r")) == []
        assert site.supervisor.instances["r"].process.state is State.RUNNING
        await site.supervisor.wait_for(lambda: list(site.supervisor.instances) == ["r"])
        assert [is_there(pid) for pid in leaving] == [False, False]
        assert site.supervisor.states["q"].index(State.STOPPED) >= 0


async def test_one_that_is_still_going_can_come_back(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    async with running(tmp_path, spec(stubborn, replace(SLOWLY, stop_timeout=0.5))) as site:
        old = site.pid()
        site.save()
        await site.supervisor.becomes("p", State.STOPPING)
        assert await site.saved(spec("exec sleep 1001")) == []
        await site.supervisor.becomes("p", State.RUNNING)
        assert not is_there(old)
        assert await site.runs("sleep 1001")


async def test_what_is_not_to_be_started_by_itself_is_not(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        (change,) = site.save(spec(), spec(name="q"), auto_start=False)
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        assert (change.failure, site.supervisor.instances["q"].process.state) == ("", State.STOPPED)


async def test_instances_come_and_go_without_a_gap(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        old = site.pid()
        assert await site.saved(spec(instances=3)) == []
        assert list(site.supervisor.instances) == ["p#1", "p#2", "p#3"]
        await site.supervisor.wait_for(lambda: not is_there(old))
        pids = [site.pid(f"p#{n}") for n in (1, 2)]
        assert await site.saved(spec(instances=2)) == []
        assert [site.pid(f"p#{n}") for n in (1, 2)] == pids
        assert await site.saved(spec()) == []
        assert list(site.supervisor.instances) == ["p"]


async def test_of_several_instances_one_failure_puts_all_back(tmp_path: Path) -> None:
    """The second of them fails, as the first one has taken what there is only one of."""
    once = f"mkdir {tmp_path}/one && exec sleep 1001"
    async with running(tmp_path, spec(instances=2)) as site:
        (failure,) = await site.saved(spec(once, SLOWLY, instances=2))
        assert "exited with 1" in failure
        await site.supervisor.wait_for(
            lambda: not site.supervisor.beside("p#1") and not site.supervisor.beside("p#2")
        )
        assert await site.runs("sleep 1000", "p#1")
        assert await site.runs("sleep 1000", "p#2")


async def test_a_crash_of_the_old_life_during_a_change_is_no_loss(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        (change,) = site.save(spec("exec sleep 1001", SLOWLY))
        await site.supervisor.wait_for(lambda: any(i.process.pid for i in site.supervisor.beside("p")))
        os.kill(site.pid(), 9)
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        assert change.failure == ""
        assert await site.runs("sleep 1001")
        await site.alone()
        generations = [i.process.generation for i in (site.supervisor.instances["p"],)]
        assert generations == [2]


async def test_a_renewed_provider_has_another_life_of_the_same_kind(tmp_path: Path) -> None:
    async with running(tmp_path, spec(instances=2)) as site:
        before = [site.pid("p#1"), site.pid("p#2")]
        change = site.changes.renew("p")
        assert change is not None
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        after = [site.pid("p#1"), site.pid("p#2")]
        assert (change.failure, set(before) & set(after)) == ("", set())


async def test_a_restart_during_a_change_ends_in_what_is_wanted(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as site:
        (change,) = site.save(spec("exec sleep 1001", SLOWLY))
        site.supervisor.tell("p", Restart())
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        await site.alone()
        assert change.failure == ""
        assert await site.runs("sleep 1001")


async def test_of_what_is_gone_nothing_is_renewed(tmp_path: Path) -> None:
    """Its source may be saved right after it was taken out of the config."""
    async with running(tmp_path, spec(), spec(name="q")) as site:
        site.save(spec(name="q"))
        await site.supervisor.wait_for(lambda: list(site.supervisor.instances) == ["q"])
        assert site.changes.renew("p") is None
        assert site.changes.under_way == ()


@pytest.mark.parametrize("want", [Start(), Restart()])
async def test_what_was_taken_out_is_not_started_any_more(tmp_path: Path, want: Start | Restart) -> None:
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    async with running(tmp_path, spec(stubborn, replace(SLOWLY, stop_timeout=0.5)), spec(name="q")) as site:
        site.save(spec(name="q"))
        await site.supervisor.becomes("p", State.STOPPING)
        site.supervisor.tell("p", want)
        await site.supervisor.wait_for(lambda: list(site.supervisor.instances) == ["q"])
        assert [(name, generation) for name, generation, *_ in site.supervisor.ends] == [("p", 1)]


async def test_one_that_gave_up_does_not_keep_the_others_as_they_were(tmp_path: Path) -> None:
    """It is tried again like them, and what it comes to is told."""
    unless = f'case "$GLEITZEIT_INSTANCE" in *p#1:*) test -e {tmp_path}/well || exit 5;; esac; '
    rules = replace(SLOWLY, initial=0, max_retry_attempts=0, intensity=1)
    names = [f"p#{number}" for number in (1, 2, 3)]
    (tmp_path / "well").touch()
    async with running(tmp_path, spec(unless + SLEEP, rules, instances=3)) as site:
        (tmp_path / "well").unlink()
        os.kill(site.pid("p#1"), 9)
        generation = (await site.supervisor.becomes("p#1", State.FATAL)).generation
        assert await site.saved(spec(unless + "exec sleep 1001", rules, instances=3)) == ["exited with 5"]
        for name in names[1:]:
            assert await site.runs("sleep 1001", name)
        assert site.undone == []
        await site.supervisor.wait_for(
            lambda: site.supervisor.instances["p#1"].process.generation > generation
        )
        (tmp_path / "well").touch()
        assert await site.saved(spec(unless + "exec sleep 1002", rules, instances=3)) == []
        for name in names:
            assert await site.runs("sleep 1002", name)


async def test_the_last_of_two_saves_of_a_source_is_what_runs(tmp_path: Path) -> None:
    """The second comes while a life that has read the first is coming up."""
    source = tmp_path / "source.sh"
    source.write_text("exec sleep 1001")
    async with running(tmp_path, spec(f". {source}", replace(AT_ONCE, start_seconds=0.5))) as site:
        source.write_text("exec sleep 1002")
        site.changes.renew("p")
        await eventually_here(lambda: any(_runs(i.process.pid, "1002") for i in site.supervisor.beside("p")))
        source.write_text("exec sleep 1003")
        change = site.changes.renew("p")
        assert change is not None
        with anyio.fail_after(PATIENCE):
            await change.done.wait()
        assert (change.failure, site.changes.under_way) == ("", ())
        assert await site.runs("sleep 1003")
        await site.alone()


def _runs(pid: int | None, words: str) -> bool:
    return pid is not None and words in Path(f"/proc/{pid}/cmdline").read_text()


async def test_instances_that_come_and_go_leave_no_descriptor_open(tmp_path: Path) -> None:
    def opened() -> list[str]:
        return sorted(link for fd in os.listdir("/proc/self/fd") if (link := _link(fd)))

    script = "echo here; exec sleep 1000"
    async with running(tmp_path, spec(script)) as site:
        await eventually_here(lambda: f"{tmp_path}/p.log" in opened())
        before = len(opened())
        for _ in range(20):
            assert await site.saved(spec(script, instances=3)) == []
            assert await site.saved(spec(script)) == []
        await eventually_here(
            lambda: [link for link in opened() if str(tmp_path) in link] == [f"{tmp_path}/p.log"]
        )
        await eventually_here(lambda: len(opened()) <= before)


def _link(fd: str) -> str:
    """What one of our descriptors is; nothing when it was closed meanwhile."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return ""
