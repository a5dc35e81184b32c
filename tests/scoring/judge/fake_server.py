"""A small server with the chat completions interface that fails as it is told to.

The real thing is tried in test_real_vllm.py; this one does what a real one does too seldom.
"""

import hashlib
import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ASPECTS = ("relevance", "correctness", "completeness", "helpfulness")
TROUBLES = ("drop", "delay", "broken", "fields", "429", "500")


def ratings_of(prompt: str) -> list[int]:
    """Ratings that depend on the prompt alone."""
    return [1 + byte % 5 for byte in hashlib.sha256(prompt.encode()).digest()[:4]]


def prompt_of(body: dict) -> str:
    content = body["messages"][0]["content"]
    if isinstance(content, str):
        return content
    return "\n\n".join(part["text"] for part in content if part["type"] == "text")


class FakeServer:
    """Serves until it is closed; counts what it answered.

    Args:
        trouble: Share of the requests that go wrong, in turn by each of ``kinds``.
        wait: Seconds before an answer.
        port: 0: a free one.
    """

    def __init__(
        self, trouble=0.0, kinds=TROUBLES, wait=0.0, port=0, seed=0, delay=1.0, retry_after="0.02"
    ):
        self.trouble, self.kinds, self.wait = trouble, kinds, wait
        self.delay, self.retry_after = delay, retry_after
        self.answered = Counter()  # by prompt: replies that were sent whole
        self.bodies = []
        self.headers = []
        self.troubles = Counter()
        self.requests = 0
        self.at_once = self.most_at_once = 0
        self.models = ["fake"]
        self.logprobs = True
        self.say = None  # (status, content) instead of an answer, or a function of the body
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                self.reply(200, {"data": [{"id": name} for name in server.models]})

            def do_POST(self):
                data = self.rfile.read(int(self.headers["Content-Length"]))
                with server._lock:
                    server.requests += 1
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                    server.bodies.append(json.loads(data))
                    server.headers.append(dict(self.headers))
                    kind = None
                    if server._random.random() < server.trouble:
                        kind = server.kinds[server.troubles.total() % len(server.kinds)]
                        server.troubles[kind] += 1
                try:
                    server.serve(self, json.loads(data), kind)
                finally:
                    with server._lock:
                        server.at_once -= 1

            def reply(self, status, content, **headers):
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def drop(self):
                self.close_connection = True
                self.connection.close()

        connections = self._connections = set()

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def get_request(self):
                connection, address = super().get_request()
                connections.add(connection)
                return connection, address

            def handle_error(self, request, client_address):
                pass  # the other side is gone: that is what these tests are about

        self._server = Quiet(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spec(self) -> str:
        return f"openai:fake@{self.url}"

    def close(self) -> None:
        """Stop as if killed: what is open breaks off."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def serve(self, handler, body, kind):
        prompt = prompt_of(body)
        said = self.say(body) if callable(self.say) else self.say
        if said is not None:
            return handler.reply(*said)
        if kind == "drop":
            return handler.drop()
        if kind == "delay":
            time.sleep(self.delay)
            return handler.drop()
        if kind == "broken":
            return handler.reply(200, b'{"choices": [{"mess')
        if kind == "fields":
            return handler.reply(200, {"choices": [{"index": 0}]})
        if kind == "429":
            return handler.reply(
                429, {"error": {"message": "slow down"}}, Retry_After=self.retry_after
            )
        if kind == "500":
            return handler.reply(500, {"error": "a bad day"})
        time.sleep(self.wait)
        handler.reply(200, self.completion(body, prompt))
        with self._lock:
            self.answered[prompt] += 1

    def completion(self, body, prompt):
        numbers = ratings_of(prompt)
        pairs = list(zip(ASPECTS, numbers, strict=True))
        pieces = ["{"]
        for number, (name, value) in enumerate(pairs):
            pieces += [f'"{name}":', " ", str(value), ", " if number < 3 else "}"]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(pieces)},
            "finish_reason": "stop",
        }
        if self.logprobs and body.get("logprobs"):
            choice["logprobs"] = {
                "content": [
                    {
                        "token": piece,
                        "logprob": -0.1,
                        "top_logprobs": [{"token": piece, "logprob": -0.1}],
                    }
                    for piece in pieces
                ]
            }
        return {
            "choices": [choice],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20},
        }
