"""What of a model is trained: its projector, adapters on its language model, or everything."""

from __future__ import annotations

import re
from typing import Any

from data_cards.errors import BadInputError
from finetune.options import FinetuneOptions

PROJECTORS = (
    "multi_modal_projector",
    "multimodal_projector",
    "mm_projector",
    "connector",
    "modality_projection",
    "merger",
    "deepstack_merger_list",
    "aligner",
    "vl_adapter",
    "vision_projection",
    "embed_vision",
    "projector",
)
"""What families of models call the part that turns image features into tokens."""

LANGUAGE_MODELS = ("language_model", "text_model", "text_decoder", "llm")


def find_projectors(model: Any) -> dict[str, Any]:
    """The modules between vision and language, by their full names.

    Raises:
        BadInputError: None is known by name.
    """
    found: dict[str, Any] = {}
    language = find_language_model(model)[0]
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if last in PROJECTORS and not inside and not name.startswith(f"{language}."):
            found[name] = module
    if not any(True for module in found.values() for _ in module.parameters()):
        parts = ", ".join(name for name, _ in _top_modules(model))
        raise BadInputError(
            f"{type(model).__name__} has no projector that is known by name; it has {parts}.",
            "Train it with --train lora or --train all.",
        )
    return found


def find_language_model(model: Any) -> tuple[str, Any]:
    """Full name and module of the language model, its head not included.

    Raises:
        BadInputError: None is known by name.
    """
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in LANGUAGE_MODELS:
            return name, module
    parts = ", ".join(name for name, _ in _top_modules(model))
    raise BadInputError(
        f"{type(model).__name__} has no language model that is known by name; it has {parts}.",
        "Train it with --train all.",
    )


def choose_trained(model: Any, options: FinetuneOptions) -> Any:
    """Mark what is trained and bring it to float32; freeze the rest.

    With ``bf16`` the frozen weights are brought to bfloat16, else to float32.

    Args:
        model: Changed in place.
        options: ``train``, ``bf16`` and the adapter's numbers are read.

    Returns:
        The adapter's configuration for the trainer, or ``None`` where there is none.

    Raises:
        BadInputError: The model has no such part.
    """
    import torch

    frozen = torch.bfloat16 if options.bf16 else torch.float32
    if options.train == "all":
        model.requires_grad_(True)
        model.to(torch.float32)
        return None
    projectors = list(find_projectors(model).values()) if options.train == "projector" else []
    model.requires_grad_(False)
    model.to(frozen)
    for module in projectors:
        module.to(torch.float32)
        module.requires_grad_(True)
    return adapter(model, options) if options.train == "lora" else None


def adapter(model: Any, options: FinetuneOptions) -> Any:
    """LoRA (Hu et al., ICLR 2022) on every linear layer of the language model but the head."""
    import torch
    from peft import LoraConfig

    prefix, language = find_language_model(model)
    leaves = sorted(
        {
            name.rpartition(".")[2]
            for name, module in language.named_modules()
            if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] != "lm_head"
        }
    )
    if not leaves:
        raise BadInputError(
            f"The language model of {type(model).__name__} has no linear layer.",
            "Train it with --train all.",
        )
    words = "|".join(re.escape(leaf) for leaf in leaves)
    return LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha or 2 * options.lora_rank,
        lora_dropout=options.lora_dropout,
        target_modules=rf"{re.escape(prefix)}\.(.*\.)?({words})",
        task_type="CAUSAL_LM",
    )


def set_modes(model: Any) -> None:
    """Frozen parts in evaluation mode, trained parts in training mode.

    Batch normalisation stays in evaluation mode even where its weights are trained: with a few
    images in a batch its running statistics would drift, and results would depend on the batch.
    Layers with gradient checkpointing are in training mode themselves, for only then do they forget
    their activations; what is inside them is not.
    """
    import torch

    if all(parameter.requires_grad for parameter in model.parameters()):
        model.train()
    else:
        model.eval()
        for name, module in model.named_modules():
            own = module.parameters(recurse=False)
            if "lora_dropout" in name or any(parameter.requires_grad for parameter in own):
                module.training = True
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.training = False
        elif getattr(module, "gradient_checkpointing", False) is True:
            module.training = True


def count_parameters(model: Any) -> tuple[int, int]:
    """How many numbers are trained, and how many there are; shared ones count once."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trained, sum(p.numel() for p in model.parameters())


def trained_state(model: Any) -> dict[str, Any]:
    """The trained weights by name, shared ones once."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _top_modules(model: Any) -> list[tuple[str, Any]]:
    inner = getattr(model, "model", model)
    return list(inner.named_children())
