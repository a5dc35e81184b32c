"""From the word after ``--models`` to the models that metrics run on."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.metric import Models, registry


def models_from_spec(spec: str, metrics: Sequence[str] | None = None) -> Models:
    """Models by spec: ``embedded``, ``none`` (text and pixel metrics only), or ``open_clip:...``.

    Nothing is loaded yet; weights are loaded when the first missing row asks for them.

    Args:
        spec: What stands after ``--models``.
        metrics: Only these metrics will be made; an encoder that none of them needs is left out.

    Raises:
        BadInputError: For a spec that nothing answers to, or a package that is not installed.
    """
    from scoring.encoders.registry import encoder_from_spec
    from scoring.smollm2 import smollm2

    if spec == "none":
        return Models("none")
    known = registry()
    needs = set().union(*(known[name].spec.needs for name in metrics or known))  # type: ignore[attr-defined]
    seen = bool(needs & {"image_embedding", "text_embedding"})
    encoder = encoder_from_spec(spec) if seen else None
    # float32 does not depend on the batch at all, but takes twice as long for the same ranking
    return Models(spec, encoder=encoder, language_model=smollm2(dtype="bfloat16"))
