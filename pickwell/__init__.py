"""pickwell picks the few hundred vision-language pairs worth fine-tuning on, and says why.

Five lines do the whole job::

    import pickwell

    run = pickwell.score("pairs.json", "runs/pairs")
    selection = pickwell.select(run, "runs/pairs-200", budget=200)
    print(selection.ids[:5], pickwell.explain(selection, selection.ids[0]))
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_PUBLIC = {
    "score": "pickwell.scoring_job",
    "label": "pickwell.label_job",
    "fit": "pickwell.fit_job",
    "select": "pickwell.selection_job",
    "prune": "pickwell.prune_job",
    "benchmark": "pickwell.benchmark_job",
    "finetune": "pickwell.finetune_job",
    "evaluate": "pickwell.evaluate_job",
    "compare": "pickwell.compare_job",
    "explain": "selector.explain",
    "push": "pickwell.push_job",
    "theory": "pickwell.theory_job",
    "open_scorer": "pickwell.warm_scorer",
    "open_run": "pickwell.scoring_job",
    "open_selection": "pickwell.selection_files",
    "BadInputError": "data_cards",
    "Sample": "data_cards",
    "Selection": "selector.selection",
}
__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import pickwell`` stays light."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'pickwell' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
