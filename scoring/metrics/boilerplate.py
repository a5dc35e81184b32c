"""How many other samples carry the same response."""

from __future__ import annotations

import hashlib
import string
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import why_no_text

_EDGES = string.punctuation + string.whitespace + "…“”„«»‘’–—、。，！？；：「」"


def normalise(response: str) -> str:
    """A response without case, compatibility forms, runs of white space and outer punctuation."""
    text = " ".join(unicodedata.normalize("NFKC", response).casefold().split())
    return text.strip(_EDGES) or text


def response_hashes(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the normalised responses, (N,) ``uint64``, and (N,) which rows have one."""
    hashes = np.zeros(len(pool.ids), dtype=np.uint64)
    known = np.zeros(len(pool.ids), dtype=bool)
    for row, (_, response) in enumerate(pool.texts()):
        if pool.status[row] == "ok" and response.strip():
            folded = normalise(response).encode("utf-8", "replace")
            digest = hashlib.blake2b(folded, digest_size=8).digest()
            hashes[row] = int.from_bytes(digest, "little")
            known[row] = True
    return hashes, known


@register
class Boilerplate:
    """Counts equal normalised responses by a hash of 8 bytes a row."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="boilerplate",
        summary="How many other samples of the pool carry the same response.",
        formula=(
            "`boilerplate` = number of other rows whose normalised response (NFKC, case and outer "
            "punctuation removed, white space collapsed) is the same; `boilerplate_share` = that "
            'number / (scored rows − 1). Short answers recur naturally ("yes", "Paris"): read '
            "it together with `length`, or compare within one kind of question."
        ),
        columns=(
            Column("boilerplate", "other rows with this response", (0, np.inf), "lower", "int"),
            Column("boilerplate_share", "the same as a share of the pool", (0.0, 1.0), "lower"),
        ),
        needs=frozenset({"text", "pool"}),
        cost="one pass over the texts, 8 bytes a row",
        source="ours",
    )

    def __init__(self, models: Models) -> None:
        del models

    def parameters(self) -> Mapping[str, Any]:
        """The version of the Unicode tables that fold the text."""
        return {"unicode": unicodedata.unidata_version}

    def score(self, pool: Pool) -> Scores:
        """Count over the good rows of the pool; bad and empty ones are null."""
        n = len(pool.ids)
        hashes, known = response_hashes(pool)
        _, inverse, counts = np.unique(hashes[known], return_inverse=True, return_counts=True)
        others = np.full(n, np.nan)
        others[known] = counts[inverse] - 1
        rest = max(int(known.sum()) - 1, 1)
        return Scores(
            {
                "boilerplate": [int(v) if k else None for v, k in zip(others, known, strict=True)],
                "boilerplate_share": others / rest,
            },
            why_no_text(pool.status, known),
        )
