"""The second pass of a run: metrics that must see the whole pool, and imported columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.images import ARROW_TYPES, arrow_schema
from scoring.memory import release_freed
from scoring.metric import Metric, Pool, metric_key
from scoring.store import atomic_path, content_key, write_arrow

Progress = Callable[[str, int, int | None], None]


def score_pool(
    folder: Path, metrics: Sequence[Metric], cache: Path, seed: int, on_progress: Progress
) -> dict[str, int]:
    """Compute pool metrics and add their columns to the run's ScoreTable.

    Results are kept in the cache under the metric's key and a digest of the pool, so that the
    same pool is not computed twice.

    Returns:
        Rows computed per metric: 0 where the cache had them.
    """
    if not metrics:
        return {}
    pool = open_pool(folder, seed)
    digest = _digest(folder, seed)
    computed: dict[str, int] = {}
    columns: dict[str, pa.Array] = {}
    notes: list[tuple[str, Sequence[str | None]]] = []
    for number, metric in enumerate(metrics):
        on_progress("pool metrics", number, len(metrics))
        name = metric.spec.name
        stored = cache / f"{name}-{metric_key(metric)}" / f"pool-{digest}.arrow"
        arrays = stored.with_suffix(".npz")
        if stored.exists() and arrays.exists():
            computed[name] = 0
        else:
            computed[name] = len(pool.ids)
            _compute(metric, pool, stored, arrays)
            release_freed()
        table = pa.ipc.open_file(pa.memory_map(str(stored))).read_all()
        for column in arrow_schema(metric.spec.columns):
            columns[column.name] = table[column.name].combine_chunks()
        notes.append((name, table["notes"].to_pylist()))
        _place_artefacts(arrays, folder)
    on_progress("pool metrics", len(metrics), len(metrics))
    add_columns(folder, columns, notes)
    return computed


def add_columns(
    folder: Path,
    columns: Mapping[str, pa.Array],
    notes: Sequence[tuple[str, Sequence[str | None]]] = (),
) -> None:
    """Rewrite the ScoreTable with more columns, a row group at a time.

    Args:
        folder: The run.
        columns: Name to one value per row, in the run's order.
        notes: Pairs of a name and, per row, why a value of it is missing.
    """
    path = folder / "scores.parquet"
    with pq.ParquetFile(path) as file, atomic_path(path) as temporary:
        kept = [f for f in file.schema_arrow if f.name not in columns]
        tail = [f for f in kept if f.name in ("status", "error", "notes")]
        head = [f for f in kept if f not in tail]
        added = [pa.field(name, array.type) for name, array in columns.items()]
        schema = pa.schema([*head, *added, *tail])
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            start = 0
            for batch in file.iter_batches():
                rows = len(batch)
                data = {f.name: batch[f.name] for f in kept}
                data |= {name: array.slice(start, rows) for name, array in columns.items()}
                data["notes"] = join_notes(batch["notes"], notes, start)
                writer.write_table(pa.table([data[f.name] for f in schema], schema=schema))
                start += rows


def join_notes(
    old: pa.Array, more: Sequence[tuple[str, Sequence[str | None]]], start: int
) -> pa.Array:
    """Notes with further ones behind them.

    Args:
        old: Notes of some rows.
        more: Pairs of a name and a note per row of the whole table, ``None`` where there is none.
        start: Position of the first of the rows in the whole table.
    """
    joined = []
    for row, note in enumerate(old.to_pylist(), start):
        extra = [f"{name}: {values[row]}" for name, values in more if values[row]]
        joined.append("; ".join(([note] if note else []) + extra) or None)
    return pa.array(joined, pa.string())


def open_pool(folder: Path, seed: int) -> Pool:
    """What pool metrics see of a run folder whose samples are written."""
    table = pq.read_table(folder / "samples.parquet", columns=["id", "status"])

    def texts() -> Iterator[tuple[str, str]]:
        with pq.ParquetFile(folder / "samples.parquet") as file:
            for batch in file.iter_batches(columns=["instruction", "response"]):
                yield from zip(
                    batch["instruction"].to_pylist(), batch["response"].to_pylist(), strict=True
                )

    def vectors(name: str) -> np.ndarray | None:
        path = folder / "embeddings" / f"{name}.npy"
        return np.load(path, mmap_mode="r") if path.exists() else None

    return Pool(
        ids=table["id"].to_pylist(),
        texts=texts,
        image_embedding=vectors("image"),
        text_embedding=vectors("text"),
        status=table["status"].to_pylist(),
        seed=seed,
    )


def _digest(folder: Path, seed: int) -> str:
    parts: list[bytes | str] = [str(seed)]
    with pq.ParquetFile(folder / "samples.parquet") as file:
        for batch in file.iter_batches(columns=["id", "content", "status"]):
            parts.append("\0".join(batch["id"].to_pylist()))
            parts.append(b"".join(batch["content"].to_pylist()))
            parts.append("".join(s[0] for s in batch["status"].to_pylist()))
    return content_key(*parts).hex()


def _compute(metric: Any, pool: Pool, stored: Path, arrays: Path) -> None:
    pool.artefacts.clear()
    result = metric.score(pool)
    table = pa.table(
        {
            column.name: pa.array(
                result.columns[column.name], ARROW_TYPES[column.kind], from_pandas=True
            )
            for column in metric.spec.columns
        }
        | {"notes": pa.array(list(result.notes), pa.string())}
    )
    with atomic_path(arrays) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **pool.artefacts)  # type: ignore[arg-type]
    write_arrow(table, stored)


def _place_artefacts(arrays: Path, folder: Path) -> None:
    with np.load(arrays, allow_pickle=False) as archive:
        for name in archive.files:
            target = folder / "artefacts" / f"{name}.npy"
            with atomic_path(target) as temporary, temporary.open("wb") as handle:
                np.save(handle, archive[name])
