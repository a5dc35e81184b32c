"""From prepared features to scores: what each kind of fitted model computes, in plain arrays.

No library of the fit is needed to score: a saved model is arrays, and these functions are all
that is ever done with them. Each row's score depends on that row alone, except for ``release``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
_BLOCK = 2_000_000
"""Numbers held at once; only speed and memory depend on it."""


def score_rows(kind: str, arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """Score (n, k) prepared rows with the arrays of a fitted regressor: (n,) float64."""
    return FORWARD[kind](arrays, rows)


def mean(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """The same number for every row."""
    return np.full(len(rows), float(arrays["intercept"]))


def ridge(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """W · x + b."""
    # sums of products row by row: a matrix product may round otherwise in other company
    return (rows * arrays["weights"]).sum(axis=1) + float(arrays["intercept"])


def gbm(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """Intercept + rate times the sum over trees of the value of the leaf that a row falls into.

    A row goes left where its feature, as float32, is at most the threshold: scikit-learn's rule,
    and its order of summation, so that the numbers are the same to the last bit.
    """
    single = rows.astype(np.float32)
    feature, threshold = arrays["feature"], arrays["threshold"]
    left, right, value = arrays["left"], arrays["right"], arrays["value"]
    total = np.full(len(rows), float(arrays["intercept"]))
    for root in arrays["roots"]:
        node = np.full(len(rows), root, np.int64)
        inner = np.flatnonzero(left[node] >= 0)
        while len(inner):
            at = node[inner]
            low = single[inner, feature[at]] <= threshold[at]
            node[inner] = np.where(low, left[at], right[at])
            inner = inner[left[node[inner]] >= 0]
        total += float(arrays["rate"]) * value[node]
    return total


def mlp(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """Mean over s seeds of b + v · tanh(W x + c): one hidden layer."""
    total = np.zeros(len(rows))
    for s in range(len(arrays["intercept"])):
        inner = np.tanh(np.einsum("nk,kh->nh", rows, arrays["hidden"][s]) + arrays["bias"][s])
        total += (inner * arrays["out"][s]).sum(axis=1) + arrays["intercept"][s]
    return total / len(arrays["intercept"])


def attention(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """Self-attention over the k metric tokens of one sample; mean over s seeds.

    With token t_i = x_i a_i + e_i, one layer of attention with residual and a linear read-out,
    everything but the softmax is linear in x, so that the layer is stored multiplied out:

    score = l · x + b + sum_h sum_ij p_hij (alpha_hj x_j + beta_hj), and
    p_hij = softmax_j (A_hij x_i x_j + B_hij x_i + C_hij x_j + D_hij).
    """
    total = np.zeros(len(rows))
    tokens = rows.shape[1]
    step = max(1, _BLOCK // (tokens * tokens))
    for start in range(0, len(rows), step):
        x = rows[start : start + step]
        for s in range(len(arrays["intercept"])):
            score = (x * arrays["linear"][s]).sum(axis=1) + arrays["intercept"][s]
            for h in range(arrays["alpha"].shape[1]):
                a, b, c, d = (arrays[name][s, h] for name in ("A", "B", "C", "D"))
                query, key = x[:, :, None], x[:, None, :]
                weight = a * query
                weight += c
                weight *= key
                weight += b * query + d
                weight -= weight.max(axis=2, keepdims=True)
                np.exp(weight, out=weight)
                weight /= weight.sum(axis=2, keepdims=True)
                value = arrays["alpha"][s, h] * x + arrays["beta"][s, h]
                score += (weight.sum(axis=1) * value).sum(axis=1)
            total[start : start + step] += score
    return total / len(arrays["intercept"])


def release(arrays: Arrays, rows: np.ndarray) -> np.ndarray:
    """The published network: attention **across all rows given**, so that company changes scores.

    For l = 1, 2: X <- (X + MultiHeadAttention_l(X, X, X)) W_l^T + b_l, 4 heads; then w · x + b
    (code of ``waltonfuture/InstructionGPT-4``, arXiv 2308.12067). At inference the release lets
    every candidate attend to every other.
    """
    x = rows
    n, k = x.shape
    heads = int(arrays["heads"])
    width = k // heads
    for layer in (1, 2):
        packed = x @ arrays[f"in_weight_{layer}"].T + arrays[f"in_bias_{layer}"]
        query, key, value = (
            packed[:, part * k : (part + 1) * k].reshape(n, heads, width) for part in range(3)
        )
        mixed = np.empty((n, heads, width))
        step = max(1, _BLOCK // n)
        for h in range(heads):
            for start in range(0, n, step):
                logits = query[start : start + step, h] @ key[:, h].T / np.sqrt(width)
                weight = np.exp(logits - logits.max(axis=1, keepdims=True))
                weight /= weight.sum(axis=1, keepdims=True)
                mixed[start : start + step, h] = weight @ value[:, h]
        out = mixed.reshape(n, k) @ arrays[f"out_weight_{layer}"].T + arrays[f"out_bias_{layer}"]
        x = (x + out) @ arrays[f"weight_{layer}"].T + arrays[f"bias_{layer}"]
    return x @ arrays["head"] + float(arrays["intercept"])


FORWARD = {
    "mean": mean,
    "ridge": ridge,
    "gbm": gbm,
    "forest": gbm,
    "mlp": mlp,
    "attention": attention,
    "release": release,
}
