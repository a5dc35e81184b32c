"""From the bytes of a request to pairs, and from pairs to samples."""

from __future__ import annotations

import base64
import binascii
import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from data_cards.image_paths import ImageResolver
from data_cards.records import RecordReader
from data_cards.sample import ImageRef, Sample
from pickwell.serving.limits import Limits, Refused
from pickwell.serving.messages import ImageIn, PairIn, TurnIn, batch_model
from pickwell.serving.multipart import parse_form

JSON, FORM = "application/json", "multipart/form-data"
SOURCE = "request"
_SHOWN = 5
"""Errors of a request that are told."""
_INSIDE: dict[str, type[BaseModel]] = {
    "pairs": PairIn,
    "turns": TurnIn,
    "image": ImageIn,
    "images": ImageIn,
}
"""What the objects under a key are."""


class RequestReader:
    """Reads requests under the limits of a service.

    Args:
        limits: What is refused.
        image_root: The folder that image paths may point into; ``None``: none may.
        instruction: What is asked where a pair has no instruction; ``None``: then it is bad.
    """

    def __init__(
        self, limits: Limits, image_root: Path | None = None, instruction: str | None = None
    ) -> None:
        self.limits = limits
        self.image_root = image_root
        self._instruction = instruction
        self._batch = batch_model(limits.max_batch)

    def samples(self, body: bytes, content_type: str) -> list[Sample]:
        """The samples that a request asks about; a bad pair is a sample with an error.

        Raises:
            Refused: If the request as a whole cannot be read.
        """
        kind = content_type.partition(";")[0].strip().lower()
        if kind == JSON:
            return self._samples([(pair, None) for pair in self._pairs(body)])
        if kind == FORM:
            return self._samples([self._form(body, content_type)])
        raise Refused(415, f"The body is neither {JSON} nor {FORM}.", "Say what it is.")

    def _pairs(self, body: bytes) -> list[PairIn]:
        limits = self.limits
        # What cannot be within the limits is not taken apart: small objects cost memory.
        most = limits.max_batch * (limits.max_text + 1_000)
        if sum(body.count(sign) for sign in (b"{", b"[", b",")) > most:
            raise Refused(413, "The body has too many parts.", "Send fewer pairs at a time.")
        try:
            content = from_json(body, cache_strings="keys")
        except ValueError as error:
            raise Refused(400, f"The body is not JSON: {error}.", "Send valid JSON.") from None
        if not isinstance(content, dict):
            raise Refused(422, "The body is no JSON object.", "Send a pair, or {'pairs': [...]}.")
        if "pairs" not in content:
            return [_valid(PairIn, content)]
        pairs = content["pairs"]
        if isinstance(pairs, list) and len(pairs) > limits.max_batch:
            raise Refused(
                422,
                f"The request has {len(pairs)} pairs, more than {limits.max_batch}.",
                "Send fewer at a time.",
            )
        return _valid(self._batch, content).pairs

    def _form(self, body: bytes, content_type: str) -> tuple[PairIn, list[bytes]]:
        fields: dict[str, str] = {}
        pictures: list[bytes] = []
        for part in parse_form(body, content_type):
            if part.name == "image":
                pictures.append(part.data)
            elif part.name not in ("id", "instruction", "response") or part.name in fields:
                raise Refused(
                    422,
                    "The form has a field that is unknown or there twice.",
                    "Its fields are id, instruction, response and image.",
                )
            else:
                try:
                    fields[part.name] = part.data.decode("utf-8")
                except UnicodeDecodeError:
                    raise Refused(
                        422, f"The field {part.name} is not UTF-8.", "Send text as UTF-8."
                    ) from None
        return _valid(PairIn, fields), pictures

    def _samples(self, pairs: list[tuple[PairIn, list[bytes] | None]]) -> list[Sample]:
        # A resolver remembers folders: a new one sees what has become a link since.
        resolver = ImageResolver(self.image_root)
        seen: dict[str, int] = {}
        samples = []
        for row, (pair, pictures) in enumerate(pairs):
            sample = self._sample(pair, pictures, row, resolver)
            first = seen.setdefault(sample.id, row)
            if first != row and sample.error is None:
                sample = _bad(sample.id, row, f"duplicate id {sample.id[:80]!r}, first at {first}")
            samples.append(sample)
        return samples

    def _sample(
        self, pair: PairIn, pictures: list[bytes] | None, row: int, resolver: ImageResolver
    ) -> Sample:
        name = pair.id or f"{SOURCE}:{row}"
        turns = [turn.model_dump() for turn in pair.turns or ()]
        length = sum(len(text) for text in (pair.instruction or "", pair.response or ""))
        length += sum(len(turn["content"]) for turn in turns)
        if length > self.limits.max_text:
            limit = self.limits.max_text
            return _bad(name, row, f"text too long ({length} characters, limit {limit})")
        if pair.turns is not None and (pair.response is not None or pair.instruction is not None):
            return _bad(name, row, "turns as well as instruction or response: give one of them")
        if pair.image is not None and pair.images is not None:
            return _bad(name, row, "image as well as images: give one of them")
        if pictures is not None:
            images = tuple(ImageRef("", data=data) for data in pictures)
        else:
            given = [pair.image] if pair.image is not None else pair.images or []
            images = tuple(self._reference(image, resolver) for image in given)
        columns = {"id": "id"}
        record: dict[str, Any] = {"id": name}
        if pair.turns is not None:
            columns["conversations"], record["turns"] = "turns", turns
        else:
            columns |= {"instruction": "instruction", "response": "response"}
            record |= {"instruction": pair.instruction, "response": pair.response}
        reader = RecordReader(columns, SOURCE, resolver, self._instruction)
        return reader.sample(record, row, f"pair {row}", images)

    def _reference(self, image: ImageIn, resolver: ImageResolver) -> ImageRef:
        given = [name for name in ("data", "path", "url") if getattr(image, name) is not None]
        if len(given) != 1:
            return ImageRef("", error="an image has exactly one of data and path")
        if image.url is not None:
            return ImageRef("", error="image is a URL; not fetched: send its bytes as data")
        if image.path is not None:
            if self.image_root is None and "://" not in image.path:
                return ImageRef("", error="image paths are not followed here: send its bytes")
            if image.path[:5].lower() == "data:":
                return ImageRef("", error="image path is a data: URI: send it as data")
            return resolver.reference(image.path)
        data = image.data or ""
        if data[:5].lower() == "data:":
            return resolver.reference(data)
        try:
            return ImageRef("", data=base64.b64decode("".join(data.split()), validate=True))
        except (ValueError, binascii.Error):
            return ImageRef("", error="image data is not valid base64")


