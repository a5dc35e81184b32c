"""What a format is, and the one registry of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from data_cards.counted import counted
from data_cards.errors import BadInputError

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

DESCRIBE = "Describe the image."
"""What is asked of a caption where neither the data nor its card says."""


class Format(Protocol):
    """One way to store samples. Readers are lazy; a bad record is a sample with an error.

    Attributes:
        name: What the user calls it.
        summary: One line for the list of formats.
    """

    name: str
    summary: str

    def recognise(self, path: Path) -> str | None:
        """Why this path is of this format, said to the user; ``None`` if it is not."""

    def fields(self, source: Source) -> list[str]:
        """Names of the fields of a record (for streams: of the first records)."""

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        """The mapping that holds where neither card nor user says otherwise."""

    def read(self, source: Source) -> Iterator[Sample]:
        """Yield one sample for each record, bad ones included, in order, ``row`` = 0, 1, ..."""

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        """Write these records, unchanged, in input order, in the same format.

        Returns:
            The files written (or, where they are many, their folder).
        """

    def files(self, source: Source) -> list[Path]:
        """The files that hold the records."""

    def count_hint(self, source: Source) -> int | None:
        """Number of records if that is cheap to know, else ``None``."""


@runtime_checkable
class PictureFormat(Protocol):
    """A format that knows a corpus of pictures by other signs than it knows pairs."""

    def recognise_pictures(self, path: Path) -> str | None:
        """Why this path holds pictures in this format; ``None`` if it does not."""


def recognised(kind: Format, path: Path, pictures: bool) -> str | None:
    """Why a path is of a format, as pairs or as pictures; ``None`` if it is not."""
    if pictures and isinstance(kind, PictureFormat):
        return kind.recognise_pictures(path)
    return kind.recognise(path)


_REGISTRY: dict[str, Format] = {}
_Class = TypeVar("_Class", bound=type)


def register_format(kind: _Class) -> _Class:
    """Class decorator: make a format known under its ``name``; order is the order of asking."""
    instance: Format = kind()
    if instance.name in _REGISTRY:
        raise ValueError(f"two formats are called {instance.name!r}")
    _REGISTRY[instance.name] = instance
    return kind


def formats() -> Mapping[str, Format]:
    """All formats by name (importing the package's own first)."""
    import data_cards.readers  # noqa: F401  (registers them)

    return _REGISTRY


def format_named(name: str) -> Format:
    """The format with this name.

    Raises:
        BadInputError: There is none.
    """
    try:
        return formats()[name]
    except KeyError:
        raise BadInputError(
            f"no format is called {name!r}", f"Known formats: {', '.join(formats())}."
        ) from None


class Wanted:
    """Row numbers to copy, and whether all of them were met."""

    def __init__(self, rows: Collection[int], path: object) -> None:
        self.rows = frozenset(rows)
        self.last = max(self.rows, default=-1)
        self._path = path

    def __contains__(self, row: int) -> bool:
        return row in self.rows

    def check(self, count: int) -> None:
        """Refuse rows beyond the ``count`` that were seen (or below zero).

        Raises:
            BadInputError: The input has fewer rows than when it was read.
        """
        if self.last >= count or any(row < 0 for row in self.rows):
            raise BadInputError(
                f"{self._path} has {counted(count, 'record')}, but row {self.last} is wanted",
                "The input has changed since it was read; start over.",
            )


def count_lines(path: Path, limit: int = 1 << 28) -> int | None:
    """Line breaks in a file (one more if the last line has none), if it is not too large."""
    if path.stat().st_size > limit:
        return None
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")
