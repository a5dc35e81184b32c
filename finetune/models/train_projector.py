"""Train the embedded model's projector on packaged pairs and write its weights folder.

``python -m finetune.models.train_projector --packages DIR --out finetune/models/weights``

Three steps, each kept in the cache folder, so that a run that was stopped goes on where it was:
features of all pictures at 49 places; a first guess without the language model
(:mod:`finetune.models.train_words`); training through the frozen language model on the answers'
tokens. Then it is measured once on pictures that it never saw
(:mod:`finetune.models.evaluate_projector`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.split import Split, split_items
from finetune.models.embedded import build_embedded, drawn_projector
from finetune.models.projector import FACTS, WEIGHTS, load_projector, save_projector
from finetune.models.train_losses import FrozenReader
from finetune.models.train_pairs import Asked, ask_all, pair_hashes, pool_answers, thinned
from finetune.models.train_places import place_features
from finetune.models.train_rows import Chat, Row, batches, collate, make_rows
from finetune.models.train_words import WordRecipe, fit_words, word_targets
from scoring.encoders.train_data import write_hashes

if TYPE_CHECKING:
    from torch import nn

HASHES = "training_hashes.npz"


@dataclass(frozen=True, slots=True)
class Phase:
    """Numbers of one training through the language model.

    Attributes:
        tokens: Padded tokens in a step.
        stop: Last step, however many it would take to see every picture.
        rate: Highest learning rate (AdamW); it rises for ``warm_up`` steps, falls as a cosine over
            one pass over all pictures, and linearly to nothing over the last ``cool_down`` steps.
        long_share: Share of the long answers that is used.
        seed: Of wordings, order and views.
    """

    tokens: int
    stop: int
    rate: float
    warm_up: int
    cool_down: int
    long_share: float
    seed: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """All numbers of the training.

    Attributes:
        words: Of the first guess.
        scale: Factor on the first guess's tokens, which come out longer than embeddings are.
        phases: Through the language model, one after the other.
        decay: Weight decay.
        clip: Largest gradient norm.
        seed: Of the drawn projector and the first guess.
    """

    words: WordRecipe = field(default_factory=WordRecipe)
    scale: float = 0.15
    phases: tuple[Phase, ...] = (
        Phase(2048, 120, 1e-3, 10, 50, long_share=1 / 3, seed=0),
        Phase(512, 240, 7e-4, 20, 140, long_share=0.1, seed=1),
    )
    decay: float = 0.01
    clip: float = 1.0
    seed: int = 0


def recipe_key(recipe: Recipe, phases: int) -> str:
    """Hash of everything up to that number of phases, for names of files in the cache."""
    part = replace(recipe, phases=recipe.phases[:phases])
    text = json.dumps(asdict(part), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def first_guess(
    projector: nn.Module,
    items: Sequence[CaptionedImage],
    features: np.ndarray,
    tokenizer: Any,
    embeddings: torch.Tensor,
    recipe: Recipe,
) -> None:
    """Draw the projector, bring it near the words, and scale it; in place."""
    projector.load_state_dict(drawn_projector(recipe.seed))
    vocabulary, targets = word_targets(items, tokenizer)
    losses = fit_words(
        projector, features, targets, embeddings[vocabulary].float(), recipe.words, recipe.seed
    )
    print("words:", " ".join(f"{loss:.2f}" for loss in losses), flush=True)
    with torch.no_grad():
        last: Any = projector.get_submodule("linear_2")
        last.weight.mul_(recipe.scale)
        last.bias.mul_(recipe.scale)


def plan(chat: Chat, asked: Sequence[Asked], phase: Phase) -> list[tuple[Row, ...]]:
    """The batches of one pass over all pictures, in order."""
    rows = make_rows(chat, thinned(asked, phase.seed, phase.long_share))
    grouped = batches(rows, phase.tokens, len(chat.prefix), phase.seed)
    return [tuple(batch) for batch in grouped]


def train(
    projector: nn.Module,
    reader: FrozenReader,
    chat: Chat,
    features: np.ndarray,
    steps: Sequence[tuple[Row, ...]],
    phase: Phase,
    recipe: Recipe,
    checkpoint: Path,
    *,
    pad: int,
    every: int = 10,
) -> list[float]:
    """Train in place through the language model; goes on from the checkpoint if there is one.

    Args:
        projector: 1,280 to 576 numbers, float32.
        reader: The frozen language model.
        chat: For collating.
        features: float16 (n, views, 49, 1280).
        steps: The batches.
        phase: The numbers of this phase.
        recipe: Those that all phases share.
        checkpoint: File for weights, optimiser and losses.
        pad: Token that fills up rows.
        every: Steps between checkpoints.

    Returns:
        Mean loss per answer token, in nats, of each step.
    """
    optimiser = torch.optim.AdamW(
        projector.parameters(), phase.rate, betas=(0.9, 0.98), weight_decay=recipe.decay
    )

    last = min(phase.stop, len(steps))

    def factor(step: int) -> float:
        if step < phase.warm_up:
            return (step + 1) / phase.warm_up
        share = (step - phase.warm_up) / max(1, len(steps) - phase.warm_up)
        return 0.5 * (1 + math.cos(math.pi * share)) * min(1, (last - step) / phase.cool_down)

    losses: list[float] = []
    if checkpoint.is_file():
        stored = torch.load(checkpoint, weights_only=True)
        projector.load_state_dict(stored["projector"])
        optimiser.load_state_dict(stored["optimiser"])
        losses = list(stored["losses"])
    for number in range(len(losses), last):
        batch = collate(chat, steps[number], pad)
        generator = torch.Generator().manual_seed(phase.seed * 1_000_003 + number)
        view = torch.randint(features.shape[1], (len(batch.rows),), generator=generator).numpy()
        seen = features[[row.picture for row in batch.rows], view]
        for group in optimiser.param_groups:
            group["lr"] = phase.rate * factor(number)
        optimiser.zero_grad()
        tokens = projector(torch.from_numpy(seen).float())
        loss = reader.token_losses(batch, tokens)[0].mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(projector.parameters(), recipe.clip)
        optimiser.step()
        losses.append(float(loss.detach()))
        if (number + 1) % every == 0 or number + 1 == last:
            recent = float(np.mean(losses[-every:]))
            print(f"step {number + 1} of {last}: {recent:.3f} nats", flush=True)
            state = {"projector": projector.state_dict(), "optimiser": optimiser.state_dict()}
            partial = checkpoint.with_suffix(".partial")
            torch.save({**state, "losses": losses}, partial)
            partial.replace(checkpoint)
    return losses


def features_of(
    split: Split, items: Sequence[CaptionedImage], cache: Path, *, augmented: bool
) -> np.ndarray:
    """See :func:`finetune.models.train_places.place_features`."""
    hashes = [split.hashes[item.source, item.key] for item in items]
    return place_features(items, hashes, cache, augmented=augmented)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    from finetune.models.evaluate_projector import measure, print_figures

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder of unpacked packages")
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    parser.add_argument("--cache", type=Path, default=Path(".demo/projector"))
    parser.add_argument("--only-measure", action="store_true", help="measure the weights in --out")
    options = parser.parse_args(arguments)
    torch.use_deterministic_algorithms(True)
    recipe = Recipe()
    split = split_items(options.packages)
    items = split.parts["train"]
    forbidden = pool_answers(options.packages)
    model, processor = build_embedded(trained=False)
    projector = model.model.multi_modal_projector
    chat = Chat(processor)
    weights = options.out / WEIGHTS.name
    pad = processor.tokenizer.pad_token_id
    if not options.only_measure:
        features = features_of(split, items, options.cache, augmented=True)
        guess = options.cache / f"words-{recipe_key(recipe, 0)}.pt"
        if guess.is_file():
            projector.load_state_dict(torch.load(guess, weights_only=True))
        else:
            embeddings = model.lm_head.weight.detach()
            first_guess(projector, items, features, processor.tokenizer, embeddings, recipe)
            torch.save(projector.state_dict(), guess)
        reader = FrozenReader(model, chat.image_start)
        texts = [text.text for item in items for text in item.texts]
        questions, losses = 0, [0.0]
        for number, phase in enumerate(recipe.phases):
            asked = ask_all(options.packages, items, phase.seed, forbidden)
            steps = plan(chat, asked, phase)
            checkpoint = options.cache / f"training-{recipe_key(recipe, number + 1)}.pt"
            losses = train(
                projector, reader, chat, features, steps, phase, recipe, checkpoint, pad=pad
            )
            texts += [one.answer for one in asked]
            questions += sum(len(row.segments) for step in steps[: len(losses)] for row in step)
        facts = {
            "recipe": asdict(recipe),
            "pictures": len(items),
            "questions": questions,
            "loss_of_last_steps": float(np.mean(losses[-50:])),
        }
        save_projector(projector.state_dict(), weights, facts)
        hashes = [split.hashes[item.source, item.key] for item in items]
        write_hashes(options.out / HASHES, pair_hashes(hashes, texts))
    reader = FrozenReader(model, chat.image_start)
    projectors = {"trained": load_projector(weights), "untrained": drawn_projector(recipe.seed)}
    facts = json.loads((options.out / FACTS).read_text(encoding="utf-8"))
    facts.pop("sha256")
    figures = measure(options.packages, split, options.cache, model, processor, projectors)
    save_projector(projectors["trained"], weights, {**facts, "figures": figures})
    print_figures(figures)


if __name__ == "__main__":
    main()
