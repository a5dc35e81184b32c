"""What of ``prune``'s options can be refused before a picture is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.config_file import checked
from pickwell.words import many

if TYPE_CHECKING:
    from data_cards.source import Source

AMOUNTS = ("keep", "count", "per_class")
"""Ways to say how much stays; one holds."""
DUPLICATES = ("duplicates", "duplicates_share", "duplicates_first", "chains")
_ITS_PLACE = "Leave one of them out: a method takes the place of a strategy."
_ITS_PICKS = "Leave it out: a method picks all that stays; --by random draws all of it."
_COPIES = "Leave it out: near copies go by a method of their own, --by semdedup"
_FLOORS = (
    "Leave it out; --balance-by labels divides what stays as the classes are large, --per-class"
    " gives each as many."
)
_TESTED = "Leave it out: pickwell benchmark tells whether a method beats random."
IDLE_BESIDE_METHOD = {
    "group": "Leave it out: it divides probes, and a method trains none.",
    "strategy": _ITS_PLACE,
    "random_share": _ITS_PICKS,
    **dict.fromkeys(DUPLICATES, _COPIES),
    "balance": _FLOORS,
    "balance_by": _FLOORS,
    "probe": _TESTED,
    "probe_seeds": _TESTED,
    "robust": "Leave it out: other numbers of prototypes are tried where distance ranks.",
}
"""Options that mean nothing with --by, and what to do instead; of ``balance_by`` labels holds."""


def settings_of(config: PruneConfig | None, options: dict[str, Any]) -> PruneConfig:
    """The options, single ones over all at once, none of them without a meaning.

    Args:
        config: All options at once.
        options: Single fields; how much stays goes over whatever ``config`` says of it.

    Raises:
        BadInputError: One is outside its range, or means nothing beside the others.
    """
    from pickwell.on_ray import refuse_idle_cluster

    before = (config or PruneConfig()).model_dump(exclude_unset=True)
    if any(options.get(name) is not None for name in AMOUNTS):
        before = {name: value for name, value in before.items() if name not in AMOUNTS}
    refuse_idle_cluster(before, options)
    settings = checked(PruneConfig, {**before, **options}, "options of prune")
    _refuse_two_amounts(settings)
    if settings.duplicates is not None and settings.duplicates_share is not None:
        raise BadInputError(
            "--duplicates and --duplicates-share both say how many go as duplicates.",
            "Give one of them.",
        )
    if settings.by is None:
        return settings
    from finetune.reduce import parse_entry

    _refuse_beside_method(settings)
    if "," in settings.by.partition(":")[0]:
        raise BadInputError(
            f"--by {settings.by} names several methods.",
            "Name one; `pickwell benchmark --methods` compares several.",
        )
    parse_entry(settings.by, "prototype")
    return settings


def holding(settings: PruneConfig) -> dict[str, Any]:
    """The options that played a part, as the manifest keeps them.

    One way to say how much stays holds; beside a method, what ranking by distance alone heeds does
    not; and nothing is said of duplicates where none were looked for.
    """
    told = settings.model_dump(mode="json")
    if settings.by is not None:
        idle = {name for name in IDLE_BESIDE_METHOD if name not in ("balance_by", "group")}
        idle |= set() if settings.balance_by == "labels" else {"balance_by"}
    else:
        asked = settings.duplicates is not None or settings.duplicates_share is not None
        idle = {"by", *(() if asked else DUPLICATES)}
    amount = next((name for name in AMOUNTS[:0:-1] if told[name] is not None), "keep")
    idle |= set(AMOUNTS) - {amount}
    return {name: value for name, value in told.items() if name not in idle}


def refuse_missing_classes(settings: PruneConfig, source: Source) -> None:
    """Refuse what needs classes where the data say nothing of them.

    Raises:
        BadInputError: An option needs them.
    """
    wanted = _needs_classes(settings)
    if wanted is None or source.columns.get("label"):
        return
    raise BadInputError(
        f"{wanted} needs classes, and {source.given or source.path} says nothing of any.",
        f"{remedy_for_classes(source.format)}; or leave {wanted} out.",
    )


def remedy_for_classes(format: str) -> str:
    """How data that say nothing of classes can say something; without a full stop.

    Args:
        format: Of the data.
    """
    if format != "pictures":
        return "Name their column with --columns label=NAME"
    return (
        "Put each of two classes or more into a folder of its own (one class alone is none), or "
        "give a list of the pictures, as CSV or JSONL, and name its column of classes with "
        "--columns label=NAME"
    )


def refuse_one_class(settings: PruneConfig, classes: int) -> None:
    """Refuse class means and floors of classes where all pictures are of one.

    Args:
        settings: What is wanted.
        classes: How many there are; 0: the data say nothing of them.

    Raises:
        BadInputError: One class is all there is.
    """
    wanted = "--supervised" if settings.supervised else "--balance-by labels"
    if classes == 1 and (settings.supervised or settings.balance_by == "labels"):
        raise BadInputError(
            f"{wanted} needs classes, and all pictures are of one: one class alone is none.",
            f"Leave {wanted} out.",
        )


def refuse_amount(settings: PruneConfig, rows: int, noun: str = "picture") -> None:
    """Refuse a share of so few pictures that none stays, and a number above all of them.

    Args:
        settings: How much stays.
        rows: Pictures that there are.
        noun: What they are called.

    Raises:
        BadInputError: Nothing would stay, or more than there is.
    """
    from selector.prune.rule import keep_count

    if settings.per_class is not None or not rows:
        return
    if settings.count is not None:
        if settings.count > rows:
            raise BadInputError(
                f"{settings.count:,} of {many(rows, noun)} cannot be kept.",
                "Ask for fewer with --count.",
            )
        return
    if not keep_count(rows, settings.keep):
        raise BadInputError(
            f"--keep {settings.keep:g} of {many(rows, noun)} is none.",
            f"Give {_least(rows):g} or more, or a number with --count.",
        )


def _least(rows: int) -> float:
    """The share that one of ``rows`` is, rounded up to two digits."""
    digits = 1 + math.ceil(math.log10(rows))
    return min(1.0, math.ceil(10**digits / rows) / 10**digits)


def _refuse_two_amounts(settings: PruneConfig) -> None:
    if settings.per_class is not None and settings.by is None:
        raise BadInputError("--per-class means nothing without --by.", "Give --by METHOD as well.")
    given = [
        f"--{name.replace('_', '-')}"
        for name in AMOUNTS
        if name in settings.model_fields_set and getattr(settings, name) is not None
    ]
    if len(given) > 1:
        raise BadInputError(f"{' and '.join(given)} each say how much stays.", "Give one of them.")


def _needs_classes(settings: PruneConfig) -> str | None:
    """The option that cannot do without classes, as it is typed."""
    if settings.supervised:
        return "--supervised"
    if settings.per_class is not None:
        return "--per-class"
    if settings.balance_by == "labels":
        return "--balance-by labels"
    if settings.by is None:
        return None
    from finetune.reduce import parse_entry
    from selector.coreset.base import find_method

    entry = parse_entry(settings.by, "prototype")
    learnt = entry.score not in (None, "prototype")
    needs = find_method(entry.method).needs
    return f"--by {settings.by}" if learnt or "labels" in needs else None


def _refuse_beside_method(settings: PruneConfig) -> None:
    """Options that mean nothing to a method must not seem to have worked."""
    default = PruneConfig()
    for name, remedy in IDLE_BESIDE_METHOD.items():
        value = getattr(settings, name)
        if value in (getattr(default, name), "labels"):
            continue
        if name in DUPLICATES:
            remedy += _as_semdedup(name, value) + "."
        typed = f"--{name.replace('_', '-')}" + (f" {value}" if name == "balance_by" else "")
        raise BadInputError(f"{typed} means nothing with --by {settings.by}.", remedy)


def _as_semdedup(name: str, value: Any) -> str:
    """The option of semdedup that says the same."""
    if name == "duplicates":
        return f":epsilon={round(1 - value, 9):g}"
    if name == "duplicates_first":
        return f":first={value}"
    return ", which goes by chains" if name == "chains" else ""
