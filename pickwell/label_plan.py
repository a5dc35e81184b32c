"""What ``label`` is going to train, in words, and what of it cannot tell anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.words import many

if TYPE_CHECKING:
    from finetune.labels.study import Plan

FIT_NEEDS = 10


def refuse_few(plan: Plan) -> None:
    """Nothing can be learned from so few groups; said before anything is trained.

    Raises:
        BadInputError: There are groups, and fewer than a datamodel needs.
    """
    from finetune.labels.datamodel import FEWEST

    if plan.groups and len(plan.groups) < FEWEST:
        raise BadInputError(
            f"{many(len(plan.groups), 'group')} are too few to learn effects from; {FEWEST} are the"
            " least.",
            f"Ask for {FEWEST} or more with --groups (pickwell fit needs {FIT_NEEDS}).",
        )


def influence_in_words(plan: Plan, warm_up: int, target: int, retest: int | None) -> str:
    """What influence costs beside the fresh subsets' trainings.

    Args:
        plan: Of the labelling.
        warm_up: Samples that the warm-up draws from.
        target: Samples of the target.
        retest: Samples whose influence is found a second time; ``None``: it is not.
    """
    pool = len(plan.ids)
    first = many(min(warm_up, pool), "sample")
    told = (
        f"Influence: a warm-up of {many(plan.steps, 'step')} on {first}"
        f" and the gradients of {many(pool + target, 'sample')}, one by one, at the end."
    )
    if retest is None:
        return told
    again = f"{many(min(retest, pool) + target, 'sample')} under another seed"
    return f"{told} Then the same for {again}, to know how reliable it is."


def plan_in_words(plan: Plan) -> list[str]:
    """How much is going to be trained, and what will not be known in the end."""
    from finetune.labels import worth

    tasks = plan.all_tasks()
    again = len(tasks) - len(plan.groups) - len(plan.fresh)
    parts = ", ".join(
        many(count, word)
        for count, word in (
            (len(plan.groups), "group"),
            (len(plan.fresh), "fresh subset"),
            (again, "repeat"),
        )
        if count
    )
    trained = f"{many(len(tasks), 'training')} of {many(plan.steps, 'step')} of {plan.batch}"
    said = [f"{trained}: {parts}."] if tasks else []
    if len(plan.fresh) < worth.FEWEST:
        said.append(
            f"{many(len(plan.fresh), 'fresh subset')} cannot tell what the labels are worth:"
            f" --fresh {worth.FEWEST} at least for an interval."
        )
    if plan.groups and plan.seen < plan.size:
        said.append(
            f"Each training sees {plan.seen:,} of its group's {plan.size:,} samples: more --steps,"
            " larger batches, or smaller groups, and all of them count."
        )
    if 0 < len(plan.groups) < FIT_NEEDS:
        said.append(f"pickwell fit needs {FIT_NEEDS} groups.")
    return said
