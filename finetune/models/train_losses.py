"""Response losses of training rows, with the picture's features given and both towers frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from finetune.models.train_rows import Batch


class FrozenReader:
    """SmolLM2 as the embedded model holds it, ready to read pictures from any projector.

    Args:
        model: The embedded model; its language model is frozen and put to ``dtype``.
        image_start: Position of the first image token in every row.
        dtype: Arithmetic of the language model; the projector's is float32.
    """

    def __init__(self, model: Any, image_start: int, dtype: str = "bfloat16") -> None:
        import torch

        self._language = model.model.language_model.to(getattr(torch, dtype))
        self._head = model.lm_head.to(getattr(torch, dtype))
        self._language.requires_grad_(False).eval()
        self._head.requires_grad_(False)
        self._start = image_start

    def token_losses(
        self, batch: Batch, projected: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Negative log-likelihood of every answer token.

        Args:
            batch: b rows.
            projected: (b, 49, 576), the pictures as tokens.

        Returns:
            Losses in nats, float32 of shape (k,), and for each the number of its segment.
        """
        import torch

        embeds = self._language.embed_tokens(batch.ids)
        end = self._start + projected.shape[1]
        parts = [embeds[:, : self._start], projected.to(embeds.dtype), embeds[:, end:]]
        hidden = self._language(
            inputs_embeds=torch.cat(parts, dim=1),
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
        ).last_hidden_state
        asked = batch.targets != -100
        logits = self._head(hidden[asked]).float()
        losses = torch.nn.functional.cross_entropy(logits, batch.targets[asked], reduction="none")
        return losses, batch.owner[asked]
