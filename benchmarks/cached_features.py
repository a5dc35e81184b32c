"""Fine-tuning with features computed ahead, against the same from pixels, and against plain TRL.

Three ways train the same weights on the same rows in the same order: TRL's ``SFTTrainer`` as it
comes (its own collator, every option its default, float32), pickwell from pixels, and pickwell with
``--cache-features``. Steps alone are compared; the one computation of the features is reported
beside them, and as the number of epochs from which the whole is faster.

How much a cache can save depends on the model: it saves the vision tower, the decoding and the
processing of images, and leaves the language model. Two shapes are measured: the embedded model
(EfficientNet-Lite0 beside SmolLM2-135M: a light tower), and the shape of SmolVLM-256M (SigLIP,
1,024 patches a tile, beside the same language model: a heavy tower) with random weights, which
cost what trained ones do.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record

STEPS = 5
BATCH = 4
ROUNDS = 2

Clock = list[tuple[float, float]]


def main() -> None:
    """Both shapes; the ways alternate, best of the rounds."""
    import torch

    samples = picture_samples(STEPS * BATCH)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures: dict[str, Any] = {
            "steps": STEPS,
            "batch": BATCH,
            "threads": torch.get_num_threads(),
            "embedded": _measure("embedded", samples, folder, plain=True),
            "smolvlm_256m_shape": _measure(_smolvlm_shape(folder), samples, folder, plain=False),
        }
    figures["ratio_required"] = 3.0
    figures["loss_difference_allowed"] = 1e-3
    record("cached_features", figures)


def _measure(model: str, samples: list[Any], folder: Path, *, plain: bool) -> dict[str, Any]:
    from finetune.options import FinetuneOptions
    from finetune.train import finetune

    place = folder / "runs" / Path(model).name
    options = FinetuneOptions(
        model=model, steps=STEPS, batch_size=BATCH, learning_rate=1e-4, bf16=False
    )
    ahead = replace(options, cache_features=True, cache=folder / "cache")
    clocks: dict[str, list[Clock]] = {"plain_trl": [], "pixels": [], "features": []}
    losses: dict[str, Any] = {}
    once = 0.0
    for turn in range(ROUNDS):
        for way, chosen in (("pixels", options), ("features", ahead)):
            clock: Clock = []
            result = finetune(
                samples,
                place / f"{way}-{turn}",
                chosen,
                on_progress=lambda stage, done, total, clock=clock: (
                    _tick(clock) if stage == "train" else None
                ),
            )
            clocks[way].append(clock)
            losses[way] = result.losses
            once = max(once, result.feature_seconds)
            shutil.rmtree(place / f"{way}-{turn}")
        if plain:
            clocks["plain_trl"].append(_plain_trl(model, samples, place / f"plain-{turn}"))
    wall = {way: _per_step(found, 0) for way, found in clocks.items() if found}
    cpu = {way: _per_step(found, 1) for way, found in clocks.items() if found}
    saved = (wall["pixels"] - wall["features"]) / BATCH * len(samples)
    figures: dict[str, Any] = {
        "seconds_per_step": {way: round(value, 3) for way, value in wall.items()},
        "processor_seconds_per_step": {way: round(value, 3) for way, value in cpu.items()},
        "ratio_to_pixels": round(wall["pixels"] / wall["features"], 2),
        "ratio_to_pixels_in_processor_time": round(cpu["pixels"] / cpu["features"], 2),
        "largest_loss_difference": max(
            abs(a - b) for a, b in zip(losses["pixels"], losses["features"], strict=True)
        ),
        "seconds_computing_features_once": round(once, 2),
        "epochs_from_which_the_whole_is_faster": round(once / saved, 1) if saved > 0 else None,
    }
    if plain:
        figures["ratio_to_plain_trl"] = round(wall["plain_trl"] / wall["features"], 2)
        figures["ratio_to_plain_trl_in_processor_time"] = round(
            cpu["plain_trl"] / cpu["features"], 2
        )
    return figures


def _tick(clock: Clock) -> None:
    clock.append((time.perf_counter(), time.process_time()))


def _per_step(clocks: list[Clock], which: int) -> float:
    """Seconds a step, the first step (which warms up) not counted; best of the rounds."""
    return min((c[-1][which] - c[0][which]) / (len(c) - 1) for c in clocks)


def _plain_trl(model: str, samples: list[Any], out: Path) -> Clock:
    """What one writes on an afternoon."""
    from datasets import Dataset, Features, Image, List, Value
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from data_cards.images import read_bytes
    from finetune.models.load import load_vlm

    loaded = load_vlm(model, dtype="float32", device="cpu")
    for name, parameter in loaded.model.named_parameters():
        parameter.requires_grad_("multi_modal_projector" in name)
    turn = {"role": Value("string"), "content": Value("string")}
    data = Dataset.from_list(
        [
            {
                "messages": [{"role": t.role, "content": t.text} for t in sample.turns],
                "images": [{"bytes": read_bytes(sample.images[0]), "path": None}],
            }
            for sample in samples
        ],
        features=Features({"messages": List(turn), "images": List(Image())}),
    )
    clock: Clock = []

    class Ticker(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            _tick(clock)

    trainer = SFTTrainer(
        model=loaded.model,
        args=SFTConfig(
            output_dir=str(out),
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            bf16=False,
            use_cpu=True,
            assistant_only_loss=True,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        ),
        train_dataset=data,
        processing_class=loaded.processor,
        callbacks=[Ticker()],
    )
    trainer.train()
    return clock


def _smolvlm_shape(folder: Path) -> str:
    """The shape of SmolVLM-256M with random weights, one tile of 512 pixels for each image."""
    import torch
    import transformers as t

    from scoring.smollm2 import weights_folder

    words = t.AutoTokenizer.from_pretrained(weights_folder())
    new = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    words.add_tokens(new, special_tokens=True)
    processor = t.SmolVLMProcessor(
        image_processor=t.SmolVLMImageProcessor(
            size={"longest_edge": 512},
            max_image_size={"longest_edge": 512},
            do_image_splitting=False,
        ),
        tokenizer=words,
        video_processor=t.SmolVLMVideoProcessor(),
        image_seq_len=64,
        chat_template=_TEMPLATE,
    )
    text = t.AutoConfig.from_pretrained(weights_folder()).to_dict() | {"vocab_size": len(words)}
    config = t.SmolVLMConfig(
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 512,
            "patch_size": 16,
        },
        text_config=t.LlamaConfig(**text),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=4,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    made = folder / "smolvlm-256m-shape"
    t.SmolVLMForConditionalGeneration(config).save_pretrained(made)
    processor.save_pretrained(made)
    return str(made)


_TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}"
    "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}"
    "{% elif p['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)

if __name__ == "__main__":
    main()
