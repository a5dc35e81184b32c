"""Schemathesis against a real server: what its document promises, whatever is sent."""

import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.specs.openapi.checks import negative_data_rejection  # noqa: E402

QUICK = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.generate],
}


@pytest.fixture(scope="module")
def address(make_app):
    """A server in a thread of this process, its models loaded."""
    import uvicorn

    app, service = make_app(image_root=None)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 120
    while not service.ready and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(60)


@pytest.fixture(scope="module")
def document(address):
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


JSON, FORM = "application/json", "multipart/form-data"
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES)
def test_score(document, mode):
    """Valid requests are scored, others refused, never with a 5xx, always as documented."""
    seen = check(document["/score"]["POST"].as_strategy(mode), 150)
    assert (JSON, 422 if mode == MODES[1] else 200) in seen
    assert (FORM, 200) in seen


def test_the_rest(document):
    for path in ("/health", "/ready", "/about", "/metrics"):
        assert check(document[path]["GET"].as_strategy(), 3) == {(None, 200)}


def check(cases, number):
    """Send some cases; what was sent and the status of the answer, each as the document says."""
    seen = set()

    @settings(max_examples=number, **QUICK)
    @given(cases)
    def each(case):
        kind = None if case.method == "GET" else case.media_type
        # all that a form holds is text: a number in it is a text as well
        unfit = [negative_data_rejection] if kind == FORM else []
        seen.add((kind, case.call_and_validate(excluded_checks=unfit).status_code))

    each()
    return seen
