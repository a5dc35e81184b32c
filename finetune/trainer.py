"""TRL's SFTTrainer with frozen parts frozen, losses checked and checkpoints that are small."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from trl import SFTTrainer

from data_cards.errors import BadInputError
from finetune.checkpoint import load_trained, mark_complete, save_trained
from finetune.losses import response_losses
from finetune.order import EpochOrder
from finetune.processes import processes
from finetune.trainable import set_modes, trained_state


class VlmTrainer(SFTTrainer):
    """Trains on rows that are prepared already, in an order of its own.

    Args:
        order: Which row comes when.
        **options: Those of ``SFTTrainer``.
    """

    def __init__(self, *, order: EpochOrder, **options: Any) -> None:
        self.order = order
        super().__init__(**options)
        # Models that take no such argument (Qwen-VL, Gemma) would have their loss averaged over
        # passes instead; it is computed here, and for every model over the whole step's tokens.
        self.model_accepts_loss_kwargs = True
        self.remove_callback(PrinterCallback)  # progress is reported by our own callback

    def go_on(self, checkpoint: Path | None) -> None:
        """Train, from a checkpoint where there is one.

        Raises:
            BadInputError: Loss or weights are not finite, or an image cannot be read any more.
        """
        if checkpoint is None or not self._opened_last_step(checkpoint):
            try:
                self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            except BadInputError as error:
                raise _out_of_worker(error) from error
        _require_finite_weights(self.model)

    def _opened_last_step(self, checkpoint: Path) -> bool:
        """Killed while the model was written; ``train`` would do one step too many."""
        state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        if state.global_step < self.args.max_steps:
            return False
        load_trained(self.model, checkpoint)
        self.state = state
        return True

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.order

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean negative log-likelihood of the response tokens, over the whole optimiser step.

        On a GPU TRL's fused head does it. Elsewhere that head projects every token onto the
        vocabulary; here the head sees response tokens only.
        """
        set_modes(self.model)
        if return_outputs or self.accelerator.device.type == "cuda":
            result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self._require_finite(result[0] if return_outputs else result)
            return result
        # Several processes wrap the model, and the wrapper does not know its head.
        head = self.model.get_output_embeddings()  # type: ignore[union-attr, operator]
        losses, _ = response_losses(model, inputs, head)
        total = losses.sum()
        items = len(losses) if num_items_in_batch is None else num_items_in_batch
        loss = total / torch.as_tensor(items, device=total.device).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        self._require_finite(loss)
        return loss

    def _require_finite(self, loss: torch.Tensor) -> None:
        if not torch.isfinite(loss):
            raise BadInputError(
                f"The loss of step {self.state.global_step + 1} is {loss.item()}: the training"
                f" has diverged at learning rate {self._get_learning_rate():.2g}.",
                "Lower --learning-rate; with float16 weights, use --bf16 or --no-bf16.",
            )

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save and output_dir is not None:
            save_trained(trained_state(self.model), Path(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trained(self.model, Path(resume_from_checkpoint))

    def _send_telemetry(self) -> None:
        """None: pickwell tells nobody what it trains."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: the finished folder gets a card of its own."""


def _require_finite_weights(model: Any) -> None:
    """The last step has no later loss that would show that it went wrong."""
    for name, value in trained_state(model).items():
        if not torch.isfinite(value).all():
            raise BadInputError(
                f"The trained weights {name} are not finite: the training has diverged.",
                "Lower --learning-rate and begin anew with --no-resume.",
            )


def _out_of_worker(error: BadInputError) -> BadInputError:
    """The error as it was raised: a data loader's worker hands it on as a printed traceback."""
    if not error.message.startswith("Caught "):
        return error
    said = error.message.rpartition(f"{BadInputError.__name__}: ")[2].strip()
    return BadInputError(*said.split("\n", 1))


class Bookkeeper(TrainerCallback):
    """Sets the epoch of the order, marks whole checkpoints, reports progress.

    Args:
        order: Told the epoch.
        before: Seconds that earlier sessions of the same training took.
        on_progress: Called with steps done and expected.
    """

    def __init__(
        self, order: EpochOrder, before: float, on_progress: Callable[[int, int], None]
    ) -> None:
        self.order, self.before, self.on_progress = order, before, on_progress
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of training, over all sessions."""
        return self.before + time.perf_counter() - self.started

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Accelerate does not reach the sampler of a resumed epoch with several processes."""
        self.order.set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report."""
        if state.is_world_process_zero:
            self.on_progress(state.global_step, state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """All parts of the checkpoint are written: now it counts."""
        processes().wait_for_everyone()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            mark_complete(folder, {"step": state.global_step, "seconds": self.seconds})


def training_losses(history: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    """Loss of each step, out of a trainer's log."""
    return tuple(float(entry["loss"]) for entry in history if "loss" in entry)
