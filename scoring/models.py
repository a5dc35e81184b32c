"""From the word after ``--models`` to the models that metrics run on."""

from __future__ import annotations

from scoring.metric import Models


def models_from_spec(spec: str) -> Models:
    """Models by spec: ``embedded``, ``none`` (text and pixel metrics only), or ``open_clip:...``.

    Nothing is loaded yet; weights are loaded when the first missing row asks for them.

    Raises:
        BadInputError: For a spec that nothing answers to, or a package that is not installed.
    """
    from scoring.encoders.registry import encoder_from_spec
    from scoring.smollm2 import smollm2

    if spec == "none":
        return Models("none")
    return Models(spec, encoder=encoder_from_spec(spec), language_model=smollm2())
