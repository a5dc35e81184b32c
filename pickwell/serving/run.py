"""From the command to a listening process, and its orderly end."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from data_cards.errors import BadInputError
from pickwell.like_job import Opened
from pickwell.serving.app import create_app
from pickwell.serving.limits import Limits
from pickwell.serving.requests import RequestReader
from pickwell.serving.service import Service
from pickwell.warm_scorer import WarmScorer

TOKEN = "PICKWELL_SERVE_TOKEN"  # noqa: S105  (the name of the variable)
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def run_service(
    opened: Opened,
    limits: Limits,
    *,
    host: str,
    port: int,
    image_root: Path | None = None,
    cache: Path | None = None,
    token: str | None = None,
    on_address: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until the process is told to end; what is in hand is finished first.

    Args:
        opened: What pairs are held against.
        limits: What is refused.
        host: Address to listen on.
        port: 0: any that is free.
        image_root: Folder that image paths may point into.
        cache: Stores that known rows are read from.
        token: What requests must bear.
        on_address: Called with the URL once it is listened on; the models are loaded then.

    Raises:
        BadInputError: If the address cannot be listened on, or the models cannot be loaded.
    """
    service = Service(lambda: WarmScorer(opened, cache), limits)
    reader = RequestReader(limits, image_root, opened.stored.instruction)
    listener = _listen(host, port)
    hosts = LOCAL | {host} if is_local(host) else None
    app = create_app(
        service,
        reader,
        token=token,
        hosts=hosts,
        on_failure=lambda: setattr(server, "should_exit", True),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=int(limits.answer_seconds + limits.read_seconds) + 1,
        )
    )
    shown = f"[{host}]" if ":" in host else host
    on_address(f"http://{shown}:{listener.getsockname()[1]}")
    # uvicorn repeats a signal once it has shut down: the end was orderly, so nothing is left to do
    before = {number: signal.signal(number, _nothing) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if service.failure is not None:
        raise service.failure


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise BadInputError(
            f"{host}:{port} cannot be listened on: {said}.", "Name another --host or --port."
        ) from error


def _nothing(number: int, frame: object) -> None:
    """The end has come already."""
