"""From the words after ``--models`` to the models that metrics run on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from scoring.hub_models import Permission
from scoring.metric import Models, Need, registry
from scoring.model_specs import NONE, ModelSpecs, parse_models

if TYPE_CHECKING:
    from scoring.judge.base import Judge, JudgeOptions
    from scoring.language_model import LanguageModel

NEEDS: dict[str, frozenset[Need]] = {
    "encoder": frozenset({"image_embedding", "text_embedding"}),
    "language_model": frozenset({"language_model"}),
    "reward": frozenset({"reward_model"}),
}
"""Which needs of a metric each role answers."""
LANGUAGE_MODEL = "hf-lm:"
LANGUAGE_MODELS = ("embedded", "hf-lm:OWNER/NAME[@REVISION]", "hf-lm:FOLDER")


def models_from_spec(
    text: str,
    metrics: Sequence[str] | None = None,
    *,
    allow_pickle: Permission = (),
    trust_remote_code: Permission = (),
    judge_options: JudgeOptions | None = None,
    judge_cache: Path | None = None,
) -> Models:
    """Models by specification (:func:`scoring.model_specs.parse_models`).

    No weights are loaded yet, only names looked up; weights are loaded when the first missing row
    asks for them.

    Args:
        text: What stands after ``--models``.
        metrics: Only these metrics will be made; a model that none of them needs is left out.
        allow_pickle: Models whose weights may be read though they are pickles
            (:func:`scoring.hub_models.permits`).
        trust_remote_code: Models whose own code may run, likewise.
        judge_options: How the judge is asked.
        judge_cache: Folder in which its answers are kept; ``None``: nowhere.

    Raises:
        BadInputError: For a spec that nothing answers to, a package that is not installed, or a
            model that the hub does not give.
    """
    specs = parse_models(text)
    known = registry()
    needs = set().union(*(known[name].spec.needs for name in metrics or known))  # type: ignore[attr-defined]
    made: dict[str, Any] = {}
    for role, spec in specs.filled().items():
        if role in NEEDS and needs & NEEDS[role]:
            made[role] = model_of_role(
                role, spec, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
            )
    asked = None if specs.judge == NONE else specs.judge
    judge = _judge(metrics, asked, judge_options, judge_cache)
    if judge is not None:
        made["judge"] = judge
    return Models(text, specs=resolved(specs, made), **made)


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


def model_of_role(
    role: str,
    spec: str,
    *,
    allow_pickle: Permission = (),
    trust_remote_code: Permission = (),
) -> Any:
    """One model by its spec.

    Raises:
        BadInputError: See :func:`models_from_spec`.
    """
    if role == "encoder":
        from scoring.encoders.registry import encoder_from_spec

        return encoder_from_spec(spec, allow_pickle=allow_pickle)
    if role == "language_model":
        return language_model_from_spec(spec, allow_pickle=allow_pickle)
    if role == "reward":
        from scoring.reward_model import SequenceRewardModel

        return SequenceRewardModel(
            spec, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
        )
    if role == "judge":
        from scoring.judge.spec import judge_from_spec

        return judge_from_spec(spec)
    raise BadInputError(f"There is no role {role!r}.", "Check the word before the equals sign.")


def language_model_from_spec(spec: str, *, allow_pickle: Permission = ()) -> LanguageModel:
    """The embedded language model, or any causal one of transformers.

    Raises:
        BadInputError: The form is not known, or the hub says no.
    """
    if spec == "embedded":
        from scoring.smollm2 import smollm2

        # float32 does not depend on the batch at all, but takes twice as long for the same ranking
        return smollm2(dtype="bfloat16")
    if not spec.startswith(LANGUAGE_MODEL):
        raise BadInputError(
            f"There is no language model {spec!r}.", f"Known: {', '.join(LANGUAGE_MODELS)}."
        )
    from functools import partial

    from scoring.hub_models import fetch_weights, hub_model, permits
    from scoring.transformers_language_model import TransformersLanguageModel

    body = spec.removeprefix(LANGUAGE_MODEL)
    if body.startswith(("/", "./", "../", "~")):
        folder = Path(body).expanduser()
        if not (folder / "config.json").is_file():
            raise BadInputError(
                f"{spec}: {folder} holds no config.json.", f"Known: {', '.join(LANGUAGE_MODELS)}."
            )
        return TransformersLanguageModel(folder)
    hub = hub_model(body)
    fetched = partial(fetch_weights, hub, pickled=permits(allow_pickle, hub))
    return TransformersLanguageModel(fetched, name=f"{LANGUAGE_MODEL}{hub}", identity=str(hub))


def resolved(specs: ModelSpecs, made: dict[str, Any]) -> dict[str, str]:
    """Role to the spec that gives the very same model again: revisions are commits."""
    named = {role: str(made[role].name) for role in made}
    return {
        role: named[role] if role in named and ":" in spec and ":" in named[role] else spec
        for role, spec in specs.filled().items()
    }


def pinned_text(manifest_models: dict[str, Any]) -> str | None:
    """The specification of a run's models with commits, from what ``run.json`` says of them."""
    specs = manifest_models.get("specs")
    if not isinstance(specs, dict):
        return None
    return ",".join([NONE, *(f"{role}={spec}" for role, spec in specs.items())])
