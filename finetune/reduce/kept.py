"""Outcomes on disk, and whether they are of the data and the plan that are asked for now."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from finetune.reduce.outcomes import Outcome
from scoring.dynamics.plans import differences, flat
from scoring.store import atomic_path

if TYPE_CHECKING:
    from finetune.reduce.run import Labelled, Plan

NAME = "outcomes.json"
"""Of the file in the folder of trainings."""
WORDS = {
    "runs": "starts of the proxy",
    "epoch": "epoch that scores are read after",
    "test": "share held out",
    **{f"proxy.{name}": f"{name.replace('_', ' ')} of the proxy" for name in (
        "epochs", "batch_size", "learning_rate", "momentum", "nesterov", "weight_decay", "schedule",
    )},
}  # fmt: skip
"""What parts of a plan are called where their key does not say it."""


def record_of(data: Labelled, plan: Plan) -> dict[str, Any]:
    """Everything that decides an outcome, but for its seed, budget and method."""
    told = {
        "data": data.identity,
        "pictures": len(data.ids),
        "classes": int(data.labels.max()) + 1,
        "model": _model(plan.describe),
        **_trained(plan),
    }
    made: dict[str, Any] = json.loads(json.dumps(told))
    return made


def _trained(plan: Plan) -> dict[str, Any]:
    return {
        "recipe": asdict(plan.recipe),
        "proxy": asdict(plan.proxy_recipe),
        "runs": plan.proxy_runs,
        "epoch": plan.proxy_epoch,
        "test": plan.test_share,
        "linear": "centred",
    }


def _model(described: str) -> Any:
    try:
        return json.loads(described)
    except ValueError:
        return described


def _differs(there: dict[str, Any], here: dict[str, Any]) -> str:
    """What is not as it was, in words."""
    before, now = flat(there), flat(here)
    pixels = any(before.get(key) != now[key] for key in now if key.startswith("model"))
    if pixels:  # another model sees other inputs and is its own proxy: that is said once
        now = {key: value for key, value in now.items() if not key.startswith(("proxy.", "data"))}
    for key in [key for key in now if key.startswith("proxy.")]:
        whole = key.replace("proxy.", "recipe.")
        if (before.get(key), now[key]) == (before.get(whole), now[whole]):
            del now[key]
    data = now.pop("data", None)
    other = None not in (data, before.get("data")) and data != before["data"]
    found = differences(before, now, WORDS)
    if other and not any(before.get(key, now[key]) != now[key] for key in ("pictures", "classes")):
        found.insert(0, "other pictures, classes or groups")
    return "; ".join(found) or "what differs was not kept"


def stored_in(folder: Path) -> int:
    """How many trainings are kept in the folder of trainings of a benchmark."""
    told = json.loads((folder / NAME).read_text("utf-8"))
    return len(told["outcomes"])


class Kept:
    """Outcomes on disk, written whole after each choice.

    Args:
        path: The file.
        data: What is reduced.
        plan: What is tried.

    Raises:
        BadInputError: The file is of other data or another plan; naming what differs.
    """

    def __init__(self, path: Path, data: Labelled, plan: Plan) -> None:
        self.path, self.identity = path, record_of(data, plan)
        self.found: dict[tuple[int, str, str, str], Outcome] = {}
        if path.is_file():
            told = json.loads(path.read_text("utf-8"))
            there = told["identity"]
            if there != self.identity:
                if not isinstance(there, dict):
                    raise BadInputError(
                        f"{path.parent} was made by an earlier version, which did not say how.",
                        "Name another --out.",
                    )
                raise BadInputError(
                    f"{path.parent} holds a benchmark of other data or another plan: "
                    f"{_differs(there, self.identity)}.",
                    "Name another --out, or ask for what was asked for there.",
                )
            for record in told["outcomes"]:
                self._add(Outcome(**record))

    def get(self, seed: int, budget: str, method: str, rule: str) -> Outcome | None:
        """What is known of one training."""
        return self.found.get((seed, budget, method, rule))

    def put(self, outcome: Outcome) -> None:
        """Keep one more."""
        self._add(outcome)
        records: list[Any] = [asdict(one) for one in self.found.values()]
        with atomic_path(self.path) as temporary:
            temporary.write_text(
                json.dumps({"identity": self.identity, "outcomes": records}, indent=0), "utf-8"
            )

    def _add(self, outcome: Outcome) -> None:
        key = (outcome.seed, outcome.budget, outcome.method, outcome.rule)
        self.found[key] = outcome
