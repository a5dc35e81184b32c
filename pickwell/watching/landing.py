"""What lies in the watched folder, and whether it is what it was a moment ago."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_cards.errors import BadInputError

DATA = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".tar", ".tgz")
"""Endings (also with ``.gz``) of files that are taken for data even if they cannot be read."""
UNFINISHED = (".partial", ".part", ".tmp", ".temp", ".crdownload", ".download", ".swp", "~")


@dataclass(frozen=True)
class Landed:
    """A file or folder that may be data.

    Attributes:
        path: Where it lies.
        signature: Of sizes, times and inodes: another one, perhaps another content.
    """

    path: Path
    signature: str

    @property
    def name(self) -> str:
        """Its name in the watched folder."""
        return self.path.name


def landed(folder: Path) -> Iterator[Landed]:
    """Files and folders that may be data, by name; hidden and unfinished ones left out.

    Raises:
        BadInputError: If the folder is not there.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  (names alone, as bytes may be broken)
    except OSError as error:
        raise BadInputError(
            f"{folder} cannot be looked into: {error.strerror}.", "Check the folder."
        ) from error
    for name in names:
        if name.startswith(".") or name.lower().endswith(UNFINISHED):
            continue
        signature = signature_of(folder / name)
        if signature is not None:
            yield Landed(folder / name, signature)


def signature_of(path: Path) -> str | None:
    """Sizes, times and inodes of a file, or of all files of a folder; ``None``: it is gone.

    A link in a folder that leads nowhere counts as itself: the folder is not gone for its sake.
    """
    digest = hashlib.sha256()
    try:
        for file in _files(path):
            facts = file.lstat() if file != path and not file.exists() else file.stat()
            # The time of change, too: it cannot be set back by those who write.
            parts = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
            digest.update(f"{os.fsencode(file)!r} {parts}\n".encode())
    except OSError:
        return None
    return digest.hexdigest()[:32]


def content_of(path: Path) -> str:
    """SHA-256 of a file, or of names and contents of all files of a folder.

    Raises:
        OSError: If something cannot be read.
    """
    if not path.is_dir():
        return _sha256(path)
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(os.fsencode(file.relative_to(path)) + b"\0" + _sha256(file).encode() + b"\n")
    return digest.hexdigest()


def is_data(path: Path, stated: bool = False) -> bool:
    """Whether something is to be scored: a reader recognises it, or its ending says that it is.

    Args:
        path: A file or folder.
        stated: The format is: then all is data but pictures and what holds nothing else.
    """
    from data_cards.readers.base import formats

    ending = path.name.lower().removesuffix(".gz")
    if path.is_file() and ending.endswith(DATA):
        return True
    if stated and not all(file.name[0] == "." or _is_picture(file) for file in _files(path)):
        return True
    for kind in formats().values():
        try:
            if kind.recognise(path) is not None:
                return True
        except (BadInputError, OSError):
            continue
        except Exception:  # told of when it fails at that again
            return True
    return False


def stem_of(name: str) -> str:
    """The part of a run folder's name that tells where it came from."""
    stem = name.removesuffix(".gz")
    for ending in DATA:
        stem = stem.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:80].strip("._") or "data"


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name


def _is_picture(path: Path) -> bool:
    from data_cards.readers.imagefolder import IMAGE_SUFFIXES

    return path.suffix.lower() in IMAGE_SUFFIXES


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
