"""Files below roots: what is read and written, and that nothing leads out of them. On real directories."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from stat import S_ISDIR
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeit_extensions import CallError, InvalidRequest
from gleitzeit_extensions.testing import serving
from providers import file_search, file_writing
from providers.file_provider import FileProvider
from providers.file_search import Pattern
from tests.house import eventually
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

SECRET = "nobody is to read this"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(SECRET)
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("Grüße\nzweite Zeile\n")
    (root / "sub" / "b.py").write_text("import os\nIMPORT = 1\n")
    return root


@pytest.fixture
def files(root: Path) -> FileProvider:
    return FileProvider(roots={"docs": str(root)}, read_only=False, name="files")


# What is read


async def test_a_file_is_read_as_text_or_bytes(files: FileProvider) -> None:
    text = await files.invoke("read", path="docs/a.txt")
    raw = await files.invoke("read", path="docs/a.txt", encoding="base64", offset=2, limit=3)

    assert text["content"] == "Grüße\nzweite Zeile\n"
    assert text["size"] == 21
    assert not text["truncated"]
    assert "next" not in text
    assert base64.b64decode(raw["content"]) == "Grüße".encode()[2:5]
    assert raw["truncated"]
    assert raw["next"] == 5


@given(text=st.text(max_size=60), limit=st.integers(1, 12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_parts_of_a_text_make_the_whole(
    files: FileProvider, root: Path, text: str, limit: int
) -> None:
    (root / "parts").write_bytes(text.encode())

    read, at = "", 0
    while True:
        part = await files.invoke("read", path="docs/parts", offset=at, limit=limit)
        read += part["content"]
        if not part["truncated"]:
            break
        at = part["next"]

    assert read == text


async def test_what_is_no_text_is_refused_with_the_way_out(files: FileProvider, root: Path) -> None:
    (root / "raw").write_bytes(b"ok\xff\xfe")

    with pytest.raises(InvalidRequest, match=r'"docs/raw" is no UTF-8 text at byte 2.*encoding "base64"'):
        await files.invoke("read", path="docs/raw")


async def test_no_more_is_read_at_once_than_the_config_allows(root: Path) -> None:
    files = FileProvider(roots=[str(root)], largest_read=4, name="files")

    answer = await files.invoke("read", path="root/a.txt", limit=1000)

    assert answer["content"] == "Grü"
    assert answer["next"] == 4


async def test_a_directory_is_listed_page_by_page(files: FileProvider, root: Path) -> None:
    for name in "cde":
        (root / name).touch()
    (root / "link").symlink_to("a.txt")
    (root / os.fsdecode(b"\xff")).touch()

    pages = [await files.invoke("list", path="docs", limit=4)]
    while pages[-1]["truncated"]:
        pages.append(await files.invoke("list", path="docs", limit=4, after=pages[-1]["next"]))

    found = {entry["path"]: entry["type"] for page in pages for entry in page["entries"]}
    names = ["a.txt", "c", "d", "e", "link", "sub"]
    assert list(found) == [f"docs/{name}" for name in names]
    assert (found["docs/link"], found["docs/sub"]) == ("link", "directory")
    assert (await files.invoke("list"))["entries"] == [{"path": "docs", "type": "directory"}]


async def test_it_is_told_what_a_file_is(files: FileProvider, root: Path) -> None:
    os.chmod(root / "a.txt", 0o640)
    os.utime(root / "a.txt", (0, 0))

    assert await files.invoke("stat", path="docs/a.txt") == {
        "path": "docs/a.txt",
        "type": "file",
        "size": 21,
        "modified": "1970-01-01T00:00:00.000+00:00",
        "mode": "640",
    }
    assert (await files.invoke("stat", path="docs/"))["type"] == "directory"


# What is found


async def test_files_are_found_by_name_and_lines_by_text(files: FileProvider, root: Path) -> None:
    (root / "sub" / "binary.py").write_bytes(b"import\0")
    named = await files.invoke("search", path="docs", glob="*.py")
    exact = await files.invoke("search", path="docs", text="import")
    folded = await files.invoke("search", path="docs", glob="sub/*", text="IMPORT", ignore_case=True)

    assert [match["path"] for match in named["matches"]] == ["docs/sub/b.py", "docs/sub/binary.py"]
    assert exact["matches"] == [{"path": "docs/sub/b.py", "line": 1, "text": "import os"}]
    assert exact["skipped"] == 1
    assert [match["line"] for match in folded["matches"]] == [1, 2]


@pytest.mark.parametrize(
    ("glob", "names", "fits"),
    [
        ("*.py", "a.py", True),
        ("*.py", "x/y/a.py", True),
        ("x/*.py", "x/y/a.py", False),
        ("x/**/*.py", "x/y/z/a.py", True),
        ("x/**/*.py", "x/a.py", True),
        ("x/**", "y", False),
        ("**/b/**/b/c", "b/a/b/b/c", True),
        ("**/b/**/b/c", "b/c", False),
        ("[ab]?", "ac", True),
        ("x/**/**", "x", True),
    ],
)
def test_a_glob_is_like_that_of_a_shell(glob: str, names: str, fits: bool) -> None:
    assert Pattern(glob).fits(tuple(names.split("/"))) == fits


def test_no_glob_takes_long() -> None:
    names = tuple("a" * 40)
    for glob in ("**/a/" * 24 + "b", "*a" * 120 + "b"):
        assert not Pattern(glob).fits(names)
        assert not Pattern(glob).fits(("a" * 255,))


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("MOST_ENTRIES", 1, "entries"), ("MOST_BYTES", 1, "bytes"), ("LONGEST_SEARCH", 0.0, "too long")],
)
async def test_a_search_ends_early_and_says_why(
    files: FileProvider, limit: str, value: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "file_provider" if limit == "LONGEST_SEARCH" else "file_search"
    monkeypatch.setattr(f"providers.{module}.{limit}", value)

    answer = await files.invoke("search", path="docs", text="z")

    assert answer["truncated"]
    assert reason in answer["reason"]


async def test_millions_of_lines_are_not_held_at_once_and_end_with_the_time(
    files: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "lines").write_bytes(b"ab\n" * 100_000 + b"needle")
    monkeypatch.setattr(file_search, "LARGEST_FILE", 1024 * 1024)
    tracemalloc.start()
    try:
        found = await files.invoke("search", path="docs", text="needle")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    clock = iter([0.0])  # of its look at the file before
    monkeypatch.setattr(file_search, "LINES", 10)
    monkeypatch.setattr(file_search, "time", SimpleNamespace(monotonic=lambda: next(clock, 1e9)))
    late = await files.invoke("search", path="docs", glob="lines", text="needle")

    assert found["matches"] == [{"path": "docs/lines", "line": 100_001, "text": "needle"}]
    assert peak < 4_000_000
    assert late["matches"] == []
    assert late["reason"] == "it took too long"


async def test_more_matches_than_were_wanted_are_told_of(files: FileProvider) -> None:
    answer = await files.invoke("search", path="docs", limit=1)

    assert [match["path"] for match in answer["matches"]] == ["docs/a.txt"]
    assert answer["reason"] == "there are more than 1 matches"


async def test_a_search_that_nobody_waits_for_ends(
    files: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def looked(self: file_search.Search, *_: object) -> None:
        begun.set()
        assert self.stopped.wait(10)
        assert self._is_over()
        ended.set()

    monkeypatch.setattr(file_search.Search, "_look", looked)
    searching = asyncio.create_task(files.invoke("search", path="docs"))
    await asyncio.to_thread(begun.wait, 10)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching

    assert await asyncio.to_thread(ended.wait, 10)


# What is written


async def test_a_file_is_written_and_keeps_its_rights(files: FileProvider, root: Path) -> None:
    os.chmod(root / "a.txt", 0o600)
    new = await files.invoke("write", path="docs/new", content="YQA=", encoding="base64", mode="0640")
    await files.invoke("write", path="docs/a.txt", content="x")
    await files.invoke("write", path="docs/a.txt", content="y", append=True)

    assert (root / "new").read_bytes() == b"a\0"
    assert (new["mode"], new["size"]) == ("640", 2)
    assert (root / "a.txt").read_text() == "xy"
    assert os.stat(root / "a.txt").st_mode & 0o777 == 0o600
    assert sorted(os.listdir(root)) == ["a.txt", "new", "sub"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"path": "docs/a.txt", "overwrite": False}, "is there already"),
        ({"path": "docs/none", "create": False}, "is not there"),
        ({"path": "docs/none", "create": False, "append": True}, "is not there"),
        ({"path": "docs/none/a"}, "is not there, or its directory"),
        ({"path": "docs/a.txt/a"}, "is no directory"),
        ({"path": "docs/sub"}, "is a directory"),
        ({"path": "docs"}, "is a root"),
        ({"path": "docs/a.txt", "mode": "4755"}, "three digits"),
        ({"path": "docs/a.txt", "append": True, "mode": "600"}, "append goes with neither"),
        ({"path": "docs/a.txt", "encoding": "base64"}, "not base64"),
        ({"path": "docs/a.txt", "content": "\ud800"}, "not text"),
    ],
)
async def test_a_write_that_cannot_be_is_refused_and_changes_nothing(
    files: FileProvider, root: Path, args: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await files.invoke("write", **{"content": "!", **args})

    assert (root / "a.txt").read_text() == "Grüße\nzweite Zeile\n"
    assert sorted(os.listdir(root)) == ["a.txt", "sub"]


@pytest.mark.parametrize("append", [False, True])
async def test_no_file_becomes_too_large(root: Path, append: bool) -> None:
    files = FileProvider(roots={"docs": str(root)}, read_only=False, largest_file=25, name="files")

    with pytest.raises(CallError, match="more bytes than it may") as told:
        await files.invoke("write", path="docs/a.txt", content="x" * (5 if append else 26), append=append)

    assert told.value.code == "too_large"
    assert (root / "a.txt").stat().st_size == 21


@pytest.mark.parametrize("append", [False, True])
async def test_a_full_disk_leaves_the_old_file(
    files: FileProvider, root: Path, append: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:7])

    write = os.write
    monkeypatch.setattr("os.write", full)
    with pytest.raises(CallError, match="as it was: there is no space left"):
        await files.invoke("write", path="docs/a.txt", content="x" * 20, append=append)
    monkeypatch.undo()

    assert (root / "a.txt").read_text() == "Grüße\nzweite Zeile\n"
    assert sorted(os.listdir(root)) == ["a.txt", "sub"]


WRITER = """
import os, signal
from providers import file_writing
from providers.file_provider import FileProvider
written = file_writing.os.fsync
file_writing.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIG%s)
FileProvider(roots={"docs": %r}, read_only=False, name="files").write("docs/a.txt", "new")
"""


def writer(root: Path, end: str) -> subprocess.Popen[bytes]:
    """Gets that signal between its writing and the renaming."""
    return subprocess.Popen([sys.executable, "-c", WRITER % (end, str(root))])


def tree(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


async def test_what_a_killed_write_leaves_goes_with_the_next_one(files: FileProvider, root: Path) -> None:
    assert writer(root, "KILL").wait() == -signal.SIGKILL
    assert len(os.listdir(root)) == 3
    assert (root / "a.txt").read_text().startswith("Grüße")
    assert len((await files.invoke("list", path="docs"))["entries"]) == 2
    assert len((await files.invoke("search", path="docs"))["matches"]) == 3

    await files.invoke("write", path="docs/b.txt", content="b")

    assert sorted(os.listdir(root)) == ["a.txt", "b.txt", "sub"]


async def test_what_only_begins_like_ours_stays(files: FileProvider, root: Path) -> None:
    (root / ".gleitzeit-notes").write_text("somebody's")

    await files.invoke("write", path="docs/b.txt", content="b")

    assert (root / ".gleitzeit-notes").read_text() == "somebody's"


async def test_what_another_one_is_just_writing_stays(files: FileProvider, root: Path) -> None:
    other = writer(root, "STOP")
    try:
        left = eventually(lambda: [name for name in os.listdir(root) if name.startswith(".")])
        eventually(lambda: Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        await files.invoke("write", path="docs/b.txt", content="b")
        assert sorted(os.listdir(root)) == sorted(["a.txt", "b.txt", "sub", *left])
    finally:
        other.kill()
        other.wait()


async def test_what_is_added_at_the_same_time_is_all_there(files: FileProvider, root: Path) -> None:
    lines = [f"{number} {'x' * 5000}\n" for number in range(20)]

    async with asyncio.TaskGroup() as tasks:
        for line in lines:
            tasks.create_task(files.invoke("write", path="docs/log", content=line, append=True))

    assert sorted((root / "log").read_text().splitlines(keepends=True)) == sorted(lines)


async def test_one_that_fails_takes_nothing_away_that_another_one_added(
    files: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = threading.Event()

    def add() -> None:
        files.write("docs/log", "second", append=True)
        added.set()

    def fail(handle: int, data: bytes) -> int:
        if bytes(data) != b"first":
            return write(handle, data)
        write(handle, b"fir")
        other.start()
        added.wait(0.3)  # it has to wait itself, until this one is over
        raise OSError(errno.ENOSPC, "No space left on device")

    write, other = os.write, threading.Thread(target=add)
    monkeypatch.setattr("os.write", fail)
    with pytest.raises(CallError, match="no space left"):
        await files.invoke("write", path="docs/log", content="first", append=True)
    await asyncio.to_thread(other.join)

    assert (root / "log").read_text() == "second"


async def test_nothing_is_added_to_a_file_that_was_replaced_meanwhile(
    files: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(handle: int) -> None:
        monkeypatch.undo()
        files.write("docs/a.txt", "new ")
        lock(handle)

    lock = file_writing._lock
    monkeypatch.setattr(file_writing, "_lock", locked)
    await files.invoke("write", path="docs/a.txt", content="and more", append=True)

    assert (root / "a.txt").read_text() == "new and more"


async def test_too_much_to_begin_a_file_with_begins_none(root: Path) -> None:
    files = FileProvider(roots={"docs": str(root)}, read_only=False, largest_file=25, name="files")

    with pytest.raises(CallError, match="more bytes than it may"):
        await files.invoke("write", path="docs/new", content="x" * 26, append=True)

    assert not (root / "new").exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.EIO])
async def test_a_directory_that_cannot_be_brought_to_the_disk_is_written_all_the_same(
    files: FileProvider, root: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some disks cannot do it, and who may only write into a directory may not. One that fails is told of."""

    def fsync(handle: int) -> None:
        if S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(CallError, match="Input/output error") if number == errno.EIO else nullcontext():
        await files.invoke("write", path="docs/new", content="x")

    assert (root / "new").read_text() == "x"


