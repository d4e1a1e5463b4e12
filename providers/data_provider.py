"""SQL over the data files beneath some directories, by DuckDB; each statement has a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    Unavailable,
    current_call,
    idempotent,
)
from providers import confinement
from providers.data_files import PACKED, READERS, Roots, format_of

MB = 1024 * 1024

MOST_FILES = 1000
"""That `files` lists."""

LONGEST_SQL = 100_000
"""Characters; DuckDB's parser may need memory in proportion."""

MOST_TOLD = 1000
"""Characters of an error of DuckDB's that the caller is told."""

SAMPLE = 256 * 1024
"""Bytes of a text by which its lines are estimated."""

Item = dict[str, Any]


class DataProvider(SocketIOProviderClient):
    """SQL over CSV, Parquet and JSON files in given directories."""

    checks_config = True

    def __init__(
        self,
        *,
        roots: list[str],
        read_only: bool = True,
        max_rows: int = 1000,
        timeout: float = 60.0,
        memory_mb: int = 512,
        disk_mb: int = 1024,
        threads: int = 2,
        **kwargs: Any,
    ) -> None:
        """What may be read, and what a statement may use.

        Args:
            roots: the directories whose files may be read, nothing else; relative names mean the first
            read_only: whether `convert` is refused
            max_rows: how many rows an answer has at most
            timeout: seconds after which a statement is killed, if its caller has no earlier deadline
            memory_mb: MiB of memory that one statement may use before it uses the disk
            disk_mb: MiB on disk that one statement may use, and the largest file that `convert` writes
            threads: how many processors one statement may use
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["data", "sql"])
        kwargs.setdefault("description", "SQL over data files")
        super().__init__(**kwargs)
        if not importlib.util.find_spec("duckdb"):
            raise ImportError("needs the package duckdb: pip install 'gleitzeitd[data]'")
        for key, value in {
            "max_rows": max_rows,
            "timeout": timeout,
            "disk_mb": disk_mb,
            "threads": threads,
        }.items():
            if value <= 0:
                raise ValueError(f"{key} has to be above 0, not {value}")
        if memory_mb < 64:
            raise ValueError(f"memory_mb has to be at least 64, not {memory_mb}")
        self._roots, self._read_only, self._timeout = Roots(roots), read_only, timeout
        self._most_rows = max_rows
        self._limits = {"memory": memory_mb * MB, "disk": disk_mb * MB, "threads": threads}

    @idempotent
    async def query(self, sql: str, parameters: list[Any] | None = None, limit: int | None = None) -> Item:
        """The rows of one SELECT: `{columns: [{name, type}], rows: [[...]], truncated}`.

        Args:
            sql: in DuckDB's dialect; files stand in quotes: `SELECT * FROM 'sales/*.parquet' WHERE year = $1`
            parameters: the values of `$1`, `$2` and so on
            limit: how many rows at most, below the provider's `max_rows`
        """
        if len(sql) > LONGEST_SQL:
            raise InvalidRequest(f"the SQL has more than {LONGEST_SQL:,} characters")
        rows = self._most_rows if limit is None else min(limit, self._most_rows)
        if rows < 0:
            raise InvalidRequest(f"limit has to be 0 or more, not {limit}")
        return await self._run(sql, parameters=parameters or [], rows=rows)

    @idempotent
    async def files(self, pattern: str = "**") -> Item:
        """The data files: `{files: [{path, format, bytes, modified}], truncated}`.

        Args:
            pattern: such as `sales/*.csv`; `**` stands for any directories
        """
        return await asyncio.to_thread(self._listed, pattern)

    @idempotent
    async def describe(self, path: str) -> Item:
        """What a file holds: `{path, format, bytes, columns: [{name, type}], rows, rows_are_exact}`.

        `rows` is null where it cannot be told without reading the whole file.
        """
        file = await asyncio.to_thread(self._roots.file, path)
        found = await self._run(f"DESCRIBE SELECT * FROM {_source(file)}")
        columns = [{"name": row[0], "type": row[1]} for row in found["rows"]]
        is_exact = format_of(file) == ".parquet"
        if is_exact:
            counted = await self._run(f"SELECT num_rows FROM parquet_file_metadata({_named(file)})")
            rows = counted["rows"][0][0]
        else:
            rows = await asyncio.to_thread(_estimated, file)
        about = {"path": self._roots.shown(file), "format": _format(file), "bytes": file.stat().st_size}
        truncated = {"truncated": True} if found["truncated"] else {}
        return {**about, "columns": columns, "rows": rows, "rows_are_exact": is_exact, **truncated}

    @idempotent
    async def statistics(self, path: str) -> Item:
        """Of each column its least, greatest and mean value and so on: `{path, columns: [{...}], truncated}`.

        Reads the whole file. The keys are those of DuckDB's SUMMARIZE.
        """
        file = await asyncio.to_thread(self._roots.file, path)
        found = await self._run(f"SUMMARIZE SELECT * FROM {_source(file)}")
        names = [column["name"] for column in found["columns"]]
        columns = [dict(zip(names, row, strict=True)) for row in found["rows"]]
        return {"path": self._roots.shown(file), "columns": columns, "truncated": found["truncated"]}

    async def convert(self, path: str, to: str, overwrite: bool = False) -> Item:
        """Write a file in another format: `{path, format, bytes, rows}`. It appears as a whole or not at all.

        Args:
            to: the new file; how its name ends says what it becomes: .csv, .tsv, .parquet, .json, .jsonl,
                and .gz or .zst behind it for a packed one
            overwrite: whether a file that is there already is replaced
        """
        if self._read_only:
            raise InvalidRequest(
                f'"{self.name}" only reads: `read_only: false` in its config lets it convert'
            )
        source = await asyncio.to_thread(self._roots.file, path)
        target = await asyncio.to_thread(self._roots.target, to)
        options = _written_as(target)
        if target.exists() and not overwrite:
            raise _exists(to)
        with _staging(target.parent) as staging:
            # By this name nobody's pattern finds it before it is whole.
            part = staging / "part"
            copy = f"COPY (SELECT * FROM {_source(source)}) TO {_quoted(str(part))} ({options})"
            done = await self._run(copy, writable=staging)
            await asyncio.to_thread(_put, part, target, overwrite)
        size = target.stat().st_size
        return {
            "path": self._roots.shown(target),
            "format": _format(target),
            "bytes": size,
            "rows": done["rows"][0][0],
        }

    async def get_health_status(self) -> Item:
        """Whether the roots are there; `confined` tells whether the kernel watches over them, too."""
        gone = [str(root) for root in self._roots.paths if not root.is_dir()]
        if gone:
            return {"healthy": True, "status": "degraded", "reason": f"{gone[0]} is gone"}
        return {"healthy": True, "confined": confinement.version() > 0}

    def _listed(self, pattern: str) -> Item:
        listed: list[Item] = []
        for path, about in self._roots.matching(pattern):
            if len(listed) == MOST_FILES:
                return {"files": listed, "truncated": True}
            modified = datetime.fromtimestamp(about.st_mtime, UTC).isoformat(timespec="seconds")
            shown = {"path": self._roots.shown(path), "format": _format(path)}
            listed.append({**shown, "bytes": about.st_size, "modified": modified})
        return {"files": listed, "truncated": False}

    async def _run(
        self,
        sql: str,
        *,
        parameters: list[Any] | None = None,
        rows: int = 10_000,
        writable: Path | None = None,
    ) -> Item:
        """What a statement gives; with `writable` it is ours, and may write there."""
        if gone := [root for root in self._roots.paths if not root.is_dir()]:
            raise Unavailable(f"{gone[0]} is gone, which is one of the roots")
        if not confinement.version() and (link := await asyncio.to_thread(self._roots.link_outwards)):
            raise InvalidRequest(
                f'"{link}" leads out of the roots, and this kernel cannot watch over it: remove it'
            )
        with tempfile.TemporaryDirectory(prefix="gleitzeit-data-", ignore_cleanup_errors=True) as temporary:
            order = {
                "sql": sql,
                "parameters": parameters or [],
                "must_read": writable is None,
                "rows": rows,
                "roots": [str(root) for root in self._roots.paths],
                "writable": [temporary, *([str(writable)] if writable else [])],
                "temporary": temporary,
                "parent": os.getpid(),
                **self._limits,
            }
            return _told(await self._asked(json.dumps(order).encode()))

    async def _asked(self, order: bytes) -> Item:
        call = current_call()
        left = call.seconds_left if call else None
        seconds = self._timeout if left is None else min(left, self._timeout)
        try:
            worker = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                str(Path(__file__).with_name("data_worker.py")),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PYTHONPATH": _where_packages_are(), "TZ": os.environ.get("TZ", "")},
                limit=64 * MB,
            )
        except OSError as exc:
            raise Unavailable(f"no process can be started for the statement: {exc.strerror}") from exc
        try:
            async with asyncio.timeout(seconds):
                said, _ = await worker.communicate(order)
        except TimeoutError as exc:
            sentence = f"the statement took more than {seconds:g} s, which is all it had, and was ended"
            raise CallError("deadline_exceeded", sentence) from exc
        finally:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                # A killed process ends at once, whatever else is being cancelled here.
                await asyncio.shield(worker.wait())
        if worker.returncode != 0 or not said:
            raise _ended(worker.returncode or 0)
        answer: Item = json.loads(said)
        return answer


def _told(answer: Item) -> Item:
    """The answer, or the error that it is, without DuckDB's advice to change settings that are locked."""
    kind, message = (
        answer.get("error"),
        str(answer.get("message", "")).partition("\n\nPossible ")[0][:MOST_TOLD],
    )
    match kind:
        case None:
            return answer
        case "OutOfMemoryException" | "MemoryError":
            raise InvalidRequest(f"it needs more than the memory_mb or disk_mb of this provider: {message}")
        case "PermissionException":
            raise InvalidRequest(f"only files in the roots can be read: {message}")
        case "InternalException" | "FatalException":
            raise CallError("provider_error", f"DuckDB failed: {message}")
        case "IOException" if "File too large" in message:
            raise InvalidRequest(f"it would write more than the disk_mb of this provider: {message}")
    raise InvalidRequest(message)


def _ended(status: int) -> CallError:
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    sentence = f"DuckDB was ended by {how} and gave no answer: the statement or file may need less memory_mb"
    return CallError("provider_error", sentence)


def _where_packages_are() -> str:
    """Ours and DuckDB, however they came to be importable here."""
    found = importlib.util.find_spec("duckdb")
    ours = Path(__file__).resolve().parent.parent
    theirs = Path(found.origin).parent.parent if found and found.origin else ours
    return os.pathsep.join(dict.fromkeys(map(str, (ours, theirs))))


def _source(file: Path) -> str:
    return f"{READERS[format_of(file) or '']}({_named(file)})"


def _named(file: Path) -> str:
    """This one file, and none that its name would be a pattern of."""
    return _quoted(re.sub(r"([*?\[])", r"[\1]", str(file)))


def _written_as(target: Path) -> str:
    kind = format_of(target)
    forms = {
        ".csv": "FORMAT csv, HEADER",
        ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
        ".parquet": "FORMAT parquet",
        ".json": "FORMAT json, ARRAY true",
        ".jsonl": "FORMAT json",
        ".ndjson": "FORMAT json",
    }
    packed = target.suffix if target.suffix in PACKED else ""
    if kind is None or (packed and kind == ".parquet"):
        raise InvalidRequest(
            f'"{target.name:.200}" cannot be written: its name has to end in one of {", ".join(forms)}'
        )
    packing = {"": "", ".gz": ", COMPRESSION gzip", ".zst": ", COMPRESSION zstd"}[packed]
    return forms[kind] + packing


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _format(file: Path) -> str:
    return (format_of(file) or "").removeprefix(".")


def _estimated(file: Path) -> int | None:
    """Lines, by those of the beginning; a JSON array or what is packed has no such lines."""
    ends = file.suffix.lower()
    if ends not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return None
    with file.open("rb") as opened:
        sample = opened.read(SAMPLE)
    lines = sample.count(b"\n") + (not sample.endswith(b"\n"))
    rows = lines * file.stat().st_size // max(1, len(sample))
    return max(0, rows - (ends in (".csv", ".tsv")))


@contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    """A directory of ours on the same file system, gone in the end."""
    try:
        place = Path(tempfile.mkdtemp(prefix=".gleitzeit-", dir=directory))
    except OSError as exc:
        raise InvalidRequest(f'nothing can be written in "{directory}": {exc.strerror}') from exc
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _put(part: Path, target: Path, overwrite: bool) -> None:
    try:
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o666 & ~_umask())
        if overwrite:
            part.replace(target)
        else:
            target.hardlink_to(part)
    except FileExistsError as exc:
        raise _exists(target.name) from exc
    except OSError as exc:
        raise CallError("provider_error", f'"{target.name:.200}" cannot be written: {exc.strerror}') from exc


def _exists(name: str) -> InvalidRequest:
    return InvalidRequest(f'"{name:.200}" exists: `overwrite: true` replaces it')


def _umask() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
