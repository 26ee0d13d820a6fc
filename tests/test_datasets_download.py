"""Downloads, against a server on this machine."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nnlite.datasets.download import download
from nnlite.datasets.specs import FileSpec
from nnlite.errors import DataError

CONTENT = os.urandom(200_000) + bytes(100_000)
SPEC = FileSpec("file", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
PACKED = gzip.compress(CONTENT)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.stop = threading.Event()
        self.broken: list[object] = []

    def url(self, way: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{way}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""
        self.broken.append(sys.exc_info()[1])


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        """Silent."""

    def answer(self, body: bytes, length: int | None = None, code: int = 200) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.end_headers()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        way = self.path.split("/")[1]
        if way == "good":
            self.answer(PACKED, len(PACKED))
        elif way == "plain":
            self.answer(CONTENT, len(CONTENT))
        elif way == "nolength":
            self.answer(PACKED)
        elif way == "missing":
            self.answer(b"<html>no</html>", 15, 404)
        elif way == "html":
            self.answer(b"<html>log in</html>", 19)
        elif way == "cut":
            self.answer(PACKED[:1000], len(PACKED))
        elif way == "cutsilently":
            self.answer(PACKED[:-100])
        elif way == "wrong":
            wrong = gzip.compress(CONTENT[:-1] + b"x")
            self.answer(wrong, len(wrong))
        elif way == "short":
            short = gzip.compress(CONTENT[:-1])
            self.answer(short, len(short))
        elif way == "bomb":
            bomb = gzip.compress(bytes(50_000_000), 1)
            self.answer(bomb)
        elif way == "emptyblocks":  # inflates to nothing, for ever
            self.answer(PACKED[:10] + b"\0\0\0\xff\xff" * 200_000)
        elif way == "long":
            self.answer(b"", 10**12)
        elif way == "endless":
            while not self.server.stop.is_set():
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + os.urandom(2**16))
        elif way == "silent":
            self.server.stop.wait(20)
        elif way == "stall":
            self.answer(PACKED[:500], len(PACKED))
            self.server.stop.wait(20)
        elif way == "trickle":
            self.answer(b"", len(PACKED))
            for at in range(len(PACKED)):
                self.wfile.write(PACKED[at : at + 1])
                if self.server.stop.wait(0.05):
                    break
        elif way == "tofile":
            self.redirect("file:///etc/hostname")
        elif way == "toftp":
            self.redirect("ftp://127.0.0.1/x")
        elif way == "togood":
            self.redirect("/good/file.gz")
        elif way == "loop":
            self.redirect(self.path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield it
        it.stop.set()
        it.shutdown()


def only(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("way", ["good", "plain", "nolength", "togood"])
def test_good(tmp_path, server, way):
    calls = []
    target = tmp_path / "a" / "b" / "file"
    download(SPEC, target, [server.url(way)], progress=lambda *call: calls.append(call))
    assert target.read_bytes() == CONTENT
    assert only(target.parent) == ["file"]
    sent = len(CONTENT) if way == "plain" else len(PACKED)
    assert calls[-1] == ("file", sent, 0 if way == "nolength" else sent)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


BAD = {
    "missing": "404",
    "html": "wrong SHA-256",
    "cut": "bytes",
    "cutsilently": "cut short",
    "wrong": "wrong SHA-256",
    "short": "wrong SHA-256",
    "bomb": "more than",
    "emptyblocks": "far more",
    "long": "far more",
    "endless": "more",
    "silent": "no answer",
    "stall": "broken connection",
    "trickle": "bytes in",
    "tofile": "",
    "toftp": "a redirect to",
    "loop": "",
}


@pytest.mark.parametrize("way", BAD)
def test_bad_then_second_mirror(tmp_path, server, way):
    target = tmp_path / "file"
    start = time.monotonic()
    # short where the server lets one wait, long where a busy machine would look like that
    wait = 0.4 if way in ("silent", "stall", "trickle") else 10.0
    with pytest.raises(DataError) as caught:
        download(SPEC, target, [server.url(way)], timeout=wait)
    assert time.monotonic() - start < 9
    assert BAD[way] in caught.value.got
    assert server.url(way) in caught.value.got
    assert only(tmp_path) == []
    download(SPEC, target, [server.url(way), server.url("good")], timeout=0.4)
    assert target.read_bytes() == CONTENT
    assert only(tmp_path) == ["file"]


def test_mirrors_in_order(tmp_path, server):
    mirrors = [server.url(way) for way in ("missing", "good", "plain")]
    download(SPEC, tmp_path / "file", mirrors)
    assert server.asked == ["/missing/file.gz", "/good/file.gz"]


def test_a_failure_keeps_the_old_file(tmp_path, server):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(DataError):
        download(SPEC, target, [server.url("wrong")])
    assert target.read_bytes() == b"old"
    assert only(tmp_path) == ["file"]


def test_nobody_listens_and_other_schemes(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "src.gz").write_bytes(PACKED)
    for mirror in (f"http://127.0.0.1:{port}/", f"file://{tmp_path}/src.gz?", "nonsense", ""):
        with pytest.raises(DataError):
            download(SPEC, tmp_path / "file", [mirror], timeout=0.5)
    assert only(tmp_path) == ["src.gz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupted(tmp_path, server, error):
    def progress(name: str, done: int, total: int) -> None:
        if done > 100_000:
            assert any(name.endswith(".part") for name in only(tmp_path))
            raise error

    with pytest.raises(error):
        download(SPEC, tmp_path / "file", [server.url("good")], progress=progress)
    assert only(tmp_path) == []


def test_litter_of_killed_downloads_goes(tmp_path, server):
    dead, living = tmp_path / ".file.1-ab.part", tmp_path / ".file.2-cd.part"
    dead.write_bytes(b"half")
    with open(living, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        download(SPEC, tmp_path / "file", [server.url("good")])
        assert only(tmp_path) == [living.name, "file"]


def test_folder_that_cannot_be_written(tmp_path, server):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        download(SPEC, tmp_path / "file" / "x", [server.url("good")])


def test_eight_processes(tmp_path, server):
    context = multiprocessing.get_context("forkserver")
    barrier = context.Barrier(8)
    target = tmp_path / "file"
    spec_url = server.url("good")
    workers = [
        context.Process(target=_eight, args=(spec_url, str(target), barrier, SPEC, CONTENT))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert only(tmp_path) == ["file"]
    assert len(server.asked) == 8 + len(server.broken), server.broken


def _eight(url: str, target: str, barrier: object, spec: FileSpec, content: bytes) -> None:
    barrier.wait(60)
    # this is about the file, not about the net: a connection that breaks gets a second try
    download(spec, Path(target), [url, url])
    assert Path(target).read_bytes() == content