@pytest.mark.parametrize("disk", ["takes it at once", "does not"])
async def test_nothing_is_replaced_unasked_on_any_disk(
    files: FileProvider, root: Path, disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if disk == "does not":
        monkeypatch.setattr("providers.file_writing._renameat2", lambda *_: errno.EINVAL)
    with pytest.raises(InvalidRequest, match=r'"docs/a\.txt" is there already'):
        await files.invoke("move", source="docs/sub/b.py", target="docs/a.txt")
    with pytest.raises(InvalidRequest, match=r'"docs/a\.txt" is there already'):
        await files.invoke("write", path="docs/a.txt", content="!", overwrite=False)
    await files.invoke("move", source="docs/sub/b.py", target="docs/b.py")
    await files.invoke("write", path="docs/c", content="!", overwrite=False)

    assert (root / "a.txt").read_text().startswith("Grüße")
    assert sorted(os.listdir(root)) == ["a.txt", "b.py", "c", "sub"]


async def test_things_are_moved_and_deleted(files: FileProvider, root: Path) -> None:
    await files.invoke("make_directory", path="docs/x/y", parents=True)
    await files.invoke("make_directory", path="docs/x/y", parents=True)
    await files.invoke("move", source="docs/sub", target="docs/x/sub")
    await files.invoke("move", source="docs/x/sub/b.py", target="docs/a.txt", overwrite=True)
    assert (root / "a.txt").read_text() == "import os\nIMPORT = 1\n"

    (root / "x" / "link").symlink_to(root.parent / "outside")
    with pytest.raises(InvalidRequest, match="with something in it"):
        await files.invoke("delete", path="docs/x")
    assert (await files.invoke("delete", path="docs/x", recursive=True))["deleted"] == 4

    assert os.listdir(root) == ["a.txt"]
    assert (root.parent / "outside" / "secret").read_text() == SECRET


@pytest.mark.parametrize(
    ("method", "args", "words"),
    [
        ("move", {"source": "docs/none", "target": "docs/x"}, '"docs/none" is not there'),
        ("move", {"source": "docs/a.txt", "target": "docs/sub/b.py"}, '"docs/sub/b.py" is there already'),
        ("move", {"source": "docs/a.txt", "target": "docs/none/x"}, '"docs/none/x" is not there, or its dir'),
        ("move", {"source": "docs/sub", "target": "docs/sub/x"}, "cannot be moved below itself"),
        ("move", {"source": "docs", "target": "docs/x"}, "is a root"),
        ("delete", {"path": "docs", "recursive": True}, "is a root"),
        ("delete", {"path": "docs/none"}, "is not there"),
        ("make_directory", {"path": "docs/sub"}, "is there already"),
        ("make_directory", {"path": "docs/a.txt", "parents": True}, "is no directory"),
        ("list", {"path": "docs/a.txt"}, "is no directory"),
        ("list", {"path": "docs", "limit": 0}, "at least 1"),
        ("search", {"path": "docs", "limit": 0}, "at least 1"),
        ("search", {"path": "docs", "glob": "a//b"}, "the glob"),
        ("search", {"path": "docs", "glob": "*" * 2000}, "the glob"),
        ("read", {"path": "docs/a.txt", "offset": -1}, "offset is 0 or more"),
        ("read", {"path": "docs/a.txt", "offset": 2**63}, "offset is 0 or more"),
        ("read", {"path": "docs/a.txt", "limit": 0}, "limit 1 or more"),
        ("search", {"path": "docs/a.txt"}, "is no directory"),
        ("read", {"path": "docs/sub"}, "is a directory"),
    ],
)
async def test_what_cannot_be_is_said_in_a_sentence(
    files: FileProvider, method: str, args: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await files.invoke(method, **args)


async def test_a_provider_that_only_reads_changes_nothing(root: Path) -> None:
    files = FileProvider(roots={"docs": str(root)}, name="files")
    before = tree(root)

    for method, args in {
        "write": {"path": "docs/a.txt", "content": ""},
        "delete": {"path": "docs/a.txt"},
        "move": {"source": "docs/a.txt", "target": "docs/b"},
        "make_directory": {"path": "docs/b"},
    }.items():
        with pytest.raises(CallError, match="only reads") as told:
            await files.invoke(method, **args)
        assert told.value.code == "forbidden"

    assert tree(root) == before


# What is tried against it


@pytest.mark.parametrize(
    "path",
    [
        "docs/../outside/secret",
        "docs/sub/../../outside/secret",
        "..",
        "/etc/passwd",
        "docs//etc/passwd",
        "docs/./a.txt",
        "docs/a.txt\0.png",
        "docs/\ud800",
        "docs/" + "x" * 300,
        "docs/" + "ü" * 200,
        "docs/" + "x/" * 3000,
        "docs/.gleitzeit-1",
        "other/a",
        "",
        "/",
    ],
)
async def test_a_path_that_is_none_is_refused(files: FileProvider, path: str) -> None:
    for method, args in {"read": {}, "stat": {}, "write": {"content": "!"}, "delete": {}}.items():
        with pytest.raises(InvalidRequest):
            await files.invoke(method, path=path, **args)


@pytest.mark.parametrize(
    "path", ["docs/link", "docs/directory/secret", "docs/inner", "docs/loop", "docs/proc/root"]
)
async def test_no_link_is_followed(files: FileProvider, root: Path, path: str) -> None:
    (root / "link").symlink_to(root.parent / "outside" / "secret")
    (root / "directory").symlink_to(root.parent / "outside")
    (root / "inner").symlink_to("a.txt")
    (root / "loop").symlink_to("loop")
    (root / "proc").symlink_to("/proc/self")

    for method, args in {
        "read": {},
        "write": {"content": "!"},
        "list": {},
        "search": {},
    }.items():
        with pytest.raises(InvalidRequest):
            await files.invoke(method, path=path, **args)
    with pytest.raises(InvalidRequest):
        await files.invoke("write", path=path, content="!", append=True)
    found = await files.invoke("search", path="docs", text=SECRET)

    assert found["matches"] == []
    assert (root.parent / "outside" / "secret").read_text() == SECRET
    assert (root / "a.txt").read_text().startswith("Grüße")


async def test_the_links_of_proc_lead_nowhere(root: Path) -> None:
    files = FileProvider(roots={"proc": "/proc"}, name="files")

    for path in ("proc/self/status", f"proc/{os.getpid()}/root/etc/passwd", f"proc/{os.getpid()}/cwd/x"):
        with pytest.raises(InvalidRequest, match="no directory"):
            await files.invoke("read", path=path)


async def test_no_device_and_no_pipe_is_opened(files: FileProvider, root: Path) -> None:
    os.mkfifo(root / "pipe")

    for method, args in {"read": {}, "write": {"content": "!"}}.items():
        with pytest.raises(InvalidRequest, match="no regular file"):
            await asyncio.wait_for(files.invoke(method, path="docs/pipe", **args), 5)
    with pytest.raises(InvalidRequest, match="no regular file"):
        await files.invoke("write", path="docs/pipe", content="!", append=True)
    with pytest.raises(InvalidRequest, match="neither a file nor a directory"):
        await files.invoke("move", source="docs/pipe", target="docs/other")
    assert (await files.invoke("search", path="docs", text="x"))["matches"] == []
    devices = FileProvider(roots={"dev": "/dev"}, name="devices")
    with pytest.raises(InvalidRequest, match="no regular file"):
        await devices.invoke("read", path="dev/zero")


@pytest.mark.parametrize("args", [{}, {"content": "!"}, {"content": "!", "append": True}])
async def test_what_is_no_regular_file_is_not_even_opened(
    files: FileProvider, root: Path, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who waits at a pipe would be woken by it, and a tape would be wound back."""
    os.mkfifo(root / "pipe")
    seen = []

    def note(name: str, *rest: Any, **more: Any) -> int:
        seen.append(name)
        return opened(name, *rest, **more)

    opened = os.open
    monkeypatch.setattr("os.open", note)
    with pytest.raises(InvalidRequest):
        await files.invoke("write" if args else "read", path="docs/pipe", **args)

    assert "pipe" not in seen


async def test_what_is_deleted_is_not_what_was_put_in_its_place(
    files: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(name: str, **kwargs: Any) -> os.stat_result:
        status = stat(name, **kwargs)
        if name == "sub":
            os.rename(root / "sub", root / "aside")
            (root / "sub").symlink_to(root.parent / "outside")
        return status

    stat = os.stat
    monkeypatch.setattr("os.stat", look)
    with pytest.raises(InvalidRequest, match="leads through what is none"):
        await files.invoke("delete", path="docs/sub", recursive=True)

    assert (root.parent / "outside" / "secret").read_text() == SECRET


async def test_nothing_is_added_to_a_file_that_is_elsewhere_too(files: FileProvider, root: Path) -> None:
    os.link(root.parent / "outside" / "secret", root / "hard")

    with pytest.raises(InvalidRequest, match="another name"):
        await files.invoke("write", path="docs/hard", content="!", append=True)
    await files.invoke("write", path="docs/hard", content="mine")

    assert (root / "hard").read_text() == "mine"
    assert (root.parent / "outside" / "secret").read_text() == SECRET


async def test_a_root_may_be_a_link_of_the_administrators(files: FileProvider, root: Path) -> None:
    (root.parent / "current").symlink_to(root)
    linked = FileProvider(roots=[str(root.parent / "current")], name="files")

    assert (await linked.invoke("read", path="current/a.txt"))["size"] == 21


@pytest.mark.parametrize("method", ["read", "write", "append", "search", "delete"])
async def test_a_link_that_is_swapped_in_meanwhile_leads_nowhere(
    files: FileProvider, root: Path, method: str
) -> None:
    """Somebody changes a directory, and a file, for links outside and back, as fast as they can."""
    real, aside, outside = root / "swap", root / "aside", root.parent / "outside"
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for step in steps:
                with suppress(OSError):  # what is called meanwhile may have deleted or written something
                    step()

    steps: list[Callable[[], Any]] = [
        lambda: real.mkdir(),
        lambda: (real / "secret").write_text("mine"),
        lambda: os.rename(real, aside),
        lambda: real.symlink_to(outside),
        lambda: real.unlink(),
        lambda: (aside / "secret").unlink(),
        lambda: (aside / "secret").symlink_to(outside / "secret"),
        lambda: os.rename(aside, real),
        lambda: (real / "secret").unlink(),
    ]
    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = set()
    args: dict[str, dict[str, Any]] = {
        "read": {"path": "docs/swap/secret"},
        "write": {"path": "docs/swap/secret", "content": "written"},
        "append": {"path": "docs/swap/secret", "content": "added", "append": True},
        "search": {"path": "docs", "text": "nobody"},
        "delete": {"path": "docs/swap", "recursive": True},
    }
    try:
        for _ in range(300):
            try:
                answer = await files.invoke("write" if method == "append" else method, **args[method])
                seen.add(answer.get("content", ""))
                assert not answer.get("matches")
            except CallError:
                seen.add("refused")
    finally:
        over.set()
        swapping.join()

    assert SECRET not in seen
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_text() == SECRET


def replaced_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replaced_by_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "outside" / "secret")


@pytest.mark.parametrize("replace", [replaced_by_a_directory, replaced_by_a_pipe, replaced_by_a_link])
async def test_a_file_that_becomes_something_else_after_the_look_is_not_read(
    files: FileProvider, root: Path, replace: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(name: str, **kwargs: Any) -> os.stat_result:
        status = stat(name, **kwargs)
        if name == "a.txt":
            replace(root / "a.txt")
        return status

    stat = os.stat
    monkeypatch.setattr("os.stat", look)
    with pytest.raises(InvalidRequest):
        await asyncio.wait_for(files.invoke("read", path="docs/a.txt"), 5)


# What it says of itself


async def test_a_root_that_is_gone_degrades_it(files: FileProvider, root: Path) -> None:
    assert await files.get_health_status() == {"healthy": True}
    os.rename(root, root.parent / "away")

    assert (await files.get_health_status())["reason"] == (
        'the root "docs" cannot be opened: No such file or directory'
    )
    with pytest.raises(CallError, match='the root "docs" cannot be opened') as told:
        await files.invoke("read", path="docs/a.txt")
    assert told.value.code == "unavailable"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"roots": []}, "empty"),
        ({"roots": ["relative"]}, "the whole path"),
        ({"roots": ["/"]}, "cannot be called"),
        ({"roots": ["/a/x", "/b/x"]}, "same last name"),
        ({"roots": {"a/b": "/a"}}, "cannot be called"),
        ({"roots": ["/a"], "largest_read": 1}, "largest_read is 1"),
        ({"roots": ["/a"], "largest_file": 0}, "largest_file is 0"),
    ],
)
def test_a_config_that_cannot_be_is_refused_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FileProvider(**config, name="files")


async def test_it_is_called_through_a_hub(files: FileProvider) -> None:
    async with serving(files) as client:
        listed = await client.invoke("files", "list", path="docs")

    assert [entry["path"] for entry in listed["entries"]] == ["docs/a.txt", "docs/sub"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    call=calls(FileProvider, ["docs", "docs/a.txt", "docs/sub", "docs/new", "**", "text", "base64", "YQ=="])
)
async def test_whatever_it_is_asked_it_answers_or_refuses(files: FileProvider, call: Call) -> None:
    await answered(files, call)
