"""Shards on their way between machines: as Arrow tables, and as files that outlive whoever dies."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_cards.sample import ImageRef, Sample, Turn
from scoring.shards import Shard
from scoring.store import content_key, write_arrow

_TURN = pa.struct([("role", pa.string()), ("text", pa.string())])
_IMAGE = pa.struct(
    [
        ("name", pa.string()),
        ("path", pa.binary()),
        ("data", pa.large_binary()),
        ("error", pa.string()),
        ("url", pa.string()),
    ]
)
SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("turns", pa.list_(_TURN)),
        ("images", pa.list_(_IMAGE)),
        ("source", pa.string()),
        ("row", pa.int64()),
        ("where", pa.string()),
        ("error", pa.string()),
        ("label", pa.string()),
    ]
)
"""All of a :class:`~data_cards.sample.Sample`; readers refuse what is no Unicode."""
VERSION = 1
"""Counted up when what lies in the files changes."""
_KEY = b"pickwell-key"


def samples_table(samples: Sequence[Sample], with_data: bool = True) -> pa.Table:
    """Samples as a table.

    Args:
        samples: Some.
        with_data: Whether the bytes of images come along, where the reference holds them.
    """
    rows = [
        {
            "id": sample.id,
            "turns": [{"role": turn.role, "text": turn.text} for turn in sample.turns],
            "images": [
                {
                    "name": ref.name,
                    "path": None if ref.path is None else os.fsencode(ref.path),
                    "data": ref.data if with_data else None,
                    "error": ref.error,
                    "url": ref.url,
                }
                for ref in sample.images
            ],
            "source": sample.source,
            "row": sample.row,
            "where": sample.where,
            "error": sample.error,
            "label": sample.label,
        }
        for sample in samples
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def samples_from(table: pa.Table) -> list[Sample]:
    """The other way round."""
    return [
        Sample(
            id=row["id"],
            turns=tuple(Turn(turn["role"], turn["text"]) for turn in row["turns"]),
            images=tuple(
                ImageRef(
                    ref["name"],
                    None if ref["path"] is None else Path(os.fsdecode(ref["path"])),
                    ref["data"],
                    ref["error"],
                    ref["url"],
                )
                for ref in row["images"]
            ),
            source=row["source"],
            row=row["row"],
            where=row["where"],
            error=row["error"],
            label=row["label"],
        )
        for row in table.select(SAMPLES.names).to_pylist()
    ]


def packed(samples: Sequence[Sample]) -> bytes:
    """Samples as the bytes of an Arrow file."""
    table = samples_table(samples)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpacked(data: bytes) -> list[Sample]:
    """The other way round."""
    return samples_from(pa.ipc.open_file(pa.BufferReader(data)).read_all())


@dataclass(frozen=True)
class Parts:
    """Where finished shards lie; any number of machines write there at once.

    Attributes:
        folder: On a file system that all nodes see.
        identity: Of everything that the results depend on beside the samples.
    """

    folder: Path
    identity: str

    def read_file(self, number: int) -> Path:
        """A shard whose images are through."""
        return self.folder / f"{number:08d}.read.arrow"

    def scored_folder(self, number: int) -> Path:
        """A shard that is through."""
        return self.folder / f"{number:08d}.scored"

    def key(self, data: bytes, samples: Sequence[Sample]) -> str:
        """Of what a shard is made from: records, and size and time of the files they point to."""
        facts = [self.identity.encode(), data]
        for sample in samples:
            for ref in sample.images:
                if ref.path is not None:
                    try:
                        found = ref.path.stat()
                    except OSError:
                        continue
                    facts.append(f"{found.st_size} {found.st_mtime_ns}".encode())
        return content_key(*facts).hex()

    def write_read(self, number: int, key: str, shard: Shard, with_data: bool) -> None:
        """Keep a shard whose images are through."""
        table = samples_table(shard.samples, with_data)
        table = table.append_column("problem", pa.array(shard.errors, pa.string()))
        keys = pa.array(shard.image_keys, pa.list_(pa.binary(16)))
        table = table.append_column("image_keys", keys)
        table = table.append_column("content", pa.array(shard.contents, pa.binary(16)))
        write_arrow(table.replace_schema_metadata({_KEY: key}), self.read_file(number))

    def read(self, number: int) -> tuple[str, Shard] | None:
        """What :meth:`write_read` kept, with its key; ``None`` where there is nothing usable."""
        try:
            with pa.memory_map(str(self.read_file(number))) as file:
                table = pa.ipc.open_file(file).read_all()
                key = (table.schema.metadata or {})[_KEY].decode()
                shard = Shard(
                    samples_from(table),
                    table["problem"].to_pylist(),
                    table["image_keys"].to_pylist(),
                    table["content"].to_pylist(),
                )
        except (OSError, pa.ArrowException, KeyError):
            return None
        return key, shard

    def told(self, number: int) -> dict[str, Any]:
        """What scoring a shard that is through took, and what failed for now."""
        try:
            told: dict[str, Any] = json.loads(
                (self.scored_folder(number) / "told.json").read_text("utf-8")
            )
        except (OSError, ValueError):
            return {}
        return told

    def has_scored(self, number: int, key: str) -> bool:
        """Whether a shard with this key is through."""
        try:
            return (self.scored_folder(number) / "key").read_text("ascii") == key
        except OSError:
            return False

    def begin_scored(self, number: int) -> Path:
        """A folder of its own to write a shard to; :meth:`end_scored` puts it in its place."""
        return Path(tempfile.mkdtemp(prefix=f".{number:08d}.", suffix=".partial", dir=self.folder))

    def end_scored(
        self, work: Path, number: int, key: str, told: Mapping[str, Any] | None = None
    ) -> None:
        """Put a shard in its place; whoever comes second with the same finds it done.

        Args:
            work: What :meth:`begin_scored` gave.
            number: Of the shard.
            key: Of what it was made from.
            told: What it took; where the shard that is there has rows that failed for now, this
                one takes its place.
        """
        (work / "told.json").write_text(json.dumps(told or {}), "utf-8")
        (work / "key").write_text(key, "ascii")
        work.chmod(0o755)
        target = self.scored_folder(number)
        if self.has_scored(number, key) and not self.told(number).get("unfinished"):
            shutil.rmtree(work, ignore_errors=True)
            return
        shutil.rmtree(target, ignore_errors=True)
        try:
            work.rename(target)
        except OSError:
            if not self.has_scored(number, key):
                raise
            shutil.rmtree(work, ignore_errors=True)
