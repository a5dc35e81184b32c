"""Scoring single pairs like a run, in memory: everything opened once, then pair after pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from pickwell.like_job import Opened


class WarmScorer:
    """Gives pairs the numbers that ``score --like`` writes for them.

    Every pair goes through the models by itself, so that its answer is a function of the pair
    alone, to the last bit, whatever else is asked at the time. Nothing is written, and no image is
    fetched from the web. Not for several threads at once.

    Args:
        opened: The reference, opened ``warm``.
        cache: Root of the stores that known rows are read from; never written.

    Raises:
        BadInputError: Where reference and installed models cannot be used.
    """

    def __init__(self, opened: Opened, cache: Path | None = None) -> None:
        from dataclasses import replace

        from pickwell.like_columns import LikeColumns
        from pickwell.scoring_job import engine_options
        from scoring.warm import WarmEngine

        self.opened = opened
        models, metrics = opened.models_and_metrics
        self.judging = LikeColumns.of(opened.reference, opened.picked)
        # what is fetched would be kept on the disk
        settings = opened.stored.model_copy(update={"cache": cache, "allow_urls": False})
        options = replace(engine_options(settings), seed=opened.reference.seed)
        self._engine = WarmEngine(opened.reference, metrics, models, options)

    def score(
        self, samples: Iterable[Sample], go_on: Callable[[], bool] = lambda: True
    ) -> list[dict[str, Any]]:
        """Score some samples, each by itself.

        Args:
            samples: Read once, in order.
            go_on: Asked before each; ``False`` ends the pass there.

        Returns:
            One row of the ScoreTable for each sample that was scored: ``id``, the columns of the
            metrics, ``quality``, ``near_duplicate_of``, ``out_of_range``, ``status``, ``error``,
            ``notes``.
        """
        found = []
        for sample in samples:
            if not go_on():
                break
            rows = self._engine.score([sample])
            columns, why, _ = self.judging.of_rows(rows)
            found += rows.with_columns(columns, [("quality", why)]).scores.to_pylist()
        return found

    def warm_up(self) -> None:
        """Load the models and all that is kept of the reference, by scoring a made-up pair.

        Raises:
            BadInputError: If the reference's quality rests on a column that new rows lack.
        """
        from io import BytesIO

        from PIL import Image

        from data_cards.sample import ImageRef, Sample, Turn

        picture = BytesIO()
        Image.linear_gradient("L").resize((64, 64)).save(picture, "PNG")
        turns = (Turn("user", "What is it?"), Turn("assistant", "It grows darker. No more."))
        self.score([Sample("warm-up", turns, (ImageRef("", data=picture.getvalue()),))])

    def close(self) -> None:
        """Stop the threads."""
        self._engine.close()

    def __enter__(self) -> WarmScorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_scorer(
    like: str | Path, *, chosen: str | Path | None = None, cache: Path | None = None
) -> WarmScorer:
    """Open a run or a selection for scoring single pairs.

    Args:
        like: As ``score --like``.
        chosen: As ``score --chosen``.
        cache: Stores that known rows are read from; the usual ones by default.

    Raises:
        BadInputError: Where it cannot be scored like that.
    """
    from pickwell.like_job import open_like

    opened = open_like(Path(like), None if chosen is None else Path(chosen), warm=True)
    return WarmScorer(opened, cache)
