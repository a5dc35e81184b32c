"""The HTTP side: six routes, one form of refusal, and the document that describes them."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pickwell import __version__
from pickwell.serving.about import about, answer, reference
from pickwell.serving.limits import Limits, Refused
from pickwell.serving.messages import AboutOut, AnswerOut, HealthOut, ProblemOut
from pickwell.serving.openapi import OPEN, REFUSALS, SCORE_BODY, describe
from pickwell.serving.requests import RequestReader
from pickwell.serving.service import Service

_DRAINED = 4
"""How many times the limit is read of a body that is too large, so that the answer arrives."""


def create_app(
    service: Service,
    reader: RequestReader,
    *,
    token: str | None = None,
    hosts: frozenset[str] | None = None,
    on_failure: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application.

    Args:
        service: Started and stopped with the application.
        reader: Takes requests apart.
        token: What a request must bear, except to :data:`OPEN`.
        hosts: Names that the service may be called by, so that no web page reaches a local one
            under a name of its own; ``None``: any.
        on_failure: Called if the models cannot be loaded.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start(on_failure)
        yield
        await asyncio.to_thread(service.stop)

    async def front_door(request: Request) -> None:
        if hosts is not None and request.url.hostname not in hosts:
            raise Refused(421, "The service is not called by this name.", "Use its address.")
        if token is None or request.url.path in OPEN:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
            raise Refused(401, "The bearer token is missing or wrong.", "Send the right one.")

    # No /docs: its page would load scripts from a server of strangers.
    app = FastAPI(
        title="pickwell",
        version=__version__,
        summary="Image-instruction-response pairs, scored like a stored run.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # FastAPI's own route would stand beside the front door
        dependencies=[Depends(front_door)],
        responses=REFUSALS[None],
    )

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        headers = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return _problem(error.status, error.message, error.remedy, headers)

    @app.exception_handler(HTTPException)
    async def not_there(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        return _problem(error.status_code, f"{error.detail}.", "See /openapi.json.", headers)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return _problem(500, "pickwell failed.", "Its log says why.", {})

    @app.post(
        "/score",
        summary="Score a pair, or several",
        responses=REFUSALS["score"],
        openapi_extra=SCORE_BODY,
    )
    async def score(request: Request) -> AnswerOut:
        """Each pair by itself: its answer does not depend on what it comes with."""
        with service.measures.request(), service.place():
            content_type = request.headers.get("content-type", "")
            body = await _body(request, service.limits)
            samples = await service.read(reader, body, content_type)
            del body
            rows = await service.answer(samples, request.is_disconnected)
            return answer(_scorer(service), rows)

    @app.get("/health", summary="Is it there, and are the models loaded?", responses={})
    async def health() -> HealthOut:
        return HealthOut(live=True, ready=service.ready)

    @app.get("/ready", summary="200 when the models are loaded", responses=REFUSALS["ready"])
    async def ready() -> HealthOut:
        _scorer(service)
        return HealthOut(live=True, ready=True)

    @app.get("/about", summary="Reference, models and columns", responses=REFUSALS["ready"])
    async def about_it() -> AboutOut:
        scorer = _scorer(service)
        return about(scorer, reference(scorer), service.limits)

    @app.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(service.measures.text())

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    describe(app, reader, token is not None)
    return app


def _scorer(service: Service) -> Any:
    if service.scorer is None:
        raise Refused(503, "The models are being loaded.", "Try again.", 5, "busy")
    return service.scorer


def _problem(status: int, message: str, remedy: str, headers: dict[str, str]) -> JSONResponse:
    content = ProblemOut(error=message, remedy=remedy).model_dump()
    return JSONResponse(content, status, headers)


async def _body(request: Request, limits: Limits) -> bytes:
    """The body, never more of it in memory than is allowed."""
    stated = request.headers.get("content-length", "0")
    too_large = Refused(
        413, f"The body is larger than {limits.max_body} bytes.", "Send fewer pairs at a time."
    )
    if stated.isdigit() and int(stated) > limits.max_body * _DRAINED:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.max_body:
                    chunks.clear()
                    if size > limits.max_body * _DRAINED:
                        raise too_large
                else:
                    chunks.append(chunk)
    except TimeoutError:
        raise Refused(
            408, f"The body did not arrive within {limits.read_seconds:g} seconds.", "Try again."
        ) from None
    except ClientDisconnect:
        raise Refused(408, "The body did not arrive.", outcome="gone") from None
    if size > limits.max_body:
        raise too_large
    return b"".join(chunks)
