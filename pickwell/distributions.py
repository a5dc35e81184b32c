"""What the chosen are made of beside what they were chosen from: sources, lengths, clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from scoring.run import Run
    from selector.selection import Selection

ROWS = 12
"""Most rows of a table; what is beyond is summed up."""
BINS = 5


def distributions(run: Run, selection: Selection) -> list[dict[str, Any]]:
    """Tables of the readable samples and of the chosen among them.

    Args:
        run: What was chosen from.
        selection: What was chosen.

    Returns:
        Per table ``title`` and ``rows`` of ``value``, ``before`` and ``after`` (counts). Lengths
        are cut at the fifths of the pool; a table that would have one row only is left out.
    """
    import pyarrow.compute as pc

    samples = run.samples(["id", "source", "response", "status"])
    samples = samples.filter(pc.equal(samples["status"], "ok"))
    chosen = set(selection.ids)
    picked = [id_ in chosen for id_ in samples["id"].to_pylist()]
    clustered = selection.table.filter(pc.is_valid(selection.table["cluster"]))
    tables = [
        ("source", _counted(samples["source"].to_pylist(), picked)),
        ("words in the response", _binned(_words(samples["response"]), picked)),
        (
            "cluster",
            _counted(
                clustered["cluster"].to_pylist(),
                [stage == "chosen" for stage in clustered["stage"].to_pylist()],
            ),
        ),
    ]
    return [{"title": title, "rows": rows} for title, rows in tables if len(rows) > 1]


def _counted(values: Iterable[Any], picked: Sequence[bool]) -> list[dict[str, Any]]:
    """Counts per value, the commonest first."""
    listed = list(values)
    before = Counter(listed)
    after = Counter(value for value, taken in zip(listed, picked, strict=True) if taken)
    order = sorted(before, key=lambda value: (-before[value], str(value)))
    shown, rest = (order, []) if len(order) <= ROWS else (order[: ROWS - 1], order[ROWS - 1 :])
    rows = [{"value": str(v), "before": before[v], "after": after[v]} for v in shown]
    if rest:
        rows.append(
            {
                "value": f"{len(rest):,} others",
                "before": sum(before[v] for v in rest),
                "after": sum(after[v] for v in rest),
            }
        )
    return rows


def _binned(numbers: np.ndarray, picked: Sequence[bool]) -> list[dict[str, Any]]:
    """Counts between the quantiles of all: whole numbers, both ends included."""
    import numpy as np

    if not len(numbers):
        return []
    # the last number of each bin; equal quantiles make one bin
    ends = np.unique(
        np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:], method="inverted_cdf")
    ).astype(np.int64)
    bins = np.searchsorted(ends, numbers)
    taken = np.asarray(picked, bool)
    rows = []
    first = int(numbers.min())
    for place, end in enumerate(ends.tolist()):
        here = bins == place
        value = f"{first:,}" if first == end else f"{first:,} to {end:,}"
        rows.append({"value": value, "before": int(here.sum()), "after": int((here & taken).sum())})
        first = end + 1
    return rows


def _words(texts: pa.ChunkedArray) -> np.ndarray:
    """Words of each text, by white space."""
    import numpy as np

    counts = [
        np.fromiter((len((t or "").split()) for t in chunk.to_pylist()), np.int64, len(chunk))
        for chunk in texts.chunks
    ]
    return np.concatenate(counts) if counts else np.empty(0, np.int64)
