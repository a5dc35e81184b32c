"""``models SPEC``: look each model up, and if wanted load it and try it on one pair."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from data_cards.errors import BadInputError

IMAGES = "images of prune"
"""What an encoder is said to be for that sees pictures only; no role of ``--models``."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of one role's model.

    Attributes:
        role: Which.
        said: The spec with its revision, and what trying it gave.
        problem: Why it cannot be used; empty if it can.
        remedy: What to do about that.
    """

    role: str
    said: str
    problem: str = ""
    remedy: str = ""


def check_models(
    text: str,
    *,
    load: bool = False,
    allow_pickle: Collection[str] = (),
    trust_remote_code: Collection[str] = (),
) -> list[Checked]:
    """Look up every model of a specification.

    Args:
        text: As after ``--models``; a single spec such as ``hf-reward:...`` or ``timm:...`` also.
        load: Load it, and score one pair.
        allow_pickle: See :func:`scoring.models.models_from_spec`.
        trust_remote_code: Likewise.

    Raises:
        BadInputError: The specification itself cannot be read.
    """
    from scoring.encoders.registry import IMAGES_ONLY, image_encoder_from_spec
    from scoring.judge.spec import hidden
    from scoring.model_specs import parse_models
    from scoring.models import model_of_role

    found = []
    alone = text.startswith(IMAGES_ONLY)
    roles = {IMAGES: text} if alone else parse_models(_whole(text)).filled()
    for role, spec in roles.items():
        try:
            make = image_encoder_from_spec if alone else partial(model_of_role, role)
            model: Any = make(spec, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code)
            if role == "judge":
                there, said = model.check()
                if not there:
                    found.append(Checked(role, spec, said))
                    continue
            else:
                named = model.name.startswith(spec.partition(":")[0] + ":")
                said = model.name if named else spec
            if load:
                said += f"; {_tried(role, model)}"
            found.append(Checked(role, said))
        except BadInputError as error:
            found.append(Checked(role, hidden(spec), error.message, error.remedy or ""))
    return found


def _whole(text: str) -> str:
    """A single spec of another role than the encoder's, as a specification."""
    owners = {"hf-reward": "reward", "hf-lm": "language_model", "openai": "judge", "vllm": "judge"}
    owner = owners.get(text.partition(":")[0]) if ":" in text else None
    return f"none,{owner}={text}" if owner else text


def _tried(role: str, model: Any) -> str:
    """Load a model and try it on one pair; what came out, and how long it took."""
    started = time.perf_counter()
    question, answer = "What is on the mat?", "A grey cat, asleep in the sun."
    if role in ("encoder", IMAGES):
        import torch
        from PIL import Image

        pixels = torch.stack([model.preprocess(Image.new("RGB", (64, 64), "grey"))])
    if role == IMAGES:
        said = f"{model.encode_images(pixels).shape[1]} dimensions"
    elif role == "encoder":
        vectors = model.encode_images(pixels), model.encode_texts([answer])
        cosine = float((vectors[0] @ vectors[1].T)[0, 0])
        said = f"{vectors[0].shape[1]} dimensions, cosine {cosine:.3f}"
    elif role == "language_model":
        said = _number("{:.2f} nats per token", model.response_likelihood([question], [answer])[0])
    elif role == "judge":
        from scoring.judge.base import JudgeItem

        said = _number("rating {:.2f}", model.judge([JudgeItem(question, answer)])[0])
    else:
        said = _number("reward {:.3f}", model.rewards([question], [answer])[0])
    return f"loaded and tried in {time.perf_counter() - started:.1f} s: {said}"


def _number(form: str, found: Any) -> str:
    """What a model said of the pair, or why it said nothing."""
    value = next(getattr(found, n) for n in ("nll", "rating", "value") if hasattr(found, n))
    return f"no number ({found.reason})" if value is None else form.format(value)
