"""What a request and its answer look like; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

DRAWING = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAGklEQVR4nGPUCDjBAAML3iTA2UwMOMDglAAAY74D"
    "PC3Cj9YAAAAASUVORK5CYII="
)
"""A picture of 8 x 8 pixels, for the examples."""


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ImageIn(_Given):
    """One image; exactly one of its fields."""

    data: str | None = Field(None, description="The encoded file in base64, or a `data:` URI.")
    path: str | None = Field(
        None, description="A path below the folder of --image-root, where there is one."
    )
    url: str | None = Field(None, description="Refused: nothing is fetched. Send `data`.")


class TurnIn(_Given):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class PairIn(_Given):
    """One pair: `instruction` and `response`, or `turns`; with an image, several, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "cat-1",
                    "instruction": "What is on the mat?",
                    "response": "A grey cat, asleep in the sun.",
                    "image": {"data": DRAWING},
                }
            ]
        }
    )

    id: str | None = Field(None, min_length=1, max_length=500, description="Yours, or made.")
    instruction: str | None = None
    response: str | None = None
    turns: list[TurnIn] | None = Field(None, max_length=200)
    image: ImageIn | None = None
    images: list[ImageIn] | None = Field(None, max_length=16)


class FormIn(_Given):
    """The same as a form with a file."""

    id: str | None = Field(None, min_length=1, max_length=500)
    instruction: str | None = None
    response: str | None = None
    image: str | None = Field(None, json_schema_extra={"format": "binary"})


class ReferenceOut(BaseModel):
    """What the pairs were held against."""

    name: str
    run_sha256: str = Field(description="Of the run's run.json: another one, other numbers.")
    rows: int
    quality: str = Field(description="What the quality is: the consensus, a column, or fitted.")
    picks: int | None = Field(description="Picks that near-duplicates are looked for among.")


class PairOut(BaseModel):
    """One pair, scored. A missing number is null, and `notes` or `error` says why."""

    id: str
    status: Literal["ok", "bad"]
    error: str | None
    quality: float | None = Field(description="Higher is better; null below a floor.")
    near_duplicate_of: str | None
    out_of_range: float | None = Field(description="Share of the numbers that are extrapolated.")
    scores: dict[str, float | int | bool | str | None]
    notes: str | None


class AnswerOut(BaseModel):
    """The pairs in the order of the request."""

    reference: ReferenceOut
    pairs: list[PairOut]


class ProblemOut(BaseModel):
    """Why there is no answer."""

    error: str
    remedy: str


class HealthOut(BaseModel):
    """Whether the service lives, and whether the models are loaded."""

    live: bool
    ready: bool


class ColumnOut(BaseModel):
    """A column of `scores`."""

    description: str
    direction: Literal["higher", "lower", "none"]
    range: tuple[float | None, float | None] = Field(description="null: unbounded.")
    kind: Literal["float", "int", "bool", "string"]


class AboutOut(BaseModel):
    """What this service is."""

    pickwell: str
    reference: ReferenceOut
    models: dict[str, str | None] = Field(description="Keys of the models, as in run.json.")
    specs: dict[str, str] = Field(description="What gives the same models again, by role.")
    metrics: dict[str, str] = Field(description="Metric to the hash of its configuration.")
    columns: dict[str, ColumnOut]
    limits: dict[str, float]


def batch_model(max_batch: int) -> type[BaseModel]:
    """The request with several pairs; a longer list is refused before its pairs are looked at."""
    from pydantic import create_model

    fields: dict[str, Any] = {"pairs": (list[PairIn], Field(min_length=1, max_length=max_batch))}
    return create_model("BatchIn", __base__=_Given, __doc__="Several pairs.", **fields)
