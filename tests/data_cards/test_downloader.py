"""Fetching from addresses that strangers wrote: a server on loopback that does its worst."""

import io
import ipaddress
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from data_cards.downloader import Downloader, DownloadLimits
from data_cards.errors import BadRowError
from data_cards.image_paths import ImageResolver
from data_cards.images import read_bytes

LOOPBACK = [ipaddress.ip_network("127.0.0.1/32")]
QUICK = DownloadLimits(connect=2, read=1, total=1.5, back_off=0.01, attempts=3)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status=200, kind="image/png", body=PNG, **headers):
        self.send_response(status)
        if kind is not None:
            self.send_header("Content-Type", kind)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        seen = self.server.seen
        seen[self.path] += 1
        self.server.hosts.append(self.headers["Host"])
        self.close_connection = True
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        match self.path.partition("?")[0]:
            case "/good":
                self.answer()
            case "/octets":
                self.answer(kind="application/octet-stream")
            case "/untold":
                self.answer(kind=None)
            case "/octets-text":
                self.answer(kind="application/octet-stream", body=b"#!/bin/sh\n")
            case "/html":
                self.answer(kind="text/html", body=b"<html></html>")
            case "/zipped":
                self.answer(Content_Encoding="gzip")
            case "/relative":
                self.answer(302, body=b"", Location="good?from=relative")
            case "/to-private":
                self.answer(302, body=b"", Location="http://10.1.2.3/a.png")
            case "/to-metadata":
                self.answer(307, body=b"", Location="http://169.254.169.254/latest")
            case "/to-file":
                self.answer(302, body=b"", Location="file:///etc/passwd")
            case "/loop":
                self.answer(302, body=b"", Location=f"{base}/loop")
            case "/declared-large":
                self.answer(Content_Length=str(10**9))
            case "/endless":
                self.send_response(200)
                self.send_header("Content-Type", "image/png")
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(bytes(65536))
                except OSError:
                    pass
            case "/lying":
                self.answer(Content_Length=str(len(PNG) + 100))
            case "/empty":
                self.answer(body=b"")
            case "/slow-body":
                self.send_response(200)
                self.send_header("Content-Type", "image/png")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.trickle(b"x" * 1000)
            case "/slow-head":
                self.trickle(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)
            case "/silent":
                time.sleep(3)
            case "/500-then-200":
                self.answer(500 if seen[self.path] < 3 else 200)
            case "/429":
                self.answer(429, Retry_After="7") if seen[self.path] < 2 else self.answer()
            case "/429-long":
                self.answer(429, Retry_After="86400")
            case "/404":
                self.answer(404)

    def trickle(self, data: bytes) -> None:
        try:
            for i in range(len(data)):
                self.wfile.write(data[i : i + 1])
                time.sleep(0.1)
        except OSError:
            pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen, server.hosts = Counter(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def at(server):
    server.seen.clear()
    server.hosts.clear()
    return lambda path: f"http://127.0.0.1:{server.server_address[1]}{path}"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def downloader(tmp_path, slept) -> Downloader:
    return Downloader(tmp_path / "cache", QUICK, permit=LOOPBACK, sleep=slept.append)


def why(downloader, url, max_bytes=100_000) -> str:
    with pytest.raises(BadRowError) as caught:
        downloader.fetch(url, max_bytes)
    return caught.value.reason


@pytest.mark.parametrize("path", ["/good", "/octets", "/untold", "/relative"])
def test_what_is_fetched(downloader, at, path):
    assert downloader.fetch(at(path), 100_000) == PNG


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/octets-text", "bytes that are no image"),
        ("/html", "gives text/html"),
        ("/zipped", "compresses"),
        ("/to-private", "not in the public internet"),
        ("/to-metadata", "not in the public internet"),
        ("/to-file", "not http or https"),
        ("/loop", "redirects more than 5 times"),
        ("/declared-large", "too large"),
        ("/endless", "too large"),
        ("/empty", "empty"),
        ("/404", "answered 404"),
    ],
)
def test_what_is_refused_is_refused_once_and_for_the_run(downloader, server, at, path, reason):
    assert reason in why(downloader, at(path))
    asked = server.seen[path]
    assert asked == (6 if path == "/loop" else 1)
    assert why(downloader, at(path)).endswith(at(path))
    assert server.seen[path] == asked
    assert not any((downloader._cache).rglob("*.tmp"))


