# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""JSON and JSON Lines: LLaVA, ShareGPT, OpenAI messages, and flat records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from data_cards.columns import recognise_columns
from data_cards.errors import BadInputError
from data_cards.json_stream import JsonRecord, first_character, is_array, iter_records
from data_cards.readers.base import Wanted, count_lines, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

_LOOKED_AT = 100
_SUFFIXES = (".json", ".jsonl", ".ndjson")
_Why = Callable[[list[dict[str, Any]]], str | None]


def first_objects(path: Path) -> list[dict[str, Any]]:
    """The objects among the first 100 records; empty where the file is no such JSON."""
    if first_character(path) not in ("[", "{"):
        return []
    try:
        records = list(islice(iter_records(path), _LOOKED_AT))
    except BadInputError:
        # Broken early on: name the format all the same, so that reading can say where.
        records = _before_break(path)
    return [record.value for record in records if isinstance(record.value, dict)]


def _before_break(path: Path) -> list[JsonRecord]:
    records: list[JsonRecord] = []
    try:
        for record in iter_records(path):
            records.append(record)
    except BadInputError:
        pass
    return records


class _JsonFormat:
    """What the JSON formats share: reading record by record, copying exact slices of text."""

    name: ClassVar[str]
    summary: ClassVar[str]
    _defaults: ClassVar[dict[str, str]]

    def recognise(self, path: Path) -> str | None:
        return self._recognised(path, self._recognise)

    def _recognised(self, path: Path, why: _Why) -> str | None:
        if not path.is_file() or path.suffix.lower() not in (*_SUFFIXES, ""):
            return None
        objects = first_objects(path)
        reason = why(objects) if objects else None
        if reason is None:
            return None
        return f"{'a JSON array' if is_array(path) else 'JSON Lines'} whose records {reason}"

    def _recognise(self, objects: list[dict[str, Any]]) -> str | None:
        raise NotImplementedError

    def fields(self, source: Source) -> list[str]:
        return list(dict.fromkeys(key for o in first_objects(source.file) for key in o))

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        # Fixed, not taken from the first records: an image may first appear in the millionth.
        source = {"source": "source"} if "source" in fields else {}
        return {**self._defaults, **source}

    def read(self, source: Source) -> Iterator[Sample]:
        reader = record_reader(source)
        file = source.file.name
        for row, record in enumerate(iter_records(source.file)):
            where = f"{file}:{record.line}"
            if record.error is not None:
                yield reader.bad(row, where, record.error)
            else:
                yield reader.sample(record.value, row, where)

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        target = out_dir / source.file.name
        refuse_overwriting(target, [source.file])
        wanted = Wanted(rows, source.path)
        array = is_array(source.file)
        count = 0
        with replacing(target, "w") as out:
            separator = "[\n" if array else ""
            for row, record in enumerate(iter_records(source.file)):
                count = row + 1
                if row in wanted:
                    if array:
                        out.write(separator + record.text)
                        separator = ",\n"
                    else:
                        out.write(record.text)
                        if not record.text.endswith("\n"):
                            out.write("\n")
                if row >= wanted.last:
                    break
            wanted.check(count)
            if array:
                out.write("\n]\n" if wanted.rows else "[]\n")
        images = copy_images_of(source, rows, out_dir, bare="images") if copy_images else []
        return [target, *images]

    def files(self, source: Source) -> list[Path]:
        return [source.file]

    def count_hint(self, source: Source) -> int | None:
        if not is_array(source.file):
            return count_lines(source.file)
        if source.file.stat().st_size > 1 << 25:
            return None
        try:
            return sum(1 for _ in iter_records(source.file))
        except BadInputError:
            return None


def _any_has(objects: list[dict[str, Any]], *names: str) -> bool:
    return any(name in o for o in objects for name in names)


def _has_dialogue(objects: list[dict[str, Any]]) -> bool:
    return any(isinstance(o.get("conversations"), list) for o in objects)


@register_format
class Llava(_JsonFormat):
    """LLaVA: ``conversations`` of from/value, ``image`` as a path or a list."""

    name = "llava"
    summary = "JSON array or JSONL; `conversations` of from/value, `image` (path or list)"
    _defaults: ClassVar = {"id": "id", "images": "image|images", "conversations": "conversations"}

    def _recognise(self, objects: list[dict[str, Any]]) -> str | None:
        if not _has_dialogue(objects):
            return None
        if _any_has(objects, "image"):
            return "have `conversations` and `image`"
        if _any_has(objects, "images", "system") or '"system"' in str(objects[0]):
            return None
        roles = {
            turn.get("from")
            for o in objects
            if isinstance(o.get("conversations"), list)
            for turn in o["conversations"]
            if isinstance(turn, dict)
        }
        if roles <= {"human", "gpt"}:
            return "have `conversations` between human and gpt, and no image among the first"
        return None


@register_format
class ShareGpt(_JsonFormat):
    """ShareGPT: ``conversations`` with role aliases and an ``images`` list."""

    name = "sharegpt"
    summary = "JSON array or JSONL; `conversations` of from/value with role aliases, `images` list"
    _defaults: ClassVar = {"id": "id", "images": "images|image", "conversations": "conversations"}

    def _recognise(self, objects: list[dict[str, Any]]) -> str | None:
        if not _has_dialogue(objects):
            return None
        return "have `conversations`" + (" and `images`" if _any_has(objects, "images") else "")


@register_format
class OpenAi(_JsonFormat):
    """OpenAI: ``messages`` with text or content parts."""

    name = "openai"
    summary = "JSON array or JSONL; `messages` of role/content (text or parts), `images` list"
    _defaults: ClassVar = {"id": "id", "images": "images|image", "conversations": "messages"}

    def _recognise(self, objects: list[dict[str, Any]]) -> str | None:
        if any(isinstance(o.get("messages"), list) for o in objects):
            return "have `messages`"
        return None


@register_format
class FlatJson(_JsonFormat):
    """Flat records: one field for the question, one for the answer, one for the image."""

    name = "json"
    summary = "JSON array or JSONL of flat records, e.g. `image`, `question`, `answer`"
    _defaults: ClassVar = {}

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        return recognise_columns(fields)

    def recognise_pictures(self, path: Path) -> str | None:
        return self._recognised(path, self._recognise_pictures)

    def _recognise_pictures(self, objects: list[dict[str, Any]]) -> str | None:
        found = recognise_columns(dict.fromkeys(key for o in objects for key in o))
        return "are flat, with a field for the image" if "images" in found else None

    def _recognise(self, objects: list[dict[str, Any]]) -> str | None:
        found = recognise_columns(dict.fromkeys(key for o in objects for key in o))
        if "response" not in found and "conversations" not in found:
            return None
        return "are flat, with a field for the response"
