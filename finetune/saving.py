"""The finished folder: model, processor, what was left out, record, card."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from data_cards.package_versions import package_versions
from finetune.checkpoint import WORK
from finetune.options import FinetuneOptions
from finetune.result import RECORD, FinetuneResult, open_result
from scoring.store import atomic_path

LEFT_OUT = "left_out.csv"
ADAPTER = "adapter"
CARD = "README.md"
PACKAGES = ("pickwell", "torch", "transformers", "trl", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Versions of what a training depends on."""
    return package_versions(PACKAGES)


def refuse_foreign(folder: Path) -> None:
    """Never write a model over something that is not one of ours.

    Raises:
        BadInputError: The folder is a file, or holds neither a training nor its beginnings.
    """
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    if names and not names & {RECORD, WORK}:
        raise BadInputError(
            f"{folder} is not empty and holds no training.", "Name a new folder after --out."
        )
    if RECORD in names:
        open_result(folder)


def refuse_inside(path: str | Path, out: Path, what: str) -> None:
    """Never write over, or with ``--no-resume`` remove, what the training itself needs.

    Args:
        path: A file or folder, if it exists.
        out: The output folder.
        what: What it is, for the message.

    Raises:
        BadInputError: It is the output folder, or lies in it.
    """
    inner, outer = Path(path).resolve(), out.resolve()
    if str(path) and inner.exists() and out.is_dir() and outer in (inner, *inner.parents):
        raise BadInputError(f"{out} holds {what}: {path}.", "Name another folder after --out.")


def write_model(trained: Any, out: Path, options: FinetuneOptions, processor: Any) -> None:
    """Write the model as ``from_pretrained`` opens it, in the precision that it came in.

    The base model is opened anew, so that frozen weights are bit for bit what they were; adapters
    are merged into it, and kept apart in ``adapter/`` as well.

    Args:
        trained: The model as it was trained, with its adapters.
        out: The output folder; written file by file out of a finished folder beside it.
        options: Of the training.
        processor: Of the model.
    """
    from finetune.models.load import load_vlm
    from finetune.trainable import trained_state
    from scoring.transformers_language_model import quiet_transformers

    state = {name: value.cpu() for name, value in trained_state(trained).items()}
    base = load_vlm(
        options.model, dtype="auto", device="cpu", trust_remote_code=options.trust_remote_code
    ).model
    with (
        tempfile.TemporaryDirectory(prefix="model-", dir=out / WORK) as scratch,
        quiet_transformers(),
    ):
        made = Path(scratch)
        if options.train == "lora":
            base = _merged(trained, base, state, made / ADAPTER, options)
        else:
            _copy(base, state)
        base.save_pretrained(made)
        processor.save_pretrained(made)
        for path in sorted(made.iterdir()):
            target = out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            if path.is_file():
                path.chmod(0o644)  # safetensors writes for the owner alone
            path.replace(target)


def _copy(model: Any, state: Mapping[str, Any]) -> None:
    import torch

    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)


def _merged(
    trained: Any, base: Any, state: Mapping[str, Any], folder: Path, options: FinetuneOptions
) -> Any:
    from peft import get_peft_model

    config = trained.peft_config["default"]
    config.base_model_name_or_path = options.model
    trained.save_pretrained(folder, save_embedding_layers=False)
    fresh = get_peft_model(base, config)
    _copy(fresh, state)
    return fresh.merge_and_unload()


def write_record(result: FinetuneResult, **more: Any) -> None:
    """Write ``left_out.csv`` and the card, and ``training.json`` last."""
    out = result.folder
    with (
        atomic_path(out / LEFT_OUT) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("id", "reason"))
        writer.writerows(result.left_out)
    with atomic_path(out / CARD) as temporary:
        temporary.write_text(card(result), "utf-8")
    with atomic_path(out / RECORD) as temporary:
        text = json.dumps(result.record(**more), indent=2, ensure_ascii=False, default=str)
        temporary.write_text(text + "\n", "utf-8")
    shutil.rmtree(out / WORK, ignore_errors=True)


def card(result: FinetuneResult) -> str:
    """The model card: what it is, how it was made, how to open it."""
    options = result.options
    what = {
        "projector": "its projector (what joins vision and language); all else is unchanged",
        "lora": f"LoRA adapters of rank {options['lora_rank']} on its language model, merged here"
        f" (and kept in `{ADAPTER}/`)",
        "all": "all its weights",
    }[options["train"]]
    length = (
        f"{result.steps:,} steps of {options['batch_size']} x {options['gradient_accumulation']}"
        f" samples on each of {options.get('processes', 1)} processes"
    )
    first, last = (_mean(part) for part in (result.losses[:10], result.losses[-10:]))
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: image-text-to-text",
        "tags: [pickwell, sft, vision-language]",
        *([f"base_model: {options['model']}"] if _on_hub(options["model"]) else []),
        "---",
        "",
        "# A fine-tuned vision-language model",
        "",
        f"`{options['model']}`, trained by pickwell {result.versions.get('pickwell', '')}: {what}.",
        "",
        "| | |",
        "|---|---|",
        f"| samples | {result.samples:,} (left out: {len(result.left_out):,}, see `{LEFT_OUT}`) |",
        f"| length | {length} |",
        f"| trained parameters | {result.trained_parameters:,} of {result.parameters:,} |",
        f"| learning rate | {options['learning_rate']:g} (AdamW, warm-up and cosine) |",
        f"| precision | {'bfloat16 autocast' if options['bf16'] else 'float32'} |",
        f"| seed | {options['seed']} |",
        f"| loss, first and last ten steps | {first:.4f} and {last:.4f} nats per response token |",
        f"| data | SHA-256 `{result.data_hash}` |",
        "",
        "The loss counts the tokens of the responses only. It is that of the training data: it",
        "says how well they were learned, not how good the model is; `pickwell evaluate` does.",
        "",
        "```python",
        "from transformers import AutoModelForImageTextToText, AutoProcessor",
        "",
        'model = AutoModelForImageTextToText.from_pretrained("THIS-FOLDER")',
        'processor = AutoProcessor.from_pretrained("THIS-FOLDER")',
        "```",
        "",
        f"Every option, loss and version is in `{RECORD}`. The licences of the base model and of",
        "the data apply to this model.",
        "",
    ]
    return "\n".join(lines)


def _on_hub(model: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model) is not None and not Path(model).exists()


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values) if values else float("nan")
