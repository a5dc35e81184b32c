"""A scored pool as the reference that later samples are held against, one by one.

What a run stored (PCA, centroids, vectors, responses) scores new rows without being fitted again,
so that a score never depends on the batch that a sample came in.
"""

from scoring.reference.base import Reference
from scoring.reference.pool_pass import hold_against, score_against

__all__ = ["Reference", "hold_against", "score_against"]
