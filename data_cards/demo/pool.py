"""Builds the demo pool: some thousand samples with pictures, good and bad, and the truth."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.defects import plant
from data_cards.demo.draw import Draw
from data_cards.demo.questions import Asker
from data_cards.demo.records import Draft, to_record
from data_cards.demo.selection import (
    good_drafts,
    hostile_drafts,
    natural_drafts,
    pool_items,
    training_texts,
)
from data_cards.demo.sources import PACKAGES, SOURCES, missing_sources
from data_cards.demo.split import split_items
from data_cards.errors import BadInputError

PER_DEFECT = 95
STAMP = "stamp.json"
_SIGNATURES = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


@dataclass(frozen=True, slots=True)
class PoolReport:
    """What a build made.

    Attributes:
        path: The pool's JSON file.
        written: Whether anything was written (false if it was there already, unchanged).
        samples: Number of records.
        pictures: Number of picture files.
        picture_bytes: Their size together.
        by_source: Records by source.
        by_question: Records by kind of question.
        by_defect: Records by defect, ``"none"`` for the good ones.
        missing: Sources that are left out, since their packages are not there.
    """

    path: Path
    written: bool
    samples: int
    pictures: int
    picture_bytes: int
    by_source: Mapping[str, int]
    by_question: Mapping[str, int]
    by_defect: Mapping[str, int]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        bad = self.samples - self.by_defect.get("none", 0)
        lines = [
            f"{self.path}: {self.samples} samples, {self.pictures} pictures "
            f"({self.picture_bytes / 1e6:.0f} MB), {bad} with a known defect"
            + ("" if self.written else " (unchanged)")
        ]
        for name, counts in (("questions", self.by_question), ("defects", self.by_defect)):
            lines.append(f"{name}: " + ", ".join(f"{kind} {n}" for kind, n in counts.items()))
        for source in self.missing:
            packages = " ".join(SOURCES[source].packages)
            lines.append(f"left out: {source} (packages {packages} are not there)")
        return "\n".join(lines)


def _inputs(packages: Path, seed: int) -> str:
    """Hash of the code, the seed, and the names and sizes of all source files."""
    digest = hashlib.sha256(f"{seed}\n".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    for source in SOURCES.values():
        for folder in source.folders:
            top = packages / folder
            found = [top] if top.is_file() else []
            for place, _, names in os.walk(top):
                found += [Path(place, name) for name in names]
            for path in sorted(found):
                size = path.lstat().st_size
                digest.update(f"{path.relative_to(packages)}\t{size}\n".encode())
    return digest.hexdigest()


def _read_stamp(out: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((out / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _report(out: Path, stamp: Mapping[str, Any], written: bool) -> PoolReport:
    facts = dict(stamp["report"])
    facts["missing"] = tuple(facts["missing"])
    return PoolReport(path=out / "pool.json", written=written, **facts)


def _image_name(item: CaptionedImage) -> tuple[str, bytes]:
    """Path below the pool by the content's hash, and the content as the package holds it."""
    content = item.read()
    digest = hashlib.sha256(content).hexdigest()
    kind = next((kind for magic, kind in _SIGNATURES if content.startswith(magic)), "bin")
    return f"images/{digest[:2]}/{digest[2:18]}.{kind}", content


def make_drafts(packages: Path, seed: int) -> list[Draft]:
    """All samples of the pool, in their final order.

    Args:
        packages: Folder of the unpacked packages.
        seed: For every choice.

    Raises:
        BadInputError: If no source is there.
    """
    if not any(True for part in split_items(packages).parts.values() for _ in part):
        raise BadInputError(
            f"{packages} holds none of the demo's packages",
            "Fetch them first, or unpack there: " + " ".join(PACKAGES),
        )
    split, draw = split_items(packages), Draw(seed)
    forbidden = training_texts(split)
    good_items, natural_items = pool_items(split)
    asker = Asker(packages, good_items, draw)
    good, unused = good_drafts(good_items, asker, forbidden, draw)
    shown = {(draft.item.source, draft.item.key) for draft in good}
    donors = unused + [i for i in good_items if (i.source, i.key) in shown]
    drafts = plant(good, asker, donors, split.hashes, forbidden, draw, PER_DEFECT)
    drafts += natural_drafts(natural_items, forbidden, draw)
    drafts += hostile_drafts(split, forbidden, draw)
    return draw.order(((draft.identity, draft) for draft in drafts), "shuffle")


def _write(drafts: Iterable[Draft], folder: Path, seed: int) -> dict[str, Any]:
    """Write pictures and records below ``folder``; the numbers of the report."""
    from rich.console import Console
    from rich.progress import Progress

    drafts = list(drafts)
    records, sizes = [], {}
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        for draft in progress.track(drafts, description="writing the demo pool"):
            name = ""
            if draft.with_image:
                name, content = _image_name(draft.item)
                if name not in sizes:
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                    sizes[name] = len(content)
            records.append(to_record(draft, name, seed))
    text = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    (folder / "pool.json").write_text(f"[\n{text}\n]\n", "utf-8")
    truths = [draft.truth for draft in drafts]
    return {
        "samples": len(drafts),
        "pictures": len(sizes),
        "picture_bytes": sum(sizes.values()),
        "by_source": dict(sorted(Counter(draft.item.source for draft in drafts).items())),
        "by_question": dict(sorted(Counter(truth.question for truth in truths).items())),
        "by_defect": dict(sorted(Counter(truth.defect or "none" for truth in truths).items())),
    }


def _swap(folder: Path, out: Path) -> None:
    """Put the finished folder where the pool belongs; the former pool goes only then."""
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def build_pool(packages: Path, out: Path, *, seed: int = 0) -> PoolReport:
    """Build the demo pool, unless it stands there already, made from the same inputs.

    Writes ``out/pool.json`` (LLaVA's format, with the columns ``source`` and ``truth``) and
    ``out/images``. The pictures are the packages' own bytes. It appears whole or not at all.

    Args:
        packages: Folder of the unpacked packages, so that ``packages/usr/share`` exists.
        out: Folder of the pool.
        seed: For every choice.

    Returns:
        Counts, and the sources that were missing.

    Raises:
        BadInputError: If no package is there, or ``out`` holds something else.
    """
    stamp, inputs = _read_stamp(out), _inputs(packages, seed)
    if stamp.get("inputs") == inputs and (out / "pool.json").is_file():
        return _report(out, stamp, written=False)
    if not stamp and out.exists() and any(out.iterdir()):
        raise BadInputError(f"{out} is not empty and holds no demo pool", "Name another folder.")
    drafts = make_drafts(packages, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch) / "pool"
        folder.mkdir()
        facts = _write(drafts, folder, seed)
        stamp = {"inputs": inputs, "report": facts | {"missing": missing_sources(packages)}}
        (folder / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", "utf-8")
        _swap(folder, out)
    return _report(out, stamp, written=True)
