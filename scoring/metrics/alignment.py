"""How well the response fits its image, by an image-text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register

MAX_SENTENCES = 64
"""Sentences of a response that are encoded; a longer response gets a note that says so."""

_RELEASE_PIECES = 10


def pieces(response: str) -> list[str]:
    """The sentences that stand for a response: split by ``sentencex``, blank ones dropped.

    At most :data:`MAX_SENTENCES`, from the start. The pool's text embedding is the renormalised
    mean of the vectors of exactly these strings.
    """
    return _sentences(response)[:MAX_SENTENCES]


def _sentences(response: str) -> list[str]:
    import sentencex

    # A lone surrogate, which JSON can hold, has no UTF-8 form and would stop the splitter.
    clean = response.encode("utf-8", "replace").decode("utf-8")
    return [part for part in (piece.strip() for piece in sentencex.segment("en", clean)) if part]


def release_pieces(response: str) -> list[str]:
    """The published cut: at every full stop, the first 10 pieces, empty ones included."""
    return response.split(".")[:_RELEASE_PIECES]


@register
class Alignment:
    """Cosine of image and response, in the corrected and in the published form."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="alignment",
        summary="How well the response fits its image: cosine of their vectors, by sentences.",
        formula=(
            "`alignment` = cos(u, t) with u the unit image vector and t the renormalised mean of "
            "the unit vectors of the response's sentences (blank ones dropped, the first "
            f"{MAX_SENTENCES}; more are noted). `alignment_min` = min over sentences of "
            "cos(u, t_j). `alignment_release` = round(100 · (1/m) Σ_j cos(u, p_j), 4) over the "
            f"first {_RELEASE_PIECES} pieces p_j between full stops, empty pieces included, the "
            "mean not renormalised. With several images each is the mean over the images."
        ),
        columns=(
            Column("alignment", "cosine of image and whole response", (-1.0, 1.0), "higher"),
            Column(
                "alignment_min",
                "cosine of the image and the sentence that fits it worst",
                (-1.0, 1.0),
                "higher",
            ),
            Column(
                "alignment_release",
                "the published CLIP score: 100 times the mean cosine of pieces",
                (-100.0, 100.0),
                "higher",
            ),
        ),
        needs=frozenset({"text", "image_embedding", "text_embedding"}),
        cost="one text encoding per distinct sentence; the image vector is shared",
        source=(
            "CLIP score as in Wei et al., InstructionGPT-4 (arXiv 2308.12067), from the released "
            "code; the corrected form is ours. No logit scale is used."
        ),
    )

    def __init__(self, models: Models) -> None:
        self._encoder = models.encoder

    def parameters(self) -> Mapping[str, Any]:
        """The encoder's key, and the cap."""
        key = self._encoder.key if self._encoder is not None else None
        return {"encoder": key, "max_sentences": MAX_SENTENCES, "splitter": "sentencex/en"}

    def score(self, batch: Batch) -> Scores:
        """Score a batch; rows without an image are null."""
        n = len(batch)
        columns: dict[str, list[float | None]] = {c.name: [None] * n for c in self.spec.columns}
        notes: list[str | None] = [None] * n
        todo: list[tuple[int, list[str], list[str]]] = []
        for row, response in enumerate(batch.responses):
            if batch.embed_texts is None or not batch.image_vectors:
                notes[row] = "no encoder"
            elif len(batch.image_vectors[row]) == 0:
                notes[row] = "no image"
            elif not np.isfinite(batch.image_vectors[row]).all():
                notes[row] = "no image vector"
            else:
                sentences = _sentences(response)
                if not sentences:
                    notes[row] = "no sentence in the response"
                    continue
                if len(sentences) > MAX_SENTENCES:
                    notes[row] = f"only the first {MAX_SENTENCES} of {len(sentences)} sentences"
                todo.append((row, sentences[:MAX_SENTENCES], release_pieces(response)))
        vectors = _vectors(batch, [text for _, a, b in todo for text in (*a, *b)])
        for row, sentences, published in todo:
            images = np.asarray(batch.image_vectors[row], dtype=np.float32)
            sentence = np.stack([vectors[text] for text in sentences])
            piece = np.stack([vectors[text] for text in published])
            mean = sentence.mean(axis=0)
            norm = float(np.linalg.norm(mean))
            worst = float((sentence @ images.T).mean(axis=1).min())
            released = 100.0 * float((images @ piece.mean(axis=0)).mean())
            whole = float((images @ mean).mean()) / norm if norm > 1e-6 else np.nan
            if not np.isfinite([whole, worst, released]).all():
                notes[row] = "the sentences' vectors have no mean direction"
                continue
            columns["alignment"][row] = whole
            columns["alignment_min"][row] = worst
            columns["alignment_release"][row] = round(released, 4)
        return Scores({**columns}, notes)


def _vectors(batch: Batch, texts: list[str]) -> dict[str, np.ndarray]:
    """Each distinct text's unit vector, from one call."""
    distinct = list(dict.fromkeys(texts))
    if not distinct or batch.embed_texts is None:
        return {}
    return dict(zip(distinct, batch.embed_texts(distinct), strict=True))
