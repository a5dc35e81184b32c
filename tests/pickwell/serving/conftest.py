"""A service in this process, over a run without models."""

import time
from contextlib import contextmanager

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")


@pytest.fixture(scope="session")
def make_app(plain):
    """An application with the limits given."""
    from pickwell.like_job import open_like
    from pickwell.serving.app import create_app
    from pickwell.serving.limits import Limits
    from pickwell.serving.requests import RequestReader
    from pickwell.serving.service import Service
    from pickwell.warm_scorer import WarmScorer

    def make(image_root=plain.home, load=None, token=None, hosts=None, on_failure=None, **limits):
        opened = open_like(plain.chosen, warm=True)
        service = Service(load or (lambda: WarmScorer(opened, plain.cache)), Limits(**limits))
        reader = RequestReader(service.limits, image_root)
        app = create_app(
            service, reader, token=token, hosts=hosts, on_failure=on_failure or (lambda: None)
        )
        return app, service

    return make


@pytest.fixture(scope="session")
def serving(make_app):
    """A client of such an application, its models loaded."""
    from starlette.testclient import TestClient

    @contextmanager
    def serve(**options):
        app, service = make_app(**options)
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            client.service = service
            until = time.monotonic() + 120
            while not service.ready and service.failure is None and time.monotonic() < until:
                time.sleep(0.02)
            yield client

    return serve


@pytest.fixture(scope="module")
def client(serving):
    """One with the usual limits, but small ones on size."""
    with serving(max_body=2**20, max_text=2_000, max_batch=8) as client:
        yield client
