"""The data card of a selection: what was chosen from what, how, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.config import SelectConfig

if TYPE_CHECKING:
    from scoring.run import Run
    from selector.selection import Selection


LOADABLE = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Files that ``load_dataset`` opens by itself."""


def configs_of(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Front matter by which ``load_dataset`` opens one file of records; none for several."""
    loadable = [path for path in files if path.suffix.lower() in LOADABLE]
    if len(loadable) != 1:
        return []
    data = [{"split": "train", "path": loadable[0].as_posix()}]
    return [{"config_name": "default", "data_files": data}]


def write_card(
    work: Path,
    run: Run,
    selection: Selection,
    settings: SelectConfig,
    folder: Path,
    source: dict[str, str] | None = None,
    records: Sequence[Path] = (),
) -> Path:
    """Write ``README.md`` of a selection folder.

    Args:
        work: The folder as it is being written.
        run: What was chosen from.
        selection: What was chosen.
        settings: How.
        folder: The folder's final place.
        source: What to say of the source instead of what the run says.
        records: Files of chosen records in ``work``.
    """
    from data_cards.cards import list_cards, load_card
    from data_cards.write_card import selection_card
    from pickwell import __version__
    from pickwell.distributions import distributions
    from pickwell.selection_command import score_command, select_command
    from scoring.metric import registry
    from scoring.store import atomic_path

    described = run.manifest["input"]
    funnel = selection.funnel()
    known = registry()
    metrics = [
        {
            "name": name,
            "columns": ", ".join(
                column.name
                for column in known[name].spec.columns  # type: ignore[attr-defined]
                if _measured(run, column.name)
            ),
            "key": key,
        }
        for name, key in run.manifest["metrics"].items()
        if name in known
    ]
    hub = described.get("hub") or {}
    front = described.get("front_matter")
    if front is None and described["card"] in list_cards():  # a run of an earlier version
        front = load_card(described["card"]).front_matter
    provenance: dict[str, str] = {}
    if hub and source is None:
        provenance = {"hub": hub["id"], "url": hub["url"], "revision": described["revision"]}
    if described["format"] == "minigpt4":  # one object around the records
        records = ()
    text = selection_card(
        title=folder.name,
        source=provenance
        | (
            source
            or {
                "name": hub.get("id") or described["card"] or Path(described["path"]).name,
                "path": described["path"],
                "how": described["how"],
            }
        ),
        read=sum(funnel.values()),
        chosen=funnel["chosen"],
        funnel=funnel,
        parameters=selection.parameters,
        version=__version__,
        metrics=metrics,
        models=_models(run.manifest["models"]),
        command=f"{score_command(run)}\n{select_command(run.folder, folder, settings)}",
        front_matter=front,
        distributions=distributions(run, selection),
        configs=configs_of([path.relative_to(work) for path in records]),
    )
    path = work / "README.md"
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path


def _measured(run: Run, column: str) -> bool:
    """Whether a column holds anything: `tokens` does not without a language model."""
    scores = run.scores
    return column in scores.column_names and scores[column].null_count < len(scores)


def _models(models: dict[str, Any]) -> dict[str, str]:
    """Role to spec, with revision, and key."""
    specs = models.get("specs") or {}
    shown = {"name": str(models["name"])} if "name" in models else {}
    for role, key in models.items():
        if role not in ("name", "specs") and key:
            shown[role] = f"{specs[role]} (key {key})" if role in specs else str(key)
    return shown
