"""The folder of a selection: table, manifest, records, data card, report."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from data_cards.package_versions import package_versions
from pickwell.plain_json import finite

if TYPE_CHECKING:
    from selector.selection import Selection

FORMAT_VERSION = 1
PACKAGES = ("pickwell", "torch", "open_clip_torch", "transformers", "scikit-learn", "numpy")


def versions() -> dict[str, str]:
    """Versions of what a selection depends on."""
    return package_versions(PACKAGES)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder`` that takes its place only if all went well.

    The old one is moved aside first and removed last, so that a process killed at any moment
    leaves one of the two whole.

    Raises:
        BadInputError: What is there cannot be moved, which is tried before anything is made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    aside = work.with_suffix(".old")
    try:
        _try_to_move(folder, aside)
        yield work
        work.chmod(0o755)
        if folder.exists():
            folder.rename(aside)
        try:
            work.rename(folder)
        except BaseException:
            if aside.exists():
                aside.rename(folder)
            raise
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _try_to_move(folder: Path, aside: Path) -> None:
    if not folder.exists():
        return
    try:
        folder.rename(aside)
        aside.rename(folder)
    except OSError as error:
        raise BadInputError(
            f"{folder} cannot be replaced: {error.strerror}.", "Name a new folder after --out."
        ) from error


def write_table(selection: Selection, folder: Path) -> Path:
    """Write ``selection.parquet``, with quotas and parameters in its metadata."""
    import pyarrow.parquet as pq

    from scoring.store import atomic_path

    meta = {
        "pickwell.parameters": json.dumps(dict(selection.parameters), default=str),
        "pickwell.quotas": json.dumps({str(k): v for k, v in selection.quotas.items()}),
    }
    path = folder / "selection.parquet"
    with atomic_path(path) as temporary:
        pq.write_table(selection.table.replace_schema_metadata(meta), temporary, compression="zstd")
    return path


def open_selection(folder: str | Path) -> Selection:
    """Open a selection folder again.

    Raises:
        BadInputError: If it holds none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from selector.selection import Selection

    path = Path(folder) / "selection.parquet"
    if not path.is_file():
        from pickwell.wrong_input import wrong_input

        raise wrong_input(Path(folder), "selection") or BadInputError(
            f"{folder} holds no selection (no selection.parquet).",
            "Make one with `pickwell select RUN --budget 200 --out SELECTION`.",
        )
    try:
        table = pq.read_table(path)
        meta = table.schema.metadata or {}
        parameters = json.loads(meta[b"pickwell.parameters"])
        quotas = {int(k): v for k, v in json.loads(meta[b"pickwell.quotas"]).items()}
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise BadInputError(
            f"{path} cannot be read: {error}.", "Select again with `pickwell select`."
        ) from error
    return Selection(table, parameters, quotas)


def write_manifest(
    folder: Path,
    *,
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    content: Mapping[str, Any],
) -> Path:
    """Write ``manifest.json``: hashes of inputs and outputs, versions, every parameter."""
    from scoring.store import atomic_path

    manifest = {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        **content,
        "inputs": [entry(path, path) for path in inputs],
        "outputs": [entry(path, path.relative_to(folder)) for path in outputs],
    }
    path = folder / "manifest.json"
    with atomic_path(path) as temporary:
        plain = finite(manifest)
        text = json.dumps(plain, indent=2, ensure_ascii=False, default=str, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")
    return path


def entry(path: Path, name: Path) -> dict[str, Any]:
    """A file in a manifest: ``name``, size and hash."""
    return {"path": str(name), "bytes": path.stat().st_size, "sha256": sha256(path)}
