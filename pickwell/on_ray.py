"""``--engine ray``: what travels to the workers, and what says which data these are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig, ScoreConfig

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from pickwell.prune_corpus import Corpus
    from scoring.cluster import ClusterOptions
    from scoring.engine import Mapping
    from scoring.metric import Metric, Models
    from selector.prune.kmeans import Passes


def score_on_ray(source: Source, settings: ScoreConfig, names: list[str] | None) -> Mapping:
    """The mapping of ``score --engine ray``."""
    settings = _absolute(settings)
    return _mapping(source, settings, partial(_pairs, settings, names), embed=None)


def prune_on_ray(source: Source, settings: PruneConfig) -> Mapping:
    """The mapping of ``prune --engine ray``."""
    settings = _absolute(settings)
    return _mapping(source, settings, partial(_pictures, settings), embed=True)


def _pairs(
    settings: ScoreConfig, names: list[str] | None, workers: int
) -> tuple[list[Metric], Models]:
    """Metrics and models of one worker: its part of the questions, and answers of its own node."""
    import platformdirs

    from pickwell.scoring_job import metrics_and_models

    asked = settings.judge_options
    share = asked.model_copy(update={"in_flight": max(1, asked.in_flight // workers)})
    mine = settings.model_copy(update={"judge_options": share})
    # its file is SQLite's, which bears no network file system
    return metrics_and_models(mine, names, Path(platformdirs.user_cache_dir("pickwell")) / "judge")


def _pictures(settings: PruneConfig, workers: int) -> tuple[list[Metric], Models]:
    from pickwell.prune_corpus import metrics_and_encoder

    return metrics_and_encoder(settings)


CLUSTER = ("address", "worker_cpus", "worker_gpus", "max_workers")
"""Options of a cluster, and of nothing else."""


def refuse_idle_cluster(before: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse options of a cluster where the work is done here.

    Args:
        before: What a file says; its cluster may be left out by ``--engine local``.
        options: What was typed.

    Raises:
        BadInputError: One is given, and no cluster is asked for.
    """
    given = {**before, **options}
    if given.get("engine") not in (None, "local"):
        return
    idle = options if options.get("engine") == "local" else given
    for name in CLUSTER:
        if idle.get(name) is not None:
            raise BadInputError(
                f"--{name.replace('_', '-')} means nothing without --engine ray.",
                "Give --engine ray as well, or leave it out.",
            )


def cluster_options(settings: ScoreConfig | PruneConfig) -> ClusterOptions:
    """Where to work, and how large a worker is."""
    from scoring.cluster import ClusterOptions

    return ClusterOptions(
        settings.address, settings.worker_cpus, settings.worker_gpus, settings.max_workers
    )


@contextmanager
def cluster(settings: ScoreConfig | PruneConfig, out: Path) -> Iterator[None]:
    """Connected to the cluster for as long as it is needed, where one is asked for.

    Args:
        settings: How.
        out: Where vectors will lie that all nodes read.

    Raises:
        BadInputError: A node does not see that folder.
    """
    if settings.engine != "ray":
        yield
        return
    from scoring.cluster import connected
    from scoring.cluster.connect import refuse_unshared, require_ray

    with connected(cluster_options(settings)):
        refuse_unshared(require_ray(), {"the folder of --out": out})
        yield


def passes(pictures: Corpus, settings: PruneConfig) -> Passes:
    """What goes over the pictures' vectors: the cluster, or threads here, beside a GPU if any."""
    if settings.engine == "ray":
        from selector.prune.cluster_rows import ClusterRows

        return ClusterRows(pictures.file, pictures.readable)
    from scoring.device_cosines import usual_cosines
    from selector.prune.streams import Rows

    return Rows(pictures.matrix, pictures.readable, cosines=usual_cosines())


def _mapping(source: Source, settings: Any, make: Any, embed: bool | None) -> Mapping:
    from pickwell.scoring_job import engine_options
    from scoring.cluster import map_on_ray

    seen = {}
    if not source.is_remote and Path(source.path).exists():
        seen["the data"] = Path(source.path)
    if source.image_root is not None:
        seen["the images"] = source.image_root
    told = settings.model_dump(mode="json", include=_READING & set(type(settings).model_fields))
    commit = source.hub.commit if source.hub is not None else None
    return map_on_ray(
        partial(_read, source, settings.limit),
        make,
        engine_options(settings),
        cluster_options(settings),
        seen=seen,
        identity=[str(source.path), source.format, commit, told],
        embed=embed,
    )


_READING = {"images", "card", "columns", "split", "subset", "limit", "instruction", "allow_urls"}
"""Options that say which samples there are."""


def _read(source: Source, limit: int | None) -> Iterator[Sample]:
    from itertools import islice

    samples = source.samples()
    return samples if limit is None else islice(samples, limit)


def _absolute(settings: Any) -> Any:
    """The options with a cache that is the same folder wherever a worker starts."""
    from pickwell.scoring_job import default_cache

    return settings.model_copy(update={"cache": Path(settings.cache or default_cache()).absolute()})