@pytest.mark.parametrize("path", ["/lying", "/slow-body", "/slow-head", "/silent"])
def test_what_hangs_or_breaks_off_ends_in_time(tmp_path, at, server, path):
    one = DownloadLimits(connect=2, read=1, total=1.0, back_off=0.01, attempts=2)
    downloader = Downloader(tmp_path, one, permit=LOOPBACK, sleep=lambda seconds: None)
    started = time.monotonic()
    reason = why(downloader, at(path))
    assert "timed out" in reason or "broke off" in reason
    assert time.monotonic() - started < 6
    assert server.seen[path] == 2
    why(downloader, at(path))
    assert server.seen[path] == 4  # a fault that may pass is not remembered


def test_a_server_that_recovers(downloader, at, server, slept):
    assert downloader.fetch(at("/500-then-200"), 100_000) == PNG
    assert server.seen["/500-then-200"] == 3 and len(slept) == 2 and slept[1] > slept[0] / 2


def test_retry_after_is_honoured_up_to_a_cap(downloader, at, slept):
    assert downloader.fetch(at("/429"), 100_000) == PNG
    assert slept == [7.0]
    assert "429" in why(downloader, at("/429-long"))
    assert slept == [7.0, 30.0, 30.0]


def test_loopback_is_refused_unless_permitted(tmp_path, at, server):
    assert "not in the public internet" in why(Downloader(tmp_path, QUICK), at("/good"))
    assert not server.seen


def test_a_name_is_resolved_once_per_connection_and_the_checked_address_is_used(
    tmp_path, at, server
):
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    downloader = Downloader(tmp_path, QUICK, permit=LOOPBACK, resolve=rebinding)
    port = server.server_address[1]
    url = f"http://pictures.example:{port}/good"
    assert downloader.fetch(url, 100_000) == PNG  # connects where it was checked
    assert asked == ["pictures.example"] and server.hosts == [f"pictures.example:{port}"]
    other = f"http://pictures.example:{port}/octets"
    assert "not in the public internet" in why(downloader, other)
    assert server.seen["/octets"] == 0


def test_the_proxy_of_the_environment_is_not_used(downloader, at, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert downloader.fetch(at("/good"), 100_000) == PNG


def test_an_address_is_fetched_once_by_many_threads_and_later_runs(tmp_path, at, server):
    downloader = Downloader(tmp_path, QUICK, permit=LOOPBACK)
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: downloader.fetch(at("/good#x"), 100_000), range(16)))
    assert got == [PNG] * 16 and server.seen["/good"] == 1 and downloader.fetched == 1
    again = Downloader(tmp_path, QUICK, permit=LOOPBACK)
    assert again.fetch(at("/good"), 100_000) == PNG and server.seen["/good"] == 1
    assert "too large" in why(again, at("/good"), 10)


def test_no_more_than_so_many_at_once(tmp_path, at, monkeypatch):
    limits = DownloadLimits(at_once=2)
    downloader = Downloader(tmp_path, limits, permit=LOOPBACK)
    running, most, guard = [0], [0], threading.Lock()

    def slow(url, key, max_bytes):
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with guard:
            running[0] -= 1
        return PNG

    monkeypatch.setattr(downloader, "_fetch", slow)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: downloader.fetch(at(f"/good?{i}"), 100_000), range(12)))
    assert most[0] == 2


def test_references(downloader, at):
    closed, open_ = ImageResolver(None), ImageResolver(None, allow_urls=True)
    assert "--allow-urls" in closed.reference(at("/good")).error
    ref = open_.reference(at("/good"))
    assert ref.url == at("/good") and ref.error is ref.path is ref.data is None
    assert read_bytes(ref, downloader=downloader) == PNG
    with pytest.raises(BadRowError, match="--allow-urls"):
        read_bytes(ref)
    assert open_.reference("s3://bucket/a.png").error
    uri = "data:image/png;base64,iVBORw0KGgo="
    assert open_.reference(uri) == closed.reference(uri) and open_.reference(uri).data
