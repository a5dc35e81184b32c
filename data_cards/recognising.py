"""Which format a path is of."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from data_cards.errors import BadInputError
from data_cards.readers.base import Format, format_named, formats, recognised
from data_cards.readers.imagefolder import IMAGE_SUFFIXES, metadata_file
from data_cards.readers.pictures import no_pictures


def choose_format(
    path: str | Path, format: str | None, remote: bool, pictures: bool
) -> tuple[Format, str]:
    """The format of a path, and how it was found.

    Args:
        path: What was given.
        format: Its format, where it was stated.
        remote: Whether the path is one of the hub.
        pictures: Whether it is to be read as a corpus of pictures.

    Raises:
        BadInputError: Nothing there, nothing in it, or a format that is not known.
    """
    if not remote and format in (None, "pictures", "imagefolder"):
        _refuse_one_picture(Path(path), pictures)
    if format is not None:
        if pictures and format == "imagefolder" and metadata_file(Path(path)) is None:
            format = "pictures"  # an image folder whose captions nobody asks for
        return format_named(format), "as stated"
    if remote:
        return format_named("hf"), "the path begins with hf://"
    for kind in formats().values():
        reason = recognised(kind, Path(path), pictures)
        if reason is not None:
            return kind, reason
    if not Path(path).exists():
        raise not_there(path)
    if _holds_nothing(Path(path)):
        raise BadInputError(f"{path} holds no records.", "Give a file with at least one.")
    if pictures and Path(path).is_dir():
        raise no_pictures(path, _glimpse(Path(path)))
    known = "\n".join(f"  {kind.name}: {kind.summary}" for kind in formats().values())
    raise BadInputError(
        f"{path}: the format is not recognised; seen: {_glimpse(Path(path))}",
        f"State it with --format (in Python: format=), one of:\n{known}",
    )


def _refuse_one_picture(path: Path, pictures: bool) -> None:
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        where = "." if pictures else ", with the words beside the pictures."
        raise BadInputError(f"{path} is one picture.", f"Give its folder, {path.parent}{where}")


def _holds_nothing(path: Path) -> bool:
    """Whether a file is empty, blank, or an empty JSON list or object."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        head = file.read(64)
    return head.strip().replace(b" ", b"").replace(b"\n", b"") in (b"", b"[]", b"{}")


def _glimpse(path: Path) -> str:
    if path.is_dir():
        names = sorted(entry.name for entry in islice(path.iterdir(), 1000))
        return f"a folder with {', '.join(names[:6]) or 'nothing in it'}"
    with path.open("rb") as file:
        head = file.read(60)
    return f"a file that begins with {head!r}" if head else "an empty file (0 bytes)"


def not_there(path: str | Path) -> BadInputError:
    """What is said of a path that does not exist."""
    return BadInputError(f"{path} does not exist", "Check the path.")
