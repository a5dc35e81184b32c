"""The configuration file: every option of ``score`` and ``select``, checked before anything runs.

A key that does not exist is an error that names the nearest one that does.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data_cards.errors import BadInputError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScoreConfig(_Strict):
    """What ``pickwell score`` needs beside data and output folder."""

    models: str = "embedded"
    metrics: list[str] | None = None
    format: str | None = None
    images: Path | None = None
    card: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    split: str | None = None
    instruction: str | None = None
    imports: list[Path] = Field(default_factory=list)
    cache: Path | None = None
    limit: int | None = Field(default=None, ge=1)
    shard_rows: int = Field(default=256, ge=1, le=65536)
    workers: int = Field(default=0, ge=0, le=256)
    max_pixels: int = Field(default=50_000_000, ge=1)
    thumbnail: int = Field(default=160, ge=0, le=1024)
    seed: int = 0

    @field_validator("metrics", mode="before")
    @classmethod
    def _as_typed(cls, value: Any) -> Any:
        """``a,b`` means in a file what it means on the command line."""
        return [w.strip() for w in value.split(",")] if isinstance(value, str) else value


class SelectConfig(_Strict):
    """What ``pickwell select`` needs beside run and output folder."""

    budget: int = Field(default=200, ge=1)
    by: str | None = None
    method: str = "clusters"
    clusters: int | None = Field(default=None, ge=1)
    clustering: Literal["kmeans", "spectral"] = "kmeans"
    space: Literal["image", "text", "both"] = "both"
    floors: list[str] = Field(default_factory=list)
    default_floors: bool = True
    consensus: list[str] | None = None
    near_duplicate: float = Field(default=0.95, gt=0, le=1.01)
    tempering: float = Field(default=1.0, ge=0, le=1)
    random_seeds: int = Field(default=200, ge=5)
    copy_images: bool = False
    seed: int = 0


class Config(_Strict):
    """A whole configuration file."""

    score: ScoreConfig = ScoreConfig()
    select: SelectConfig = SelectConfig()


def load_config(path: Path | None) -> Config:
    """Read a YAML file; ``None`` gives the defaults.

    Raises:
        BadInputError: Naming file, key, what is wrong and the nearest key that exists.
    """
    if path is None:
        return Config()
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror}.", "Check --config."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} is not valid YAML: {error}.", "Mend the file.") from error
    return checked(Config, content, str(path))


def checked(model: type[Any], values: Any, where: str) -> Any:
    """Validate ``values`` against a model, with messages for people.

    Raises:
        BadInputError: See :func:`load_config`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, problem) for problem in error.errors()]
        raise BadInputError(f"{where}: " + "; ".join(lines), "See `pickwell --help`.") from error


def _explain(model: type[BaseModel], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    name = ".".join(location)
    if problem["type"] != "extra_forbidden":
        given = f" (given: {problem['input']!r})" if "input" in problem else ""
        return f"{name or 'the file'}: {problem['msg']}{given}"
    owner: type[BaseModel] = model
    for part in location[:-1]:
        annotation = owner.model_fields[part].annotation
        assert isinstance(annotation, type)
        owner = annotation
    near = difflib.get_close_matches(location[-1], owner.model_fields, 1, 0.5)
    known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(owner.model_fields)}"
    return f"there is no key {name!r}; {known}"
