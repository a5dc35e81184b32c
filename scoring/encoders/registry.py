"""From the words on a command line to an encoder."""

from __future__ import annotations

import difflib

from data_cards.errors import BadInputError
from scoring.encoders.base import ImageTextEncoder
from scoring.hub_models import Permission

SPECS = (
    "embedded",
    "open_clip:ARCH/PRETRAINED[@REVISION]",
    "open_clip:hf-hub:OWNER/NAME[@REVISION]",
    "open_clip:ARCH@CHECKPOINT",
    "open_clip:FOLDER",
)
"""What :func:`encoder_from_spec` understands."""


def encoder_from_spec(spec: str, *, allow_pickle: Permission = False) -> ImageTextEncoder:
    """Make an encoder; nothing heavy is imported or loaded before it first encodes.

    Args:
        spec: ``"embedded"``, or one of the ``open_clip:`` forms in :data:`SPECS`.
        allow_pickle: Whether hub weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`).

    Raises:
        BadInputError: The spec is not understood, or what it names is not installed.
    """
    if spec == "embedded":
        from scoring.encoders.embedded import EmbeddedEncoder

        return EmbeddedEncoder()
    if spec.startswith("open_clip:"):
        from scoring.encoders.open_clip import OpenClipEncoder

        return OpenClipEncoder(spec, allow_pickle=allow_pickle)
    kind = spec.partition(":")[0].strip().lower().replace("-", "_").replace("openclip", "open_clip")
    near = difflib.get_close_matches(kind, ["embedded", "open_clip"], 1, 0.5)
    guess = next((s for s in SPECS if near and s.startswith(near[0])), "")
    hint = f"Did you mean {guess}? " if guess else ""
    raise BadInputError(f"There is no encoder {spec!r}.", f"{hint}Known: {', '.join(SPECS)}.")
