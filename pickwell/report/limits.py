"""What the report does not show or prove."""

from __future__ import annotations

from collections.abc import Sequence

from pickwell.config import SelectConfig

TO_BE_MEASURED = (
    "Whether training on the chosen beats training on random picks has to be measured by training."
)


def limits_of(quality: str, settings: SelectConfig, notes: Sequence[str] = ()) -> list[str]:
    """What the page does not prove, in words.

    Args:
        quality: What ranked the rows: ``consensus``, a fitted model with its folder in brackets,
            or the column named by ``--by``.
        settings: How was chosen.
        notes: What else must be said about this choice.
    """
    if settings.method == "random":
        what = "These picks are random draws: the quality took no part in them."
    elif settings.by is not None:
        what = f"Quality here is the column {quality!r} as it stands: no other metric took part."
    elif quality.partition(" (")[0] == "consensus":
        what = "Quality here is a consensus of cheap metrics: a stated rule, not a law."
    else:
        what = (
            f"Quality here was learned from labels, by {quality}: it foretells such labels as far "
            "as its held-out figures say, and nothing else."
        )
    return [
        f"{what} {TO_BE_MEASURED}",
        *notes,
        "On a metric that is no better than random here, this choice gains nothing.",
    ]
