"""What ``benchmark`` tries: methods, scores and budgets as they are asked for, and their trainings.

What cannot be, or would mean nothing, is refused before a picture is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import BenchmarkConfig

if TYPE_CHECKING:
    from finetune.reduce import Entry, Labelled, Plan
    from selector.coreset import Budget


def budgets_of(settings: BenchmarkConfig) -> dict[str, Budget]:
    """Budgets in words, as they are asked for: shares of the training rows, numbers per class."""
    from selector.coreset import Budget

    made = {f"{100 * share:.12g}%": Budget(fraction=share) for share in settings.fractions}
    made |= {f"{count} per class": Budget(per_class=count) for count in settings.per_class}
    if not made:
        raise BadInputError("There is no budget.", "Give --fractions, --per-class, or both.")
    return made


def entries_of(settings: BenchmarkConfig) -> tuple[Entry, ...]:
    """Methods as they are asked for, each with its score.

    Raises:
        BadInputError: There is no such method, score or option; or an option of scores is given
            that no method of these uses.
    """
    from finetune.reduce import known_score, parse_entry
    from scoring.dynamics.named import FROM_LOGITS, NAMED

    known_score(settings.score, "--score")
    entries = tuple(parse_entry(text, settings.score) for text in settings.methods)
    apart = next(name for name in ("prototype", "class-mean") if name != settings.score)
    unnamed = [
        one for one, text in zip(entries, settings.methods, strict=True)
        if one != parse_entry(text, apart)
    ]  # fmt: skip
    trained = {one.score for one in entries} & set(NAMED)
    runs = trained - {"memorization"}
    for name, used, needs in (
        ("score", unnamed, "a method that ranks by a score and names none, e.g. hardest"),
        ("score_runs", runs, "a score of a trained proxy, e.g. hardest:el2n; memorization has "
         "trainings of its own"),
        ("score_epoch", trained & set(FROM_LOGITS), f"one of the scores {', '.join(FROM_LOGITS)}"),
    ):  # fmt: skip
        if name in settings.model_fields_set and getattr(settings, name) is not None and not used:
            raise BadInputError(
                f"--{name.replace('_', '-')} means nothing with these methods: "
                f"{', '.join(settings.methods)}.",
                f"Leave it out, or name {needs}.",
            )
    _refuse_idle(settings)
    _refuse_late_epoch(settings)
    return entries


def _refuse_idle(settings: BenchmarkConfig) -> None:
    """What the model has no use for must not seem to have worked."""
    linear = settings.model == "linear"
    for name, idle, instead in (
        ("side", linear, "it sees vectors"), ("width", settings.model != "convnet", "it has none"),
        ("score_epochs", not linear, "its proxy is trained as it is itself"),
    ):  # fmt: skip
        default = type(settings).model_fields[name].default
        if idle and getattr(settings, name) != default:
            raise BadInputError(
                f"{name} means nothing with --model {settings.model}: {instead}.", "Leave it out."
            )


def _refuse_late_epoch(settings: BenchmarkConfig) -> None:
    epochs = settings.score_epochs if settings.model == "linear" else settings.epochs
    if settings.score_epoch is not None and settings.score_epoch > epochs:
        raise BadInputError(
            f"--score-epoch is {settings.score_epoch}, and the proxy is trained for {epochs}.",
            "Name an earlier one.",
        )


def plan_of(
    data: Labelled,
    entries: tuple[Entry, ...],
    budgets: dict[str, Budget],
    settings: BenchmarkConfig,
) -> Plan:
    """All that is tried.

    Args:
        data: What is reduced.
        entries: Methods.
        budgets: In words, and as they are.
        settings: How is trained.
    """
    from finetune.reduce import Plan
    from scoring.dynamics import Recipe
    from scoring.dynamics.proxies import convnet, linear, resnet18

    classes = int(data.labels.max()) + 1
    dim = data.features.shape[1]
    make = {
        "linear": lambda: linear(dim, classes),
        "convnet": lambda: convnet(3, settings.side, classes, settings.width),
        "resnet18": lambda: resnet18(3, classes),
    }[settings.model]()
    recipe = Recipe(
        epochs=settings.epochs, batch_size=settings.batch_size,
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
    )  # fmt: skip
    told = settings.model_dump(include={"model", "side", "width"})
    linear_recipe = Recipe(epochs=settings.score_epochs, batch_size=64, learning_rate=0.1)
    same = settings.model != "linear"
    return Plan(
        entries=entries,
        budgets=budgets,
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        make=make,
        recipe=recipe,
        proxy=make if same else linear(dim, classes),
        proxy_recipe=recipe if same else linear_recipe,
        proxy_inputs=data.inputs if same else None,
        proxy_runs=settings.score_runs,
        test_share=settings.test_share,
        device=_device(settings.device),
        proxy_epoch=settings.score_epoch,
        describe=json.dumps(told, sort_keys=True),
    )


def _device(asked: str | None) -> str:
    import torch

    return asked or ("cuda" if torch.cuda.is_available() else "cpu")
