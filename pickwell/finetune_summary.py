"""What ``pickwell finetune`` prints when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pickwell.console import out

if TYPE_CHECKING:
    from finetune.result import FinetuneResult

_SHOWN = 10


def print_training(result: FinetuneResult) -> None:
    """Steps, loss, what was trained, what was left out and why."""
    if result.again:
        out.print("The same training is finished already; nothing was done.")
    options = result.options
    out.print(
        f"{options['train']}: {result.trained_parameters:,} of {result.parameters:,} parameters "
        f"trained on {result.samples:,} samples in {result.steps:,} steps "
        f"({result.seconds:,.0f} s)."
    )
    if result.feature_seconds:
        out.print(f"Vision features computed ahead in {result.feature_seconds:,.1f} s.")
    tenth = max(1, len(result.losses) // 10)
    first, last = (sum(part) / tenth for part in (result.losses[:tenth], result.losses[-tenth:]))
    out.print(
        f"Training loss, in nats per response token: {first:.3f} (first tenth of the steps), "
        f"{last:.3f} (last)."
    )
    if result.left_out:
        out.print(f"{len(result.left_out):,} samples were left out:", style="yellow")
        for id_, reason in result.left_out[:_SHOWN]:
            out.print(f"  {id_}: {reason}", markup=False, soft_wrap=True)
        if len(result.left_out) > _SHOWN:
            out.print(f"  ... and {len(result.left_out) - _SHOWN:,} more: see left_out.csv")
    out.print(f"Model: {result.folder}", markup=False, soft_wrap=True)
