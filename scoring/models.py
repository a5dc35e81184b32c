"""From the word after ``--models`` to the models that metrics run on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from scoring.metric import Models, registry

if TYPE_CHECKING:
    from scoring.judge.base import Judge, JudgeOptions


def models_from_spec(
    spec: str,
    metrics: Sequence[str] | None = None,
    judge_spec: str | None = None,
    judge_options: JudgeOptions | None = None,
    judge_cache: Path | None = None,
) -> Models:
    """Models by spec: ``embedded``, ``none`` (text and pixel metrics only), or ``open_clip:...``.

    Nothing is loaded yet; weights are loaded when the first missing row asks for them.

    Args:
        spec: What stands after ``--models``.
        metrics: Only these metrics will be made; an encoder that none of them needs is left out.
        judge_spec: What stands after ``--judge``; ``None``: no judge.
        judge_options: How the judge is asked.
        judge_cache: Folder in which its answers are kept; ``None``: nowhere.

    Raises:
        BadInputError: For a spec that nothing answers to, or a package that is not installed.
    """
    from scoring.encoders.registry import encoder_from_spec
    from scoring.smollm2 import smollm2

    judge = _judge(metrics, judge_spec, judge_options, judge_cache)
    if spec == "none":
        return Models("none", judge=judge)
    known = registry()
    needs = set().union(*(known[name].spec.needs for name in metrics or known))  # type: ignore[attr-defined]
    seen = bool(needs & {"image_embedding", "text_embedding"})
    encoder = encoder_from_spec(spec) if seen else None
    # float32 does not depend on the batch at all, but takes twice as long for the same ranking
    return Models(spec, encoder=encoder, language_model=smollm2(dtype="bfloat16"), judge=judge)


def _judge(
    metrics: Sequence[str] | None,
    spec: str | None,
    options: JudgeOptions | None,
    cache: Path | None,
) -> Judge | None:
    from scoring.judge.spec import EXAMPLE, judge_from_spec

    wanted = metrics is None or "judge" in metrics
    if spec is not None:
        judge = judge_from_spec(spec, options, cache)
        return judge if wanted else None
    if metrics is not None and wanted:
        raise BadInputError("The metric judge needs a judge: name one after --judge.", EXAMPLE)
    return None
