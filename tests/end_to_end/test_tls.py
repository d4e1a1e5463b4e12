"""The hub's TCP port in TLS, with a certificate that the test makes."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeitd.certificate import context_of
from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import Tls
from tests.house import PATIENCE, House, eventually, house

ECHO = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Echo(SocketIOProviderClient):
    async def say(self, word):
        return word
"""


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True, timeout=PATIENCE)


def certificate(directory: Path, name: str = "hub") -> None:
    """NAME.pem and NAME.key, of localhost."""
    key, to = directory / f"{name}.key", directory / f"{name}.pem"
    san = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    openssl("req", "-x509", *kind, "-addext", san, "-days", "2", "-keyout", key, "-out", to)


def settings(certificate: str = "hub.pem", key: str = "hub.key") -> dict[str, Any]:
    tls = {"certificate": certificate, "key": key}
    return {"default_server_url": "https://localhost:0", "hub": {"tls": tls}}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_the_tcp_port_speaks_tls_and_the_children_need_none_of_it(tmp_path: Path) -> None:
    certificate(tmp_path)
    providers = {"echo": {"class": "echo_.Echo"}}
    with house(tmp_path, providers, {"echo_.py": ECHO}, settings=settings()) as h:
        h.until("echo", "RUNNING")
        url = h.client.get("/v1/status")["daemon"]["hub"][0]
        assert url.startswith("https://127.0.0.1:")
        token = (h.socket.parent / "token").read_text().strip()
        call = json.dumps({"provider": "echo", "method": "say", "args": {"word": "hello"}})
        trusted, bearer = str(tmp_path / "hub.pem"), f"Authorization: Bearer {token}"
        answer = subprocess.run(
            ["curl", "-sS", "--cacert", trusted, "-H", bearer, "-d", call, f"{url}/v1/invoke"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(answer.stdout) == {"result": "hello"}

        port = int(url.rpartition(":")[2])
        assert _version(port, tmp_path / "hub.pem", ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert _version(port, tmp_path / "hub.pem", ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _version(port, tmp_path / "hub.pem", ssl.TLSVersion.TLSv1_1)
        plain = subprocess.run(
            ["curl", "-s", f"http://127.0.0.1:{port}/livez"], capture_output=True, check=False
        )
        assert plain.stdout == b""


def test_a_certificate_is_renewed_when_its_files_are_saved(tmp_path: Path) -> None:
    """As certbot does, by changing links; who is connected stays so, and what is useless changes nothing."""
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        certificate(directory)
    (tmp_path / "live").symlink_to("first")
    with house(tmp_path, {}, settings=settings("live/hub.pem", "live/hub.key")) as h:
        port = int(h.client.get("/v1/status")["daemon"]["hub"][0].rpartition(":")[2])
        with _connected(port) as early:
            assert _shown(early) == _in(first / "hub.pem")
            (tmp_path / "live").unlink()
            (second / "hub.key").rename(second / "kept.key")
            (tmp_path / "live").symlink_to("second")
            eventually(lambda: _news(h) == ["the certificate is not renewed"])
            with _connected(port) as meanwhile:
                assert _shown(meanwhile) == _in(first / "hub.pem")

            (second / "kept.key").rename(second / "hub.key")
            eventually(lambda: _news(h) == ["the certificate is not renewed", "the certificate is renewed"])
            with _connected(port) as late:
                assert _shown(late) == _in(second / "hub.pem")
            early.sendall(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert early.recv(1000).startswith(b"HTTP/1.0 200 ")
    assert "BEGIN" not in h.said()


def _news(h: House) -> list[str]:
    """Each once: between two steps of what is saved somebody may have looked."""
    whats = [one["what"] for one in h.client.follow("/v1/events")]
    return list(dict.fromkeys(what for what in whats if "certificate" in what))


@contextmanager
def _connected(port: int) -> Iterator[ssl.SSLSocket]:
    """As somebody who trusts anybody, and names nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as stream,
        context.wrap_socket(stream) as secure,
    ):
        yield secure


def _shown(connection: ssl.SSLSocket) -> bytes | None:
    return connection.getpeercert(binary_form=True)


def _in(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def _version(port: int, trusted: Path, version: ssl.TLSVersion) -> str | None:
    """The version in which both sides speak when this side offers one alone."""
    context = ssl.create_default_context(cafile=str(trusted))
    # Old versions are not even offered at the level of security that is usual now.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as stream,
        context.wrap_socket(stream, server_hostname="localhost") as secure,
    ):
        return secure.version()


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("none.pem", "hub.key", "global.hub.tls.certificate: cannot read {dir}/none.pem: No such file"),
        ("hub.pem", "none.key", "global.hub.tls.key: cannot read {dir}/none.key: No such file"),
        ("hub.pem", "", "global.hub.tls.key: cannot read {dir}/: Is a directory"),
        ("hub.pem", "other.key", "the key {dir}/other.key is not that of the certificate {dir}/hub.pem"),
        ("hub.pem", "locked.key", "global.hub.tls.key: {dir}/locked.key is encrypted"),
        ("text.pem", "hub.key", "{dir}/text.pem and the key {dir}/hub.key are not PEM files"),
    ],
)
def test_files_that_cannot_be_used_are_named(files: Path, certificate: str, key: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence.format(dir=files))):
        context_of(Tls(f"{files}/{certificate}", f"{files}/{key}"))


def test_no_old_version_is_spoken_whatever_the_system_allows(files: Path) -> None:
    context = context_of(Tls(f"{files}/hub.pem", f"{files}/hub.key"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_daemon_that_cannot_speak_tls_does_not_start(tmp_path: Path) -> None:
    with house(tmp_path, {}, settings=settings(), started=False) as h:
        answer = _started(h)
    assert answer.stderr == (
        f"global.hub.tls.certificate: cannot read {tmp_path}/hub.pem: No such file or directory\n"
    )
    assert (answer.returncode, answer.stdout) == (2, "")


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (
            {**settings(), "default_server_url": "http://localhost:0"},
            "begins with http://, but global.hub.tls is given: write https://, or leave tls out",
        ),
        (
            {"default_server_url": "https://localhost:0"},
            "begins with https://: give global.hub.tls {certificate, key}, too, or write http://",
        ),
    ],
)
def test_the_address_and_tls_have_to_agree(tmp_path: Path, chosen: dict[str, Any], sentence: str) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(json.dumps({"global": chosen}))
    with pytest.raises(ConfigError, match=re.escape(f"global.default_server_url: {sentence}")):
        load(str(path))


def _started(h: House) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gleitzeitd", "--config", str(h.config)],
        env=h.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, good ones and others."""
    directory = tmp_path_factory.mktemp("files")
    certificate(directory)
    certificate(directory, "other")
    openssl(
        "ec", "-in", directory / "hub.key", "-aes256", "-passout", "pass:x", "-out", directory / "locked.key"
    )
    (directory / "text.pem").write_text("no certificate")
    return directory
