"""How the benchmark of a file that changes nothing finds out how late a daemon is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Event, Thread

import pytest

from benchmarks import loading
from benchmarks.handwritten import written
from benchmarks.stats import Row

STALL = 0.05
LATE_WITH = 3
DEADLINE = 10


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.asked == LATE_WITH:
            time.sleep(STALL)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")
        if self.server.asked > LATE_WITH:
            self.server.was_late.set()


class Server(ThreadingUnixStreamServer):
    """Answers everything, and is late once."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.asked, self.was_late, self.status, self.connections = 0, Event(), 200, 0

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(str(tmp_path / "s")) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def path(server: Server) -> Path:
    return Path(str(server.server_address))


def test_a_daemon_that_is_late_once_is_seen_over_one_connection(server: Server) -> None:
    with loading.asking(path(server)) as took:
        assert server.was_late.wait(DEADLINE)
    assert took[LATE_WITH - 1] >= STALL * 1000
    assert len(took) == server.asked
    assert server.connections == 1


def test_a_question_that_is_not_answered_well_ends_the_benchmark(server: Server) -> None:
    server.status = 503
    with pytest.raises(SystemExit, match="/livez was answered with 503: ok"), loading.asking(path(server)):
        pass


@pytest.mark.parametrize("way", [loading.PARSER, "load"])
def test_a_fresh_process_says_how_long_it_took_to_read_that_file(tmp_path: Path, way: str) -> None:
    took = []
    for count in (1, 200):
        path = tmp_path / f"{count}.yaml"
        path.write_text(written("http://localhost:8000", {f"c{number}": ["true"] for number in range(count)}))
        took.append(loading.read_ms(way, path))
    assert 0 < took[0] * 5 < took[1]


def test_the_slowest_of_all_answers_counts_and_the_medians_of_the_rest() -> None:
    rows: list[Row] = [{"name": "ruamel", "load_ms": 1000.0}]
    rows += [
        {
            "name": "gleitzeitd",
            "load_ms": 1100.0,
            "comment_ms": comment,
            "same_ms": 2.0,
            "slowest_ms": slowest,
            "slowest_at_rest_ms": 1.0,
        }
        for comment, slowest in ((1200.0, 3.0), (1290.0, 60.0), (9000.0, 3.0))
    ]
    same, comment, load, slowest = loading.lines(rows)
    assert [same.is_met, comment.is_met, load.is_met, slowest.is_met] == [True, True, None, False]
    assert (comment.ratio, slowest.ours, slowest.theirs) == (1.29, 60.0, 1.0)
