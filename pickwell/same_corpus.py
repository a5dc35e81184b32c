"""Whether a run that is there already is of the corpus that is asked for now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.prune_corpus import READING, RUN, open_source_of
from pickwell.pruned_before import was_pruned

if TYPE_CHECKING:
    from scoring.run import Run


def refuse_other_corpus(run: Run, corpus: str | Path, settings: PruneConfig) -> None:
    """Refuse a run of another corpus, or of one that was read or embedded otherwise.

    Args:
        run: What is there.
        corpus: What is asked for: pictures, or a corpus pruned before. A data set of the hub is
            compared by its name alone: the run keeps the revision of its day.
        settings: How it is to be read and embedded.

    Raises:
        BadInputError: Naming what differs.
    """
    differs = _of_pruned(run, Path(corpus) / RUN) if was_pruned(corpus) else None
    if not was_pruned(corpus):
        differs = _of_options(run, settings) or _of_input(run, corpus, settings)
    if differs is not None:
        raise BadInputError(
            f"{run.folder} was made otherwise: {differs}.",
            "Name a new folder with --out, or remove the old one to begin anew.",
        )


def _of_pruned(run: Run, before: Path) -> str | None:
    told = json.loads((before / "run.json").read_text("utf-8"))
    return None if told == run.manifest else f"{before} is not the run that it was made from"


def _of_options(run: Run, settings: PruneConfig) -> str | None:
    """The first option of reading or embedding that is not what it was."""
    before, now = run.manifest["options"], settings.model_dump(mode="json")
    for name in READING:
        larger = name != "thumbnail" or now[name] > before.get(name, 0)
        if larger and name in before and before[name] != now[name]:
            option = f"--{name.replace('_', '-')}"
            return f"{option} was {_words(before[name])}, and is {_words(now[name])}"
    return None


def _of_input(run: Run, corpus: str | Path, settings: PruneConfig) -> str | None:
    from pickwell.scoring_job import describe_source, samples_of

    before = run.manifest["input"]
    if str(corpus).startswith("hf://"):
        same = before["path"] == str(corpus)
        return None if same else f"it holds {before['path']}, not {corpus}"
    source = open_source_of(corpus, settings)
    now = json.loads(json.dumps(describe_source(source)))
    if Path(before["path"]).resolve() != Path(now["path"]).resolve():
        return f"it holds {before['path']}, not {now['path']}"
    if _files(before) != _files(now):
        return f"the files of {now['path']} are not what they were"
    rows = samples_of(source, settings)[1]
    if rows is not None and rows != run.manifest["rows"]:
        return f"{now['path']} held {run.manifest['rows']:,} pictures, and holds {rows:,}"
    return None


def _files(described: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Size and content of each file, by its resolved name."""
    return sorted(
        (str(Path(one["path"]).resolve()), one["bytes"], one.get("sha256", ""))
        for one in described["files"]
    )


def _words(value: Any) -> str:
    return "not given" if value in (None, [], {}) else str(value)
