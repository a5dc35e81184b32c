"""The same perceptron by experiment: draw, keep, train to the largest margin, measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_cards.errors import BadInputError
from selector.prune.theory import Keep

RankBy = Literal["field", "margin"]
MOST_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """What several trained students did.

    Attributes:
        error: Mean generalisation error, in [0, 1/2].
        standard_error: Of that mean; NaN for one draw.
        margin: Mean margin of the unit students.
        teacher_overlap: Mean overlap with the teacher.
        probe_overlap: Mean overlap with the probe.
        draws: Students trained.
        dimension: N.
    """

    error: float
    standard_error: float
    margin: float
    teacher_overlap: float
    probe_overlap: float
    draws: int
    dimension: int


def simulate(
    alpha: float,
    fraction: float,
    *,
    theta: float = 0.0,
    keep: Keep = "hard",
    rank_by: RankBy = "field",
    dimension: int = 200,
    draws: int = 5,
    seed: int = 0,
) -> Simulated:
    """Train students on kept samples and compare them with the teacher.

    Args:
        alpha: Kept samples per dimension; ``round(alpha * dimension)`` are kept, exactly.
        fraction: Kept fraction, in (0, 1].
        theta: Angle between probe and teacher, degrees, 0 to 90.
        keep: ``"hard"`` or ``"easy"``.
        rank_by: ``"field"``: by |z|, as the theory does; ``"margin"``: by y z, as the paper's text
            has it. They differ where theta is above 0.
        dimension: N; the error's bias against the theory falls with it.
        draws: Students, each with its own data.
        seed: Of the generator; the global one is left alone.

    Returns:
        Means over the draws.

    Raises:
        BadInputError: An argument is outside its range, or the draw would be too large.
    """
    kept = round(alpha * dimension)
    total = round(kept / fraction) if fraction > 0 else 0
    if not (0 < fraction <= 1 and 0 <= theta <= 90 and dimension >= 2 and draws >= 1):
        raise BadInputError(
            f"cannot simulate a fraction of {fraction:g}, theta {theta:g}, {dimension} dimensions, "
            f"{draws} draws",
            "Give a fraction to 1, degrees to 90, 2 dimensions or more, and 1 draw or more.",
        )
    if keep not in ("hard", "easy") or rank_by not in ("field", "margin"):
        raise BadInputError(f"cannot keep {keep!r} by {rank_by!r}", "Keep hard or easy, by field.")
    if kept < 1 or total * dimension > MOST_SAMPLES * 200:
        raise BadInputError(
            f"{kept:,} kept of {total:,} samples in {dimension} dimensions",
            f"Give 1 kept sample or more, and no more than {MOST_SAMPLES * 200:,} numbers in all.",
        )
    rng = np.random.default_rng(seed)
    angle = np.radians(theta)
    found = []
    for _ in range(draws):
        x = rng.standard_normal((total, dimension))
        # the axes are as good as any: the probe along the first, the teacher in the first two
        field = x[:, 0]
        label = np.sign(x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle))
        rank = np.abs(field) if rank_by == "field" else label * field
        order = np.argsort(rank if keep == "hard" else -rank, kind="stable")[:kept]
        student, margin = largest_margin(x[order], label[order])
        overlap = student[0] * np.cos(angle) + student[1] * np.sin(angle)
        error = np.arccos(np.clip(overlap, -1, 1)) / np.pi
        found.append((error, margin, overlap, student[0]))
    mean = np.mean(found, axis=0)
    spread = np.std([row[0] for row in found], ddof=1) if draws > 1 else np.nan
    return Simulated(
        error=float(mean[0]),
        standard_error=float(spread / np.sqrt(draws)),
        margin=float(mean[1]),
        teacher_overlap=float(mean[2]),
        probe_overlap=float(mean[3]),
        draws=draws,
        dimension=dimension,
    )


def largest_margin(x: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """The unit vector through 0 with the largest smallest margin.

    min |w|^2 subject to y x w >= 1, solved by scipy's non-negative least squares: least distance
    programming (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).

    Args:
        x: (P, N) samples that a vector through 0 can tell apart.
        label: (P,) -1 or 1.

    Returns:
        (N,) unit weights; the margin, min over samples of y x w, above 0.

    Raises:
        BadInputError: No vector through 0 tells the samples apart.
    """
    from scipy.optimize import nnls

    signed = x * label[:, None]
    stacked = np.vstack([signed.T, np.ones(len(x))])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    dual, _ = nnls(stacked, target, maxiter=30 * len(x) + 1000)
    rest = stacked @ dual - target
    weights = -rest[:-1] / rest[-1] if rest[-1] < -1e-12 else np.zeros(x.shape[1])
    length = np.linalg.norm(weights)
    margin = float((signed @ weights).min() / length) if length > 0 else 0.0
    if margin <= 0:
        raise BadInputError(
            "the samples cannot be told apart", "Give labels that some vector through 0 makes."
        )
    return weights / length, margin
