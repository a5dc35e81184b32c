"""`pickwell serve` as a process of its own: real sockets, real signals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
ROOT = Path(__file__).parents[2]
PAIR = {"instruction": "What?", "response": "A red box beside a ball."}


@pytest.fixture
def start(plain, tmp_path):
    """Start the command; its process and port once it is ready."""
    running = []

    def run(*words, **environment):
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "pickwell", "serve", str(plain.chosen), "--port", "0", *words],
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
            env=os.environ | {"PICKWELL_CACHE": str(plain.cache), **environment},
        )  # fmt: skip
        running.append(process)
        said = process.stdout.readline()
        port = int(said.split("http://")[1].split(" ")[0].rsplit(":", 1)[1])
        until = time.monotonic() + 240
        while ask(port, "/ready")[0] != 200 and time.monotonic() < until:
            time.sleep(0.1)
        return process, port

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(port, path, content=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
    body = None if content is None else json.dumps(content)
    kind = {} if content is None else {"content-type": "application/json"}
    try:
        connection.request("POST" if body else "GET", path, body, kind | (headers or {}))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except OSError:
        return 0, None
    finally:
        connection.close()


def test_it_serves_and_finishes_what_is_in_hand(start, tmp_path):
    process, port = start()
    assert ask(port, "/score", PAIR)[1]["pairs"][0]["status"] == "ok"
    # different texts, so that nothing is known before
    many = [
        {"pairs": [PAIR | {"response": f"Box {n} {m} " + "word " * 500} for m in range(60)]}
        for n in range(4)
    ]
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask, port, "/score", batch) for batch in many]
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/metrics")
            if b"queue_length 4.0" in connection.getresponse().read():
                break
            assert not any(job.done() for job in asked), "too quick to be told to end"
        process.send_signal(signal.SIGTERM)
        answers = [job.result() for job in asked]
    assert [status for status, _ in answers] == [200] * 4
    assert {len(answer["pairs"]) for _, answer in answers} == {60}
    assert process.wait(120) == 0
    assert ask(port, "/health")[0] == 0
    assert (tmp_path / "log").read_text() == ""


def test_torn_and_large_requests_leave_it_alive(start):
    _, port = start("--max-body", "1MiB")
    head = "POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    for rest in (
        "Content-Length: 100\r\n\r\n{",  # and no more
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "X: " + "y" * 100_000 + "\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as talk:
            talk.sendall((head + rest).encode())
    status, answer = ask(port, "/score", PAIR | {"response": "x" * 2_000_000})
    assert status == 413 and "1048576 bytes" in answer["error"]
    assert ask(port, "/score", PAIR)[0] == 200
    assert ask(port, "/health", headers={"host": "evil.example"})[0] == 421


def test_a_token_and_a_public_address(start, tmp_path):
    process, port = start("--host", "0.0.0.0")
    assert "no authentication" in (tmp_path / "log").read_text()
    process.kill()
    process, port = start("--host", "0.0.0.0", PICKWELL_SERVE_TOKEN="s3cret")
    assert "no authentication" not in (tmp_path / "log").read_text()
    assert ask(port, "/score", PAIR)[0] == 401
    assert ask(port, "/score", PAIR, {"authorization": "Bearer s3cret"})[0] == 200


def test_what_cannot_be_served(pickwell_here, plain, tmp_path):
    done = pickwell_here("serve", tmp_path / "nothing")
    assert done.returncode == 2 and "no finished run" in done.stderr
    done = pickwell_here("serve", plain.run, "--image-root", tmp_path / "nothing")
    assert done.returncode == 2 and "no folder" in done.stderr
    done = pickwell_here("serve", plain.run, "--max-body", "many")
    assert done.returncode == 2 and "no size" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = pickwell_here("serve", plain.run, "--port", taken.getsockname()[1])
    assert done.returncode == 2 and "cannot be listened on" in done.stderr
