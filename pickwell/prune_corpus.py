"""A corpus of pictures as pruning sees it: read, checked and embedded once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.config_file import checked
from pickwell.prune_checks import refuse_amount, refuse_missing_classes
from pickwell.words import many

if TYPE_CHECKING:
    import numpy as np

    from data_cards.source import Source
    from scoring.encoders.base import ImageTextEncoder
    from scoring.metric import Metric, Models
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
RUN = "run"
"""Folder, in that of a pruned corpus, of its pictures' vectors and facts."""
READING = (
    *("encoder", "allow_pickle", "trust_remote_code", "format", "images", "columns", "split"),
    *("subset", "streaming", "allow_urls", "limit", "max_pixels", "thumbnail"),
)
"""Options that made a run; a corpus that was pruned before keeps its own."""


@dataclass(frozen=True)
class Corpus:
    """The pictures of a corpus as pruning sees them; n rows in input order.

    Attributes:
        ids: (n,) ids.
        errors: n reasons of rows that could not be read, or ``None``.
        file: Where the vectors lie.
        matrix: (n, d) float16 memory map; NaN rows where there is no vector.
        classes: (n,) whole numbers, -1 for none; ``None``: the data say nothing of classes.
        class_names: Name of each class.
        content: (n,) ``uint64``, equal where the bytes are.
        groups: (n,) whole numbers of what must not be divided; ``None``: nothing.
        keys: n keys of thumbnails.
        run: Where they are.
        notes: Sentences on what was not as asked for.
    """

    ids: np.ndarray
    errors: list[str | None]
    file: Path
    matrix: np.ndarray
    classes: np.ndarray | None
    class_names: list[str]
    content: np.ndarray
    groups: np.ndarray | None
    keys: list[bytes | None] = field(default_factory=list)
    run: Run | None = None
    notes: tuple[str, ...] = ()

    def thumbnail(self, row: int) -> bytes:
        """The encoded thumbnail of a readable picture."""
        assert self.run is not None
        key = self.keys[row]
        assert key is not None
        return self._thumbnails[key]

    @cached_property
    def _thumbnails(self) -> dict[bytes, bytes]:
        return self.run.thumbnails() if self.run is not None else {}

    @cached_property
    def distinct_classes(self) -> int:
        """How many classes readable pictures have."""
        import numpy as np

        if self.classes is None:
            return 0
        return len(np.unique(self.classes[self.readable & (self.classes >= 0)]))

    @property
    def readable(self) -> np.ndarray:
        """(n,) true where a picture could be read."""
        import numpy as np

        return np.array([error is None for error in self.errors], dtype=bool)


def open_corpus(
    corpus: str | Path,
    folder: Path,
    settings: PruneConfig,
    *,
    on_progress: Progress,
    on_source: Callable[[Source], None] = lambda source: None,
) -> tuple[Run, Source, PruneConfig]:
    """The run of a corpus: made in ``folder``, or taken over from a corpus pruned before."""
    import shutil

    from pickwell.pruned_before import found_again, home_of, was_pruned
    from scoring.run import Run

    if was_pruned(corpus):
        shutil.copytree(Path(corpus) / RUN, folder)
        run = Run.open(folder)
        settings = _as_before(settings, run)
        described = run.manifest["input"]
        path = found_again(Path(corpus), described["path"])
        if settings.images is not None and not settings.images.is_absolute():
            images = home_of(corpus) / settings.images
            settings = settings.model_copy(update={"images": images})
        source = open_source_of(path, settings, described)
        on_source(replace(source, how=f"{described['how']}; as it was read before"))
        return run, source, settings
    source = open_source_of(corpus, settings)
    on_source(source)
    return _embed(source, folder, settings, on_progress), source, settings


def corpus_of(run: Run, group: str | None = None) -> Corpus:
    """The pictures of a run as arrays.

    Args:
        run: The run.
        group: Regular expression; what its first group (or the whole of it) finds in an id says
            what belongs together.

    Raises:
        BadInputError: The run has no vectors, or the pattern is found in no id.
    """
    import numpy as np

    matrix = run.embedding("image")
    if matrix is None:
        raise BadInputError(f"{run.folder} holds no vectors.", "Prune from the pictures again.")
    ids: list[str] = []
    errors: list[str | None] = []
    labels: list[str | None] = []
    content: list[int] = []
    thumbnails: list[bytes | None] = []
    for batch in run.iterate_samples(["id", "error", "label", "image_keys"]):
        ids += batch["id"].to_pylist()
        errors += batch["error"].to_pylist()
        labels += batch["label"].to_pylist()
        for keys in batch["image_keys"].to_pylist():
            content.append(int.from_bytes(keys[0][:8], "little") if keys else 0)
            thumbnails.append(keys[0] if keys else None)
    names = sorted({label for label in labels if label is not None})
    classes = None
    if names:
        number = {name: place for place, name in enumerate(names)}
        classes = np.array([-1 if label is None else number[label] for label in labels], np.int64)
    groups, notes = (None, ()) if group is None else _groups(group, ids)
    hashes = np.array(content, dtype=np.uint64)
    file = run.folder / "embeddings" / "image.npy"
    return Corpus(
        np.asarray(ids, object),
        errors,
        file,
        matrix,
        classes,
        names,
        hashes,
        groups,
        thumbnails,
        run,
        notes,
    )


