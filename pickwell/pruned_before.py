"""A corpus that was pruned before: what it is, and what of it holds when it is pruned again."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.counted import counted
from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.prune_corpus import RUN

if TYPE_CHECKING:
    from scoring.run import Run

MANIFEST, STARTED_IN, PICTURES = "manifest.json", "started_in", "pictures.parquet"
_GIVEN_ANEW = (
    *("prototypes", "supervised", "balance", "balance_by", "random_share", "duplicates"),
    *("duplicates_share", "duplicates_first", "chains", "by", "per_class", "strategy"),
    *("probe", "probe_seeds", "seed"),
)
"""Options of a decision that do not go over to the next one; how much stays is always new."""


def was_pruned(corpus: str | Path) -> bool:
    """Whether a corpus is a folder with a run of pictures in it, rather than pictures."""
    return not str(corpus).startswith("hf://") and (Path(corpus) / RUN / "run.json").is_file()


def is_pruned(folder: Path) -> bool:
    """Whether a folder is what ``prune`` writes: a selection of pictures."""
    return (folder / PICTURES).is_file() and (folder / "selection.parquet").is_file()


def place_of(folder: Path, id: str) -> str:
    """Class, prototype and distance of a picture of a pruned corpus, on one line.

    Args:
        folder: The pruned corpus.
        id: A picture of it.

    Raises:
        BadInputError: The table cannot be read, or lacks the picture.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / PICTURES
    try:
        found = pq.read_table(path, filters=[("id", "==", id)]).to_pylist()
        row = found[0]
        said = [] if row["label"] is None else [f"class {row['label']}"]
        if row["prototype"] is not None:
            said.append(f"prototype {row['prototype']}, 1 - cosine {row['distance']:.3f} from it")
    except (pa.ArrowException, OSError, LookupError) as error:
        raise BadInputError(
            f"{path} cannot be read, or lacks {id}: {error}.",
            "Prune again: pickwell prune CORPUS --out NEW",
        ) from error
    return "; ".join(said)


def told_anew(before: Path, run: Run, settings: PruneConfig) -> str:
    """One line for the user: what is judged again, what was taken over and what was not.

    Args:
        before: The folder of the corpus pruned before.
        run: Its run.
        settings: The options now, those taken over among them.
    """
    manifest = manifest_of(before)
    then = manifest.get("options") or {}
    rows, gone = run.manifest["rows"], _gone(manifest)
    also = f", also the {gone:,} that went" if gone else ""
    share = "--keep" if settings.count is None else "--count"
    share = share if settings.per_class is None else "--per-class"
    line = f"All {counted(rows, 'picture')} of the corpus of {before} are judged anew{also};"
    line += f" {share} is of them all. Taken over: the vectors and how the pictures were read"
    group = settings.by is None and settings.group is not None  # methods know no groups
    group = group and settings.group == then.get("group")
    line += f", --group {shlex.quote(str(settings.group))}." if group else "."
    lost = [_typed(name, then[name]) for name in _GIVEN_ANEW if _differs(name, then, settings)]
    if not lost:
        return line
    one = len(lost) == 1
    return (
        f"{line} {', '.join(lost)} of then {'is' if one else 'are'} not: give "
        f"{'it' if one else 'them'} again to have {'it' if one else 'them'} hold."
    )


def home_of(corpus: str | Path) -> Path:
    """The folder that relative paths in the run of a corpus start from.

    Args:
        corpus: Pictures, or a corpus pruned before, whose manifest says where that was.
    """
    here = Path.cwd().resolve()
    if not was_pruned(corpus):
        return here
    told = manifest_of(Path(corpus)).get(STARTED_IN)
    return (Path(corpus).resolve() / told).resolve() if isinstance(told, str) else here


def started_in(home: Path, folder: Path) -> dict[str, str]:
    """That folder for the manifest of ``folder``, seen from it: both may move together."""
    return {STARTED_IN: os.path.relpath(home, folder.resolve())}


def found_again(corpus: Path, path: str) -> str:
    """The pictures of a corpus pruned before.

    Args:
        corpus: The pruned corpus.
        path: As its run names them.

    Returns:
        The same path where it starts from the working folder; else an absolute one.

    Raises:
        BadInputError: There is nothing.
    """
    if path.startswith("hf://") or Path(path).is_absolute():
        places = [path]
    else:
        home = home_of(corpus)
        away = home != Path.cwd().resolve()
        places = [str(home / path), path] if away else [path]
    for place in places:
        if path.startswith("hf://") or _fixed_part(place).exists():
            return place
    seen = "" if Path(path).is_absolute() else f", as seen from {home_of(corpus)}"
    raise BadInputError(
        f"The pictures of {corpus} are not where they were: {corpus / RUN / 'run.json'} names"
        f" {path}{seen}, and nothing is there.",
        "Put them back, or type the command in the folder that this path starts from, or prune from"
        " the pictures again.",
    )


def _fixed_part(path: str) -> Path:
    """What of a path stands before its first brace or wildcard."""
    fixed = re.split(r"[{*?\[]", path, maxsplit=1)[0]
    return Path(path) if fixed == path else Path(fixed + "x").parent


def manifest_of(before: Path) -> dict[str, Any]:
    """``manifest.json`` of a pruned corpus; empty where there is none that can be read."""
    try:
        told = json.loads((before / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _gone(manifest: dict[str, Any]) -> int:
    funnel = manifest.get("funnel") or {}
    return int(funnel.get("duplicate", 0)) + int(funnel.get("not chosen", 0))


def _differs(name: str, then: dict[str, Any], settings: PruneConfig) -> bool:
    """Whether an option was set then and is at its default again."""
    default = PruneConfig().model_dump(mode="json")[name]
    now = settings.model_dump(mode="json")[name]
    return name in then and then[name] != default and now == default


def _typed(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag
    return f"{flag} {value:g}" if isinstance(value, float) else f"{flag} {value}"
