"""What each preset's models cost for 1,000 pairs, on this machine.

The models have the published architectures and random weights: no weights are needed to know how
long a pass takes. Encoders: pictures at the model's own size, and texts at its context length.
Reward models: the demo pool's pairs. Models too large for this machine's memory are run with some
of their layers, and the time per layer is multiplied; the result says so. Judges are not measured.
"""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record

PAIRS = 48
WHOLE = 512
ENCODERS = {
    "ViT-B-32": "open_clip:ViT-B-32/...",
    "ViT-B-32-SigLIP2-256": "laptop",
    "ViT-SO400M-16-SigLIP2-384": "best",
    "ViT-bigG-14": "paper",
}
FEW = {"ViT-SO400M-16-SigLIP2-384": 8, "ViT-bigG-14": 4}
REWARDS: dict[str, tuple[str, str, int, int, dict[str, Any]]] = {
    "Skywork-Reward-V2-Qwen3-0.6B": (
        "laptop",
        "Qwen3",
        28,
        28,
        {
            "vocab_size": 151936,
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
    ),
    "reward-model-deberta-v3-large-v2": (
        "paper",
        "DebertaV2",
        24,
        24,
        {
            "vocab_size": 128100,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "position_biased_input": False,
            "max_relative_positions": -1,
            "type_vocab_size": 0,
        },
    ),
    "Skywork-Reward-V2-Llama-3.1-8B": (
        "best",
        "Llama",
        32,
        4,
        {
            "vocab_size": 128256,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
    ),
}
"""Name to preset, class, layers, layers run here, and what else its configuration says."""


def main() -> None:
    """Seconds for 1,000 pairs, model by model."""
    import torch

    samples = picture_samples(PAIRS)
    figures: dict[str, Any] = {
        "pairs": len(samples),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "embedded": _embedded(),
        "encoders": {},
        "rewards": {},
    }
    for arch, preset in ENCODERS.items():
        figures["encoders"][arch] = {"preset": preset, **_encoder(arch, samples)}
        gc.collect()  # before the next one takes its gigabytes
    for name, about in REWARDS.items():
        figures["rewards"][name] = _reward(*about, samples)
        gc.collect()
    record("model_costs", figures)


def _embedded() -> dict[str, Any]:
    """The whole of ``score`` with every default metric, models loaded before."""
    from scoring.engine import EngineOptions, make_metrics, score
    from scoring.models import models_from_spec

    samples = picture_samples(WHOLE)
    models = models_from_spec("embedded")
    metrics = make_metrics(models, None)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        score(samples[:16], place / "warm", metrics, models, EngineOptions(place / "first"))
        seconds = _seconds(
            lambda: score(samples, place / "run", metrics, models, EngineOptions(place / "cache"))
        )
    return {"pairs": len(samples), "score_seconds_per_1000": round(1000 * seconds / WHOLE, 1)}


def _encoder(arch: str, samples: list[Any]) -> dict[str, Any]:
    import open_clip
    import torch
    from PIL import Image

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, _, transform = open_clip.create_model_and_transforms(
        arch, precision="bf16", device=device, pretrained_text=False
    )
    model.eval()
    count = FEW.get(arch, PAIRS)
    pictures = [Image.open(s.images[0].path).convert("RGB") for s in samples[:count]]
    pixels = torch.stack([transform(picture) for picture in pictures]).bfloat16().to(device)
    context = open_clip.get_model_config(arch)["text_cfg"].get("context_length", 77)
    tokens = torch.ones((count, context), dtype=torch.long, device=device)
    with torch.inference_mode():
        model.encode_image(pixels[:2])
        images = _seconds(lambda: model.encode_image(pixels))
        texts = _seconds(lambda: model.encode_text(tokens))
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "million_parameters": round(parameters / 1e6),
        "image_seconds_per_1000": round(1000 * images / count, 1),
        "text_seconds_per_1000": round(1000 * texts / count, 1),
    }


def _reward(
    preset: str, kind: str, layers: int, run: int, about: dict[str, Any], samples: list[Any]
) -> dict[str, Any]:
    import torch
    import transformers

    from scoring.models import language_model_from_spec

    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = getattr(transformers, f"{kind}Config")(
        num_hidden_layers=run, num_labels=1, pad_token_id=0, **about
    )
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    model = model.bfloat16().eval().to(device)
    counter = language_model_from_spec("embedded")
    lengths = [
        sum(counter.count_tokens([s.instruction, s.response])) + 12 for s in samples
    ]  # another tokenizer's tokens: near enough for a time
    batches = [sorted(lengths)[at : at + 8] for at in range(0, len(lengths), 8)]

    def once(stack: bool) -> float:
        inner = model.base_model
        kept = inner.layers if hasattr(inner, "layers") else None
        if not stack and kept is not None:
            inner.layers = kept[:1]
        with torch.inference_mode():
            ids = [torch.full((len(b), max(b)), 7, device=device) for b in batches]
            model(input_ids=ids[0])
            seconds = sum(_seconds(lambda row=row: model(input_ids=row)) for row in ids)
        if kept is not None:
            inner.layers = kept
        return seconds

    whole = once(stack=True)
    if run < layers:
        whole += (layers - run) * (whole - once(stack=False)) / (run - 1)
    return {
        "preset": preset,
        "mean_tokens": round(sum(lengths) / len(lengths), 1),
        "seconds_per_1000": round(1000 * whole / len(samples), 1),
        "layers": layers,
        "layers_run": run,
    }


def _seconds(call: Any) -> float:
    import torch

    started = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