def open_source_of(
    corpus: str | Path, settings: PruneConfig, described: dict[str, Any] | None = None
) -> Source:
    """The pictures, opened as the options say; ``described``: as a run was opened before."""
    from data_cards.source import open_source

    described = described or {}
    return open_source(
        corpus,
        format=described.get("format") or settings.format,
        images=settings.images,
        columns=settings.columns or None,
        split=settings.split,
        config=settings.subset,
        streaming=settings.streaming,
        allow_urls=settings.allow_urls,
        revision=described.get("revision"),
        pictures=True,
    )


def _embed(source: Source, folder: Path, settings: PruneConfig, on_progress: Progress) -> Run:
    """Read, check and embed every picture once."""
    from pickwell.scoring_job import describe_source, engine_options, samples_of
    from scoring.engine import score as run_engine

    metrics, models = metrics_and_encoder(settings)
    refuse_missing_classes(settings, source)
    samples, total = samples_of(source, settings)
    if total is not None:
        refuse_amount(settings, total)
    mapping = None
    if settings.engine == "ray":
        from pickwell.on_ray import prune_on_ray

        mapping = prune_on_ray(source, settings)
    run = run_engine(
        samples,
        folder,
        metrics,
        models,
        engine_options(settings),
        manifest={"input": describe_source(source), "options": settings.model_dump(mode="json")},
        total=total,
        on_progress=on_progress,
        embed=True,
        mapping=mapping,
    )
    if not run.manifest["rows"]:
        raise BadInputError(f"{source.given or source.path} holds no picture.", "Check the path.")
    if not run.manifest["status"].get("ok"):
        first = next(error for error in run.samples(["error"])["error"].to_pylist() if error)
        raise BadInputError(
            f"No picture of {source.given or source.path} can be read; the first: {first}.",
            "Pictures elsewhere are found with --images.",
        )
    return run


def metrics_and_encoder(settings: PruneConfig) -> tuple[list[Metric], Models]:
    """What is measured of a picture, and the encoder; no weights are loaded yet."""
    from scoring.encoders.registry import image_encoder_from_spec
    from scoring.engine import make_metrics
    from scoring.metric import Models

    encoder = image_encoder_from_spec(
        settings.encoder,
        allow_pickle=settings.allow_pickle,
        trust_remote_code=settings.trust_remote_code,
    )
    # a corpus without words is never asked for vectors of texts
    words = cast("ImageTextEncoder", encoder)
    models = Models(settings.encoder, encoder=words, specs={"encoder": encoder.name})
    return make_metrics(models, ["image_quality"]), models


def _as_before(settings: PruneConfig, run: Run) -> PruneConfig:
    """The options, those of reading and embedding as of the run; its groups, if none are given."""
    stored = checked(PruneConfig, run.manifest["options"], str(run.folder / "run.json"))
    default = PruneConfig()
    for name in READING:
        given = getattr(settings, name)
        if given not in (getattr(default, name), getattr(stored, name)):
            raise BadInputError(
                f"--{name.replace('_', '-')} is that of the first time for a corpus pruned before.",
                "Prune from the pictures again.",
            )
    kept = {name: getattr(stored, name) for name in READING}
    return settings.model_copy(update=kept | {"group": settings.group or stored.group})


def _groups(pattern: str, ids: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) groups as whole numbers, an id that has none by itself; and what is to be said."""
    import numpy as np

    found = [_grouped(pattern, id_) for id_ in ids]
    alone = found.count(None)
    if alone == len(ids):
        raise BadInputError(
            f"--group {pattern!r} is found in no id; the first is {ids[0]!r}.",
            "Mend the pattern: it says which pictures probes must not divide.",
        )
    note = f"--group is found in {len(ids) - alone:,} of {many(len(ids), 'id')}: each of the others"
    names = [id_ if name is None else name for id_, name in zip(ids, found, strict=True)]
    groups = np.unique(names, return_inverse=True)[1]
    return groups, (f"{note} stands alone.",) if alone else ()


def _grouped(pattern: str, id_: str) -> str | None:
    found = re.search(pattern, id_)
    if found is None:
        return None
    return found[1] if found.groups() and found[1] is not None else found[0]
