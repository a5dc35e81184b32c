"""The samples to train on: those of a selection folder, or of any data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import FinetuneConfig

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

_READING = ("card", "columns", "split", "instruction")
"""Options of ``score`` that say how records are read."""


def training_sources(selection: str | Path, settings: FinetuneConfig) -> list[Source]:
    """Where the samples are: one source, or one per part of an extended selection.

    A selection's records stand in its ``data`` folder as they came; they are read as they were
    when they were scored, and their images are looked for where they were then.

    Args:
        selection: A selection folder, or what :func:`data_cards.source.open_source` reads.
        settings: What is said here goes before what the run says.

    Raises:
        BadInputError: There are no data, or the selection's records are gone.
    """
    folder = Path(selection)
    if not (folder / "selection.parquet").is_file():
        return [_open(selection, settings, {})]
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        parts = manifest.get("data") or [_only_part(folder, manifest)]
        runs = [Path(run["folder"]) for run in manifest.get("runs", [])] or [Path(manifest["run"])]
        opened = []
        for place, part in enumerate(parts):
            run = runs[0] if place == 0 else runs[max(0, len(runs) - (len(parts) - place))]
            path = folder / part["path"]
            if not path.exists():
                raise BadInputError(
                    f"{path} is gone, which holds records of the selection.",
                    "Select again with `pickwell select`.",
                )
            said = _reading(run) | {key: part[key] for key in ("format", "images") if part[key]}
            source = _open(path, settings, said)
            copied = settings.images is not None or manifest["options"]["copy_images"]
            opened.append(source if copied else _in_hub(source, run))
        return opened
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{folder / 'manifest.json'} cannot be read: {error}.",
            "Select again with `pickwell select`.",
        ) from error


def training_samples(sources: list[Source], limit: int | None) -> Iterator[Sample]:
    """Their samples, one source after the other, with ids that are unique."""
    seen: set[str] = set()
    for source in sources:
        for sample in source.samples():
            if limit is not None and len(seen) >= limit:
                return
            name = sample.id
            while name in seen:
                name += "+"
            seen.add(name)
            yield sample if name == sample.id else replace(sample, id=name)


def _open(path: str | Path, settings: FinetuneConfig, said: dict[str, Any]) -> Source:
    from data_cards.source import open_source

    mine = settings.model_dump(include={"format", "images", *_READING})
    chosen = said | {name: value for name, value in mine.items() if value}
    images = chosen.get("images")
    if images is not None and not settings.images and not Path(images).is_dir():
        images = None  # moved since; the reader looks beside the records
    return open_source(
        path,
        format=chosen.get("format"),
        images=images,
        card=chosen.get("card"),
        columns=chosen.get("columns") or None,
        split=chosen.get("split"),
        default_instruction=chosen.get("instruction"),
    )


def _in_hub(source: Source, run: Path) -> Source:
    """The records with their images looked for in the repository that they came from."""
    from data_cards.hub_images import HubImages

    try:
        manifest = json.loads((run / "run.json").read_text("utf-8"))
        hub, commit = manifest["input"]["hub"], manifest["input"]["revision"]
    except (OSError, ValueError, KeyError):
        return source
    if hub.get("images") is None:
        return source
    return replace(source, image_root=None, hub_images=HubImages(hub["id"], commit, hub["images"]))


def _only_part(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The records of a selection that was never extended."""
    outputs = [Path(entry["path"]) for entry in manifest["outputs"]]
    files = [path for path in outputs if path.parts[:1] == ("data",) and len(path.parts) == 2]
    return {
        "path": str(files[0] if len(files) == 1 else Path("data")),
        "format": _copied_format(files, manifest["input"]["format"]),
        "images": None if manifest["options"]["copy_images"] else _images_of_input(manifest),
    }


def _copied_format(files: list[Path], format: str) -> str:
    """Records from the hub stand in one Parquet file."""
    one = len(files) == 1 and files[0].suffix == ".parquet"
    return "parquet" if format == "hf" and one else format


def _images_of_input(manifest: dict[str, Any]) -> str | None:
    """The folder that image paths of the scored data start from, if it is still there."""
    from data_cards.source import open_source

    said = _reading(Path(manifest["run"]))
    if said.get("images"):
        return str(said["images"])
    described = manifest["input"]
    if described.get("revision"):
        return None
    try:
        source = open_source(
            described["path"],
            format=described["format"],
            card=said.get("card"),
            columns=said.get("columns") or None,
            split=said.get("split"),
        )
    except BadInputError:  # the input may be gone; the records are here
        return None
    return None if source.image_root is None else str(source.image_root)


def _reading(run: Path) -> dict[str, Any]:
    """How the data of a run were read; nothing if the run is gone."""
    try:
        options = json.loads((run / "run.json").read_text("utf-8"))["options"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: options[name] for name in (*_READING, "images") if options.get(name)}
