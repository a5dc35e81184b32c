"""From one record (an object with named fields) to one :class:`Sample`, by a column mapping."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data_cards.counted import counted
from data_cards.errors import BadRowError
from data_cards.image_paths import ImageResolver, kind_of
from data_cards.sample import ImageRef, Sample, Turn
from data_cards.turns import parse_turns, without_placeholders

if TYPE_CHECKING:
    from data_cards.source import Source


def record_reader(
    source: Source,
    columns: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
) -> RecordReader:
    """The reader of a source's records.

    Args:
        source: Where they come from.
        columns: The mapping, where it is not the source's own.
        classes: Field to the names of the classes that its whole numbers stand for.
    """
    resolver = ImageResolver(source.image_root, allow_urls=source.allow_urls, hub=source.hub_images)
    return RecordReader(
        source.columns if columns is None else columns,
        source.name,
        resolver,
        source.default_instruction,
        pictures=source.pictures,
        classes=classes,
    )


class RecordReader:
    """Turns records into samples; a record that cannot be read is a sample with an error.

    Args:
        columns: Noun to field; see :mod:`data_cards.columns`.
        name: Source name where the record has none, and the stem of ids that are made.
        images: Makes references of what the records say about images.
        instruction: What is asked where a record has no instruction; ``None``: then it is bad.
        pictures: Whether a record is one picture, and its words are passed over.
        classes: Field to the names of the classes that its whole numbers stand for.
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        name: str,
        images: ImageResolver,
        instruction: str | None,
        *,
        pictures: bool = False,
        classes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._fields = {noun: tuple(f.split("|")) for noun, f in columns.items() if f}
        self._name = name
        self._instruction = instruction
        self._images = images
        self._pictures = pictures
        self._classes = classes or {}

    def bad(self, row: int, where: str, reason: str) -> Sample:
        """A sample that keeps the place of a record that could not even be parsed."""
        return Sample(
            f"{self._name}:{row}", source=self._name, row=row, where=_printable(where),
            error=_printable(reason),
        )  # fmt: skip

    def sample(
        self,
        record: Any,
        row: int,
        where: str,
        images: tuple[ImageRef, ...] | None = None,
        key: str | None = None,
    ) -> Sample:
        """Read one record.

        Args:
            record: The parsed record, of any type.
            row: Zero-based position among the records.
            where: For messages.
            images: The images, where the container holds them beside the record.
            key: The id where the record gives none.
        """
        name, source = key or f"{self._name}:{row}", self._name
        try:
            if not isinstance(record, Mapping):
                raise BadRowError(f"the record is {kind_of(record)}, not an object")
            name = self._id(record) or name
            source = self._source(record)
            if self._pictures:
                image, label = self._picture(record, images), self._label(record)
                sample = Sample(name, (), (image,), source, row, where, label=label)
            else:
                turns, refs = self._turns_and_images(record, images)
                sample = Sample(name, tuple(turns), refs, source, row, where, None)
            _require_unicode(sample)
        except BadRowError as error:
            return Sample(
                _printable(name), source=_printable(source), row=row, where=_printable(where),
                error=_printable(error.reason),
            )  # fmt: skip
        return sample

    def _get(self, record: Mapping[str, Any], noun: str) -> Any:
        for field in self._fields.get(noun, ()):
            value = record.get(field)
            if value is not None:
                return value
        return None

    def _id(self, record: Mapping[str, Any]) -> str:
        value = self._get(record, "id")
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise BadRowError(f"field {self._fields['id'][0]!r} (id) is {kind_of(value)}, not text")

    def _source(self, record: Mapping[str, Any]) -> str:
        value = self._get(record, "source")
        return value if isinstance(value, str) and value else self._name

    def _text(self, record: Mapping[str, Any], noun: str) -> str | None:
        value = self._get(record, noun)
        if value is None or isinstance(value, str):
            return value
        field = next(f for f in self._fields[noun] if record.get(f) is not None)
        raise BadRowError(f"field {field!r} ({noun}) is {kind_of(value)}, not text")

    def _turns_and_images(
        self, record: Mapping[str, Any], images: tuple[ImageRef, ...] | None
    ) -> tuple[list[Turn], tuple[ImageRef, ...]]:
        inline: list[Any] = []
        conversation = self._get(record, "conversations")
        if conversation is not None:
            turns, inline = parse_turns(conversation)
        elif "response" in self._fields:
            turns = self._pair(record)
        else:
            raise BadRowError(f"field {self._fields['conversations'][0]!r} is missing")
        if not turns:
            raise BadRowError("the conversation is empty")
        if not any(turn.role == "assistant" for turn in turns):
            raise BadRowError("there is no response (no assistant turn)")
        if images is None:
            values = _as_list(self._get(record, "images")) + inline
            images = tuple([self._images.reference(value) for value in values])
        # Without an image "<image>" is a word like any other, say in a lesson on HTML.
        if images:
            turns = without_placeholders(turns)
        if not any(turn.role == "assistant" and turn.text.strip() for turn in turns):
            raise BadRowError("the response is empty")
        return turns, images

    def _picture(self, record: Mapping[str, Any], images: tuple[ImageRef, ...] | None) -> ImageRef:
        """The one image of a record."""
        if images is None:
            values = _as_list(self._get(record, "images"))
            conversation = None if values else self._get(record, "conversations")
            if conversation is not None:
                values = parse_turns(conversation)[1]
            images = tuple([self._images.reference(value) for value in values])
        if len(images) != 1:
            raise BadRowError(
                f"{len(images)} images, but a picture is one" if images else "no image"
            )
        return images[0]

    def _label(self, record: Mapping[str, Any]) -> str | None:
        for field in self._fields.get("label", ()):
            value = record.get(field)
            label = None if value is None else _class_of(value, field, self._classes.get(field))
            if label is not None:
                return label
        return None

    def _pair(self, record: Mapping[str, Any]) -> list[Turn]:
        response = self._text(record, "response")
        if response is None:
            raise BadRowError(f"field {self._fields['response'][0]!r} (response) is missing")
        instruction = self._text(record, "instruction")
        if instruction is None:
            instruction = self._instruction
        if instruction is None:
            field = self._fields.get("instruction", ("instruction",))[0]
            raise BadRowError(f"field {field!r} (instruction) is missing")
        return [Turn("user", instruction), Turn("assistant", response)]


def _class_of(value: Any, field: str, names: Sequence[str] | None) -> str | None:
    """A class as text; ``None`` where the value says that there is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if names is None:
            return str(value)
        if value < 0:  # as `datasets` writes a class that is not known
            return None
        if value >= len(names):
            known = counted(len(names), "class", "classes")
            raise BadRowError(f"field {field!r} (label) is {value}, but there are {known}")
        return names[value]
    if isinstance(value, float):  # as tables write whole numbers of which some are missing
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, str):
        return value if value.strip() else None
    raise BadRowError(f"field {field!r} (label) is {kind_of(value)}, not one class")


def _as_list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str) and value.startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        return parsed if isinstance(parsed, list) else [value]
    return list(value) if isinstance(value, list | tuple) else [value]


def _require_unicode(sample: Sample) -> None:
    """Refuse lone surrogates (JSON can write them, no file can hold them)."""
    texts = [turn.text for turn in sample.turns] + [image.name for image in sample.images]
    for text in (sample.id, sample.source, sample.label or "", *texts):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise BadRowError(
                    f"not valid Unicode: a lone surrogate at character {error.start + 1}"
                ) from None


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
