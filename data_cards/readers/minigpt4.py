# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""MiniGPT-4: one object with ``annotations``, images in a folder beside it; COCO captions too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from data_cards.image_paths import kind_of
from data_cards.json_stream import JsonRecord, JsonStream, first_character, iter_elements
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.records import RecordReader, record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

INSTRUCTION = "Describe this image in detail."
"""The question of the published second-stage training, which the file does not hold."""

_FILE = "filter_cap.json"
_IMAGE = "\0image"  # no field of a real record


def annotations_file(path: Path) -> Path:
    """The file itself, or ``filter_cap.json`` in the folder."""
    return path / _FILE if path.is_dir() else path


def seek_annotations(stream: JsonStream) -> bool:
    """Move the cursor to the value of the top-level key ``annotations``; whether it is there."""
    stream.take("{", "'{'")
    if stream.peek() == "}":
        return False
    while True:
        key = stream.value()[0]
        stream.take(":", "':'")
        if key == "annotations":
            return stream.peek() == "["
        if stream.peek() == "[":
            for _ in iter_elements(stream):  # COCO's list of images: large, and passed by
                pass
        else:
            stream.value()
        if stream.take(",}", "',' or '}'") == "}":
            return False


def iter_annotations(path: Path) -> Iterator[JsonRecord]:
    """Stream the annotations.

    Raises:
        BadInputError: The file is not such an object, or is broken; with line and column.
    """
    stream = JsonStream(path)
    try:
        if not seek_annotations(stream):
            raise BadInputError(
                f"{path}: no list `annotations` at the top level",
                'MiniGPT-4 files look like {"annotations": [{"image_id": ..., "caption": ...}]}.',
            )
        yield from iter_elements(stream)
    finally:
        stream.close()


@register_format
class MiniGpt4:
    """``{"annotations": [{"image_id", "caption"}]}`` with ``image/<image_id>.jpg``."""

    name = "minigpt4"
    summary = "`filter_cap.json`: `annotations` of image_id/caption, images in `image/<id>.jpg`"

    def recognise(self, path: Path) -> str | None:
        file = annotations_file(path)
        if not file.is_file() or file.suffix.lower() != ".json" or first_character(file) != "{":
            return None
        stream = JsonStream(file)
        try:
            return "a JSON object with a list `annotations`" if seek_annotations(stream) else None
        except BadInputError:
            return None
        finally:
            stream.close()

    def fields(self, source: Source) -> list[str]:
        for record in iter_annotations(annotations_file(source.file)):
            if isinstance(record.value, dict):
                return list(record.value)
        return []

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        return {"id": "image_id", "images": "image_id", "response": "caption"}

    def read(self, source: Source) -> Iterator[Sample]:
        file = annotations_file(source.file)
        # The id is often the image's number as well, so its file name goes by a name of its own.
        columns = {**source.columns, "images": _IMAGE}
        reader = record_reader(source, columns)
        field = source.columns.get("images") or "image_id"
        pattern = (source.card.image_name if source.card else None) or "{}.jpg"
        for row, record in enumerate(iter_annotations(file)):
            where = f"{file.name}:{record.line}"
            if record.error is not None:
                yield reader.bad(row, where, record.error)
            else:
                yield _sample(reader, record.value, row, where, field, pattern)

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        file = annotations_file(source.file)
        target = out_dir / file.name
        refuse_overwriting(target, [file])
        wanted = Wanted(rows, source.path)
        with replacing(target, "w") as out:
            stream = JsonStream(file)
            try:
                seek_annotations(stream)
                start = stream.offset + 1
                _copy_characters(file, 0, start, out)
                separator, count = "\n", 0
                for row, record in enumerate(iter_elements(stream)):
                    count = row + 1
                    if row in wanted:
                        out.write(separator + record.text)
                        separator = ",\n"
                wanted.check(count)
                out.write("\n")
                _copy_characters(file, stream.offset - 1, None, out)
            finally:
                stream.close()
        images = copy_images_of(source, rows, out_dir, bare="image") if copy_images else []
        return [target, *images]

    def files(self, source: Source) -> list[Path]:
        return [annotations_file(source.file)]

    def count_hint(self, source: Source) -> int | None:
        file = annotations_file(source.file)
        if file.stat().st_size > 1 << 25:
            return None
        try:
            return sum(1 for _ in iter_annotations(file))
        except BadInputError:
            return None


def _sample(
    reader: RecordReader, record: Any, row: int, where: str, field: str, pattern: str
) -> Sample:
    if not isinstance(record, dict):
        return reader.sample(record, row, where)
    number = record.get(field)
    if not isinstance(number, str | int) or isinstance(number, bool):
        return reader.bad(row, where, f"field {field!r} is {kind_of(number)}, not an image's id")
    try:
        image = pattern.format(number)
    except (ValueError, IndexError, KeyError):
        return reader.bad(row, where, f"image id {number!r} does not fit the pattern {pattern!r}")
    return reader.sample({**record, _IMAGE: image}, row, where)


def _copy_characters(path: Path, start: int, end: int | None, out: IO[str]) -> None:
    """Copy characters [start, end) of a file, in pieces."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        left = start
        while left and (piece := file.read(min(left, 1 << 20))):
            left -= len(piece)
        left = -1 if end is None else end - start
        while left and (piece := file.read(1 << 20 if left < 0 else min(left, 1 << 20))):
            out.write(piece)
            left -= len(piece) if left > 0 else 0
