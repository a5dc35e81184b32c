"""The data card of a selection: what was chosen from what, how, and how to do it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.config import SelectConfig

if TYPE_CHECKING:
    from scoring.run import Run
    from selector.selection import Selection


def write_card(
    work: Path,
    run: Run,
    selection: Selection,
    settings: SelectConfig,
    folder: Path,
    source: dict[str, str] | None = None,
) -> Path:
    """Write ``README.md`` of a selection folder; ``source``: what to say of it instead."""
    from data_cards.cards import load_card
    from data_cards.write_card import selection_card
    from pickwell import __version__
    from pickwell.selection_command import score_command, select_command
    from scoring.metric import registry
    from scoring.store import atomic_path

    described = run.manifest["input"]
    funnel = selection.funnel()
    known = registry()
    metrics = [
        {
            "name": name,
            "columns": ", ".join(column.name for column in known[name].spec.columns),  # type: ignore[attr-defined]
            "key": key,
        }
        for name, key in run.manifest["metrics"].items()
        if name in known
    ]
    card = load_card(described["card"]) if described["card"] else None
    text = selection_card(
        title=folder.name,
        source=source
        or {
            "name": described["card"] or Path(described["path"]).name,
            "path": described["path"],
            "how": described["how"],
        },
        read=sum(funnel.values()),
        chosen=funnel["chosen"],
        funnel=funnel,
        parameters=selection.parameters,
        version=__version__,
        metrics=metrics,
        models=_models(run.manifest["models"]),
        command=f"{score_command(run)}\n{select_command(run.folder, folder, settings)}",
        front_matter=card.front_matter if card is not None else None,
    )
    path = work / "README.md"
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path


def _models(models: dict[str, Any]) -> dict[str, str]:
    """Role to spec, with revision, and key."""
    specs = models.get("specs") or {}
    shown = {"name": str(models["name"])} if "name" in models else {}
    for role, key in models.items():
        if role not in ("name", "specs") and key:
            shown[role] = f"{specs[role]} (key {key})" if role in specs else str(key)
    return shown
