"""A MariaDB server of its own for a test, in a temporary directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.ports import free_port

PASSWORD = "pass-word-of-mariadb"

NOBODY = "nobody" if os.geteuid() == 0 else None
"""Neither server runs as root."""

UP_WITHIN = 30.0


class MariaDB:
    """Its database is `test`; `admin` may do anything."""

    def __init__(self, home: Path) -> None:
        self.home, self._data, self.port = home, home / "data", free_port()
        self.url = f"mariadb://admin:{PASSWORD}@127.0.0.1:{self.port}/test"
        self._server: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        (self.home / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS test;\n"
            f"CREATE OR REPLACE USER admin@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self._data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
            user=NOBODY,
        )

    def start(self) -> None:
        with (self.home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    shutil.which("mariadbd") or "/usr/sbin/mariadbd",
                    "--no-defaults",
                    f"--datadir={self._data}",
                    f"--socket={self.home}/socket",
                    f"--pid-file={self.home}/pid",
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",
                    f"--init-file={self.home}/init.sql",
                    "--innodb-buffer-pool-size=16M",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-flush-method=nosync",
                    "--local-infile=1",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=NOBODY,
            )
        deadline = time.monotonic() + UP_WITHIN
        ping = ["mariadb-admin", "--no-defaults", "-h127.0.0.1", f"-P{self.port}", "-uadmin", f"-p{PASSWORD}"]
        while subprocess.run([*ping, "status"], check=False, capture_output=True).returncode:
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"MariaDB does not come up: {(self.home / 'log').read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._server
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._server = None

    def is_running(self) -> bool:
        return self._server is not None


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    home = Path(tempfile.mkdtemp(prefix="gleitzeit-mariadb-"))
    home.chmod(0o777)
    server = MariaDB(home)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if server.is_running():
            server.kill()
        shutil.rmtree(home)