def _bad(name: str, row: int, reason: str) -> Sample:
    return Sample(name, source=SOURCE, row=row, where=f"pair {row}", error=reason)


def _refuse_surplus_keys(model: type[BaseModel], content: Any) -> None:
    """An object with more keys than fields: each would become an error of a kilobyte."""
    if isinstance(content, list):
        for item in content:
            _refuse_surplus_keys(model, item)
    if not isinstance(content, dict):
        return
    fields = model.model_fields
    if len(content) > len(fields):
        unknown = next(name for name in content if name not in fields)
        raise Refused(
            422,
            f"The request is not as it should be: {unknown[:80]!r} is no field; an object with "
            f"{len(content)} keys has room for {len(fields)}.",
            "See /openapi.json.",
        )
    for name in content.keys() & _INSIDE.keys():
        _refuse_surplus_keys(_INSIDE[name], content[name])


def _nearest(model: type[BaseModel], error: Any) -> str:
    """The field that was probably meant, where there is none of the name."""
    if error["type"] != "extra_forbidden":
        return ""
    *above, name = error["loc"]
    owner = next((_INSIDE[part] for part in reversed(above) if part in _INSIDE), model)
    near = difflib.get_close_matches(str(name), owner.model_fields, 1, 0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _valid(model: type[BaseModel], content: Any) -> Any:
    _refuse_surplus_keys(model, content)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        told = [
            f"{'.'.join(str(p) for p in e['loc'])[:80]}: {e['msg']}{_nearest(model, e)}"
            for e in found[:_SHOWN]
        ]
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        raise Refused(
            422,
            f"The request is not as it should be: {'; '.join(told)}{more}.",
            "See /openapi.json.",
        ) from None
