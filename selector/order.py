"""The one order that everything is put into first, so that the order of the input is forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from data_cards.errors import BadInputError


def id_digests(ids: Iterable[object], seed: int = 0, *, purpose: str = "tie") -> np.ndarray:
    """Hash every id: 128 bits of BLAKE2b, salted with the seed.

    Args:
        ids: n ids; the text of each is hashed.
        seed: Another seed gives an unrelated order.
        purpose: Keeps the orders for different uses apart (at most 16 ASCII characters).

    Returns:
        (n, 2) unsigned integers; they depend on the id, the seed and the purpose alone.
    """
    salt = int(seed).to_bytes(16, "little", signed=True)
    person = purpose.encode("ascii")
    joined = b"".join(
        blake2b(str(id_).encode(), digest_size=16, salt=salt, person=person).digest() for id_ in ids
    )
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)


def canonical_order(ids: Iterable[object], seed: int = 0, *, purpose: str = "tie") -> np.ndarray:
    """Positions of the rows, sorted by the hash of the id.

    Returns:
        (n,) positions: ``ids[order]`` is the same sequence however the rows were permuted.

    Raises:
        BadInputError: If an id occurs twice: then "the same row" has no meaning.
    """
    digests = id_digests(ids, seed, purpose=purpose)
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ranked = digests[order]
    twice = np.flatnonzero((ranked[1:] == ranked[:-1]).all(axis=1))
    if len(twice):
        rows = sorted(int(row) for row in order[twice[0] : twice[0] + 2])
        raise BadInputError(
            f"an id stands on two rows: positions {rows[0]} and {rows[1]} "
            f"(repeated ids in all: {len(twice)})",
            "Give every candidate an id of its own.",
        )
    return order


def merit_order(quality: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows from best to worst; equal qualities in canonical order.

    Args:
        quality: (n,) float; higher is better. NaN comes last.
        order: (n,) or (m,) positions in canonical order; only these rows are ranked.

    Returns:
        The positions of ``order``, best quality first.
    """
    return order[np.argsort(-quality[order], kind="stable")]
