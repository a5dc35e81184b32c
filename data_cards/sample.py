"""The noun that every floor above speaks of: one image-instruction-response sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A reference to one image; never its pixels.

    Exactly one of ``path``, ``data``, ``url`` and ``error`` is set.

    Attributes:
        name: The image as the record writes it (relative path, member name, ...).
        path: The file, resolved and known to lie inside the data root.
        data: The encoded bytes, where the container holds them (Parquet, tar).
        error: Why the reference cannot be followed (it leaves the root, it is a URL, ...).
        url: Where to fetch it when it is read: ``http(s)://`` if that was permitted, or
            ``hf://datasets/ID@COMMIT/PATH`` (``zip://MEMBER::FILE``) for an image in the data's own
            repository (in a downloaded archive of it).
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    error: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; image placeholders are removed from ``text``."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample as the reader saw it.

    Attributes:
        id: The record's own id, or one made from source name and row; unique in a source
            (a repeated id makes the later row a bad one, see ``error``).
        turns: The conversation, in order; a caption pair is one user and one assistant turn. Empty
            for a picture of a corpus that holds pictures only.
        images: The images, in order; empty for text-only samples.
        source: Name of the data set (card name, file stem, or the record's own source column).
        row: Zero-based position among the records of the input, bad ones counted.
        where: ``file:line`` or the like, for messages.
        error: Why this row could not be read; then ``turns`` and ``images`` may be empty.
        label: The class of a picture, where the data say; read in corpora of pictures only.
    """

    id: str
    turns: tuple[Turn, ...] = ()
    images: tuple[ImageRef, ...] = ()
    source: str = ""
    row: int = 0
    where: str = ""
    error: str | None = None
    label: str | None = None

    @property
    def is_picture(self) -> bool:
        """Whether this is a picture alone, with no words that belong to it."""
        return bool(self.images) and not self.turns

    @property
    def instruction(self) -> str:
        """The user's turns, joined by line breaks."""
        return "\n".join(turn.text for turn in self.turns if turn.role == "user").strip()

    @property
    def response(self) -> str:
        """The assistant's turns, joined by line breaks."""
        return "\n".join(turn.text for turn in self.turns if turn.role == "assistant").strip()
