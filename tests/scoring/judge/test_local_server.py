"""Starting a server, with an interpreter that stands in for the one of vLLM's environment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_cards import BadInputError
from scoring.judge.local_server import free_port, main, start, wait_until_ready

ROOT = Path(__file__).parents[3]
SERVER = """#!{python}
import http.server, os, sys
words = sys.argv
port = int(words[words.index("--port") + 1])
open({pid!r}, "w").write(str(os.getpid()))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "python"
    path.write_text(SERVER.format(python=sys.executable, pid=str(tmp_path / "pid")))
    path.chmod(0o755)
    return path


def test_it_says_what_to_type_and_ends_its_server_when_it_is_ended(python, tmp_path):
    words = ["--python", python, "--model", tmp_path, "--name", "mine"]
    process = subprocess.Popen(
        [sys.executable, "-m", "scoring.judge.local_server", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = ""
    while "--judge" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    assert "--judge openai:mine@http://127.0.0.1:" in said
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    process.stdout.close()
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the server lives on")


def test_a_server_that_ends_is_told_of(tmp_path):
    false = Path("/bin/false")
    port = free_port()
    with pytest.raises(BadInputError, match="ended with code 1"):
        wait_until_ready(start(false, tmp_path, port, log=tmp_path / "log"), port)


def test_without_the_environment_the_remedy_is_named(tmp_path, capsys):
    assert main(["--python", str(tmp_path / "none"), "--model", str(tmp_path)]) == 2
    assert "make vllm-env" in capsys.readouterr().err
