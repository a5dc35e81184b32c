"""Which pictures of a corpus a benchmark is made of, and which take no part in it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from data_cards.errors import BadInputError
from pickwell.config import BenchmarkConfig
from pickwell.prune_checks import remedy_for_classes
from pickwell.words import many

if TYPE_CHECKING:
    import numpy as np

    from finetune.reduce import Labelled
    from pickwell.prune_corpus import Corpus

NAMED = 10
"""Classes that are named at the terminal and on the page; all stand in the JSON file."""


@dataclass(frozen=True)
class LeftOut:
    """What takes no part in a benchmark.

    Attributes:
        unreadable: Pictures that cannot be read.
        unlabelled: Readable pictures of no class.
        small: Readable pictures of each class that has fewer than ``least``, by its name.
        least: Readable pictures that a class needs.
    """

    unreadable: int
    unlabelled: int
    small: Mapping[str, int]
    least: int

    def record(self) -> dict[str, Any]:
        """As ``benchmark.json`` holds it."""
        return {
            "unreadable": self.unreadable,
            "without_class": self.unlabelled,
            "least": self.least,
            "small_classes": dict(self.small),
        }

    def sentences(self) -> list[str]:
        """What takes no part, and why; empty: everything takes part."""
        made = []
        if self.small:
            one = len(self.small) == 1
            more = f" and {len(self.small) - NAMED:,} more" if len(self.small) > NAMED else ""
            made.append(
                f"{many(len(self.small), 'class', 'classes')} with "
                f"{many(sum(self.small.values()), 'picture')} {'takes' if one else 'take'} no part:"
                f" fewer than {self.least:,} readable pictures{'' if one else ' each'} (--least): "
                f"{', '.join(list(self.small)[:NAMED])}{more}."
            )
        if self.unreadable:
            verb = "takes no part: it" if self.unreadable == 1 else "take no part: they"
            made.append(f"{many(self.unreadable, 'picture')} {verb} cannot be read.")
        if self.unlabelled:
            verb = "takes no part: it has" if self.unlabelled == 1 else "take no part: they have"
            made.append(f"{many(self.unlabelled, 'picture')} {verb} no class.")
        return made


def refuse_no_classes(format: str, named: str) -> NoReturn:
    """A benchmark trains on classes.

    Args:
        format: Of the corpus.
        named: The corpus, as it was given.

    Raises:
        BadInputError: Always.
    """
    raise BadInputError(
        f"A benchmark trains on classes, and {named} says nothing of any.",
        f"{remedy_for_classes(format)}.",
    )


def labelled(pictures: Corpus, settings: BenchmarkConfig) -> tuple[Labelled, LeftOut]:
    """The readable pictures of classes that are large enough, and what that leaves out.

    Args:
        pictures: The corpus.
        settings: How.

    Raises:
        BadInputError: There are not two such classes.
    """
    import numpy as np

    from finetune.reduce import Labelled
    from scoring.dynamics.proxies import unit_rows

    readable = pictures.readable
    if pictures.classes is None:
        described = pictures.run.manifest["input"] if pictures.run is not None else {}
        refuse_no_classes(described.get("format", ""), described.get("path", "the corpus"))
    known = readable & (pictures.classes >= 0)
    sizes = np.bincount(pictures.classes[known], minlength=len(pictures.class_names))
    left_out = LeftOut(
        int((~readable).sum()),
        int((readable & (pictures.classes < 0)).sum()),
        {pictures.class_names[n]: int(sizes[n]) for n in np.flatnonzero(sizes < settings.least)},
        settings.least,
    )
    known &= sizes[np.maximum(pictures.classes, 0)] >= settings.least
    rows = np.flatnonzero(known)
    names, labels = np.unique(pictures.classes[rows], return_inverse=True)
    if len(names) < 2:
        raise BadInputError(
            f"{_of_those(len(names), len(sizes))} {settings.least:,} readable pictures or more, "
            "and a benchmark needs two that do.",
            "Lower --least, or give a corpus of more classes.",
        )
    features = unit_rows(pictures.matrix[rows])
    inputs = None
    if settings.model != "linear":
        inputs = _pixels(pictures, rows, settings)
    digest = hashlib.sha256("\0".join(map(str, pictures.ids[rows])).encode())
    digest.update(features.tobytes() + labels.tobytes())
    if inputs is not None:
        digest.update(inputs.tobytes())
    if pictures.groups is not None:
        digest.update(pictures.groups[rows].tobytes())
    data = Labelled(
        pictures.ids[rows],
        labels.astype(np.int64),
        features,
        inputs,
        None if pictures.groups is None else pictures.groups[rows],
        digest.hexdigest()[:24],
        tuple(pictures.class_names[number] for number in names),
    )
    return data, left_out


def _of_those(large: int, classes: int) -> str:
    """``1 of 3 classes has``."""
    return f"{large or 'None'} of {many(classes, 'class', 'classes')} has"


def _pixels(pictures: Corpus, rows: np.ndarray, settings: BenchmarkConfig) -> np.ndarray:
    """(n, 3, side, side) uint8 of the pictures themselves, out of the thumbnails of the run."""
    import numpy as np
    from PIL import Image

    made = np.empty((len(rows), 3, settings.side, settings.side), dtype=np.uint8)
    for place, row in enumerate(rows):
        with Image.open(io.BytesIO(pictures.thumbnail(int(row)))) as opened:
            small = opened.convert("RGB").resize((settings.side,) * 2)
        made[place] = np.asarray(small).transpose(2, 0, 1)
    return made
