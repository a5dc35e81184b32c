"""The records of an extended selection: one file where they can stand in one, else one each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError

if TYPE_CHECKING:
    from data_cards.source import Source
    from pickwell.chosen import Chosen


@dataclass(frozen=True)
class Records:
    """What was written.

    Attributes:
        paths: Files and folders.
        parts: Per file or folder of records: ``path`` in the selection folder, ``format``,
            ``images`` (the folder that its image paths start from; ``None``: not known).
        how: In words, for the data card.
    """

    paths: list[Path]
    parts: list[dict[str, Any]]
    how: str


def write_records(
    data: Path,
    before: Chosen,
    source: Source,
    rows: Sequence[int],
    ids: Sequence[str],
    *,
    copy_images: bool,
) -> Records:
    """Write earlier and new records into ``data``, each as it stands in its input.

    They share a file where a reader of that file finds every record and every image: the format,
    the kind of file and the folder of the images are the same and no id stands twice. Otherwise
    the earlier files stay as they are and the new records stand beside them in a folder of their
    own.

    Args:
        data: The folder ``data`` of the new selection; made.
        before: The earlier selection, whose ``data`` is copied.
        source: The new input.
        rows: Rows of it to copy.
        ids: Ids of these rows.
        copy_images: Copy the images of the new rows too.

    Raises:
        BadInputError: If the earlier records are gone, or the new ones cannot be copied.
    """
    from data_cards.joining import can_join, join_files

    earlier = before.folder / "data"
    if not earlier.is_dir():
        raise BadInputError(
            f"{earlier} is gone: the earlier records cannot be copied.",
            "Select again with `pickwell select`.",
        )
    shutil.copytree(earlier, data)
    parts = _parts_of(before)
    mine = {"format": source.copied_format, "images": _root(source)}
    work = Path(tempfile.mkdtemp(prefix=".new.", dir=data.parent))
    try:
        written = source.copy_rows(rows, work, copy_images=copy_images) if rows else []
        files = [path for path in written if path.is_file()]
        taken = set(before.selection.ids) & set(ids)
        for part in parts:
            target = data.parent / part["path"]
            same = {key: part[key] for key in mine} == mine and mine["images"] is not None
            form = source.copied_format
            if same and not taken and len(files) == 1 and can_join(target, files[0], form):
                join_files(target, files[0], target, form)
                _merge(work, data, files[0])
                return Records(_inside(data), parts, "all records stand in one file")
        if written:
            name = _free(data, f"added-{len(parts)}")
            work.chmod(0o755)
            work.rename(name)
            path = name / files[0].name if len(files) == 1 else name
            parts.append({"path": str(path.relative_to(data.parent)), **mine})
    finally:
        shutil.rmtree(work, ignore_errors=True)
    apart = "" if len(parts) == 1 else "the new records stand in a file of their own, since "
    why = _why_apart(parts, mine, taken) if apart else "no record was added"
    return Records(_inside(data), parts, f"{apart}{why}")


def _parts_of(before: Chosen) -> list[dict[str, Any]]:
    """Where the earlier records are and how to read them."""
    from pickwell.selection_job import source_of_run

    stored = before.manifest.get("data")
    if isinstance(stored, list):
        return [dict(part) for part in stored]
    run = before.runs[0]
    try:
        images = _root(source_of_run(run))
    except BadInputError:  # yesterday's input may be gone; its records are here
        images = None
    outputs = [Path(entry["path"]) for entry in before.manifest["outputs"]]
    files = [p for p in outputs if p.parts[:1] == ("data",) and len(p.parts) == 2]
    path = files[0] if len(files) == 1 else Path("data")
    format = run.manifest["input"]["format"]
    if format == "hf" and path.suffix == ".parquet":
        format = "parquet"
    return [{"path": str(path), "format": format, "images": images}]


def _root(source: Source) -> str | None:
    return None if source.image_root is None else str(source.image_root.resolve())


def _merge(work: Path, data: Path, records: Path) -> None:
    """Put the copied images of the new rows beside those that are there."""
    for path in sorted(work.rglob("*")):
        target = data / path.relative_to(work)
        if path.is_file() and path != records and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _why_apart(parts: list[dict[str, Any]], mine: dict[str, Any], taken: set[str]) -> str:
    if taken:
        return f"{len(taken):,} of their ids are ids of earlier records"
    if all(part["format"] != mine["format"] for part in parts[:-1]):
        return f"their format is {mine['format']}"
    if mine["images"] is None or all(part["images"] != mine["images"] for part in parts[:-1]):
        return "their image paths start from another folder"
    return "the files cannot be put together"


def _free(data: Path, name: str) -> Path:
    target = data / name
    while target.exists():
        target = target.with_name(f"{target.name}+")
    return target


def _inside(data: Path) -> list[Path]:
    return sorted(path for path in data.rglob("*") if path.is_file())
