"""The OpenAPI document: what FastAPI cannot know of a body that is read by hand."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pickwell.serving.messages import DRAWING, FormIn, PairIn, ProblemOut, batch_model
from pickwell.serving.requests import FORM, JSON, RequestReader

OPEN = ("/health", "/ready")
"""What is answered without a token."""
_WHY = {
    400: "The body is no JSON, or no form.",
    401: "The bearer token is missing or wrong.",
    408: "The body did not arrive in time.",
    413: "Too large.",
    415: "Neither JSON nor a form.",
    421: "The service is not called by this name.",
    422: "Not the fields that are expected, or too many pairs.",
    500: "pickwell failed; its log says why.",
    503: "No place in the queue, no answer in time, or the models are being loaded.",
}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ProblemOut, "description": _WHY[status]} for status in statuses}


REFUSALS = {
    None: _refusals(401, 421, 500),
    "score": _refusals(400, 408, 413, 415, 422, 503),
    "ready": _refusals(503),
}
_PAIR = {"id": "cat-1", "instruction": "What is on the mat?", "response": "A grey cat, asleep."}
SCORE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/BatchIn"},
                        {"$ref": "#/components/schemas/PairIn"},
                    ]
                },
                "examples": {
                    "one": {"value": _PAIR | {"image": {"data": DRAWING}}},
                    "several": {"value": {"pairs": [_PAIR, {"response": "No picture, no id."}]}},
                },
            },
            FORM: {"schema": {"$ref": "#/components/schemas/FormIn"}},
        },
    }
}


def describe(app: FastAPI, reader: RequestReader, needs_token: bool) -> None:
    """Let the document of an application tell of the request models, and of the token."""
    made = app.openapi
    models: list[type[BaseModel]] = [batch_model(reader.limits.max_batch), PairIn, FormIn]

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = made()
        _, given = models_json_schema(
            [(model, "validation") for model in models],
            ref_template="#/components/schemas/{model}",
        )
        components = document.setdefault("components", {})
        components["schemas"] = components.get("schemas", {}) | given["$defs"]
        if needs_token:
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path, routes in document["paths"].items():
                for route in routes.values():
                    route["security"] = [] if path in OPEN else [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
