"""What stands after ``--models``: one short string for each role, or a preset for all of them.

A whole specification is one string too, ``PRESET[,ROLE=SPEC...]``, e.g.
``embedded,reward=hf-reward:owner/name``; that is what a run records.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from data_cards.errors import BadInputError

ROLES = ("encoder", "language_model", "reward", "judge")
NONE = "none"
_ROLE = re.compile(r"[\w-]+\s*=")


@dataclass(frozen=True, slots=True)
class ModelSpecs:
    """One spec a role; ``"none"`` where a role is not filled.

    Attributes:
        encoder: Image-text encoder: alignment, diversity, near-duplicates.
        language_model: Likelihood, IFD, and the small judge of text.
        reward: A reward model with a classification head.
        judge: A chat model that rates pairs.
        rubric: The judge's rubric that belongs to a preset; ``None``: the default one.
    """

    encoder: str = NONE
    language_model: str = NONE
    reward: str = NONE
    judge: str = NONE
    rubric: str | None = None

    def __str__(self) -> str:
        roles = [f"{role}={spec}" for role, spec in self.filled().items()]
        return ",".join([NONE, *roles])

    def filled(self) -> dict[str, str]:
        """Role to spec, where there is one."""
        return {role: getattr(self, role) for role in ROLES if getattr(self, role) != NONE}


PRESETS: Mapping[str, ModelSpecs] = {
    "none": ModelSpecs(),
    "embedded": ModelSpecs(encoder="embedded", language_model="embedded"),
    "laptop": ModelSpecs(
        encoder="open_clip:ViT-B-32-SigLIP2-256/webli",
        language_model="embedded",
        reward="hf-reward:Skywork/Skywork-Reward-V2-Qwen3-0.6B",
    ),
    "paper": ModelSpecs(
        encoder="open_clip:ViT-bigG-14/laion2b_s39b_b160k",
        reward="hf-reward:OpenAssistant/reward-model-deberta-v3-large-v2",
        judge="openai:gpt-4@https://api.openai.com/v1",
        rubric="paper",
    ),
    "best": ModelSpecs(
        encoder="open_clip:ViT-SO400M-16-SigLIP2-384/webli",
        language_model="embedded",
        reward="hf-reward:Skywork/Skywork-Reward-V2-Llama-3.1-8B",
        judge="vllm:Qwen/Qwen3-VL-8B-Instruct",
    ),
}
"""Reasons and sources: docs/models.md."""


def parse_models(text: str) -> ModelSpecs:
    """Read a specification.

    Args:
        text: ``PRESET``, an encoder's spec (then the language model is the embedded one), and
            after a comma ``role=spec`` for single roles.

    Raises:
        BadInputError: A preset or role that does not exist, with the nearest that does.
    """
    first, *rest = _parts(text)
    if first in PRESETS:
        specs = PRESETS[first]
    elif _ROLE.match(first):
        specs, rest = PRESETS["embedded"], [first, *rest]
    elif ":" in first:
        specs = ModelSpecs(encoder=first, language_model="embedded")
    else:
        near = difflib.get_close_matches(first, PRESETS, 1, 0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInputError(
            f"There are no models {first!r}.",
            f"{hint}Presets: {', '.join(PRESETS)}; or a spec such as open_clip:ARCH/PRETRAINED "
            "(`pickwell models` lists all forms).",
        )
    given = {}
    for part in rest:
        word, _, spec = part.partition("=")
        given[_role(word.strip())] = spec.strip() or NONE
    return replace(specs, **given)


def with_roles(text: str, roles: Mapping[str, str | None]) -> str:
    """A specification with some roles given by themselves (``--encoder``, ``--reward``...)."""
    given = [f"{role}={spec}" for role, spec in roles.items() if spec is not None]
    return ",".join([text, *given]) if given else text


def as_text(value: Any) -> Any:
    """A YAML mapping ``{preset: ..., encoder: ..., ...}`` as one string; a string as it is.

    Raises:
        ValueError: For a key that is no role, naming the nearest.
    """
    if not isinstance(value, Mapping):
        return value
    known = ("preset", *ROLES)
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"there is no role {str(key)!r}; {hint}")
    roles = {role: str(value[role] or NONE) for role in ROLES if role in value}
    return with_roles(str(value.get("preset") or "embedded"), roles)


def says(text: str, role: str) -> bool:
    """Whether a specification says something of a role: itself, or by its preset."""
    first, *rest = _parts(text)
    given = [part.partition("=")[0].strip() for part in (first, *rest)]
    return role in given or (first in PRESETS and getattr(PRESETS[first], role) != NONE)


def _parts(text: str) -> list[str]:
    """Split at commas that stand before a word and ``=``: a spec may hold commas of its own."""
    return [part.strip() for part in re.split(rf",(?=\s*{_ROLE.pattern})", text)]


def _role(word: str) -> str:
    if word in ROLES:
        return word
    near = difflib.get_close_matches(word, ROLES, 1, 0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise BadInputError(f"There is no role {word!r}.", f"{hint}Roles: {', '.join(ROLES)}.")
