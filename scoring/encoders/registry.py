"""From the words on a command line to an encoder."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from data_cards.errors import BadInputError
from scoring.encoders.base import ImageEncoder, ImageTextEncoder
from scoring.hub_models import Permission

SPECS = (
    "embedded",
    "open_clip:ARCH/PRETRAINED[@REVISION]",
    "open_clip:hf-hub:OWNER/NAME[@REVISION]",
    "open_clip:ARCH@CHECKPOINT",
    "open_clip:FOLDER",
)
"""What :func:`encoder_from_spec` understands."""
IMAGES_ONLY = ("timm:", "hf-image:")
IMAGE_SPECS = (
    *SPECS,
    "timm:NAME[.TAG][@REVISION]",
    "timm:hf-hub:OWNER/NAME[@REVISION]",
    "timm:NAME[.TAG]@CHECKPOINT",
    "timm:FOLDER",
    "hf-image:OWNER/NAME[@REVISION]",
    "hf-image:FOLDER",
)
"""What :func:`image_encoder_from_spec` understands."""


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
    if spec.startswith(IMAGES_ONLY):
        raise BadInputError(
            f"{spec} sees pictures only; an encoder of images and texts is wanted here.",
            f"Known: {', '.join(SPECS)}.",
        )
    raise _unknown(spec, SPECS)


def image_encoder_from_spec(
    spec: str, *, allow_pickle: Permission = False, trust_remote_code: Permission = False
) -> ImageEncoder:
    """Make an encoder of images; no weights are loaded before it first encodes.

    Args:
        spec: One of the forms in :data:`IMAGE_SPECS`.
        allow_pickle: Whether weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`).
        trust_remote_code: Whether code of an ``hf-image:`` repository may run, likewise.

    Raises:
        BadInputError: The spec is not understood, what it names is not there or not installed, or
            is a pickle that was not allowed.
    """
    if spec.startswith("timm:"):
        from scoring.encoders.timm_images import TimmImages

        return TimmImages(spec, allow_pickle=allow_pickle)
    if spec.startswith("hf-image:"):
        from scoring.encoders.transformers_images import TransformersImages

        return TransformersImages(
            spec, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
        )
    if spec == "embedded" or spec.startswith("open_clip:"):
        return encoder_from_spec(spec, allow_pickle=allow_pickle)
    raise _unknown(spec, IMAGE_SPECS)


def _unknown(spec: str, forms: Sequence[str]) -> BadInputError:
    """What is said of a spec whose kind does not exist, with the nearest that does."""
    kinds = {form.partition(":")[0].replace("-", "_"): form for form in reversed(forms)}
    kind = spec.partition(":")[0].strip().lower().replace("-", "_").replace("openclip", "open_clip")
    near = difflib.get_close_matches(kind, kinds, 1, 0.5)
    hint = f"Did you mean {kinds[near[0]]}? " if near else ""
    return BadInputError(f"There is no encoder {spec!r}.", f"{hint}Known: {', '.join(forms)}.")
