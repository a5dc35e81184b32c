"""The five questions, each a function that gives a JSON value; what was computed is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import pickwell
from benchmarks.proof.defects import defect_table
from benchmarks.proof.parts import ProofParts, by_source, sources
from benchmarks.proof.sizes import Size
from finetune.compare.paired import holm, verdict_of
from pickwell.config import SelectConfig
from pickwell.judging import judge
from scoring.quality.model import QualityModel
from scoring.run import Run

Say = Callable[[str], None]
DESIGNS = ("clusters", "subsets", "designed", "influence")
WORKER_BYTES = 8e9
"""Of memory that a worker may take: the model, the pool and its features; 6.5 GB were seen."""
ALONE = ("quality-only", "clusters-only")
"""What ``selected`` joins."""


@dataclass
class Proof:
    """What all questions share.

    Attributes:
        parts: The data.
        size: How large.
        folder: Where runs and models go.
        seed: Of everything.
        say: Called with what is being done.
    """

    parts: ProofParts
    size: Size
    folder: Path
    seed: int
    say: Say

    @property
    def training(self) -> dict[str, Any]:
        """How every model is trained: by as many workers as cores and memory bear.

        On one thread each: two add in another order, which in bfloat16 moves a loss, and the
        figures would hang on the number of cores.
        """
        import psutil

        room = int(psutil.virtual_memory().available // WORKER_BYTES)
        workers = min(os.cpu_count() or 1, self.size.workers, max(1, room))
        return {
            "devices": ["cpu"] * workers or None,
            "train": self.size.train,
            "learning_rate": self.size.learning_rate,
            "bf16": True,
            "seed": self.seed,
        }

    def score(self, data: Path, name: str, **more: Any) -> Run:
        """Score once; what is there keeps the seconds that it took."""
        if (self.folder / name / "run.json").is_file():
            return pickwell.open_run(self.folder / name)
        self.say(f"score {data.name}")
        limit = {} if self.size.pool is None or "like" in more else {"limit": self.size.pool}
        return pickwell.score(data, self.folder / name, seed=self.seed, **limit, **more)

    def pool_run(self) -> Run:
        """The mixed pool with what the marks teach."""
        run = self.score(self.parts.pool, "mixed")
        if not (run.folder / "quality" / "quality.json").is_file():
            self.say("fit the marks")
            pickwell.fit(run, self._marks(run, self.parts.marks), seed=self.seed)
        return run

    def _marks(self, run: Run, marks: Path) -> Path:
        """Only those of rows that the run holds."""
        known = set(run.scores["id"].to_pylist())
        lines = marks.read_text("utf-8").splitlines()
        kept = [lines[0], *(line for line in lines[1:] if line.split(",")[0] in known)]
        out = self.folder / f"{run.folder.name}_marks.csv"
        out.write_text("\n".join(kept) + "\n", "utf-8")
        return out


def finds_defects(proof: Proof) -> dict[str, Any]:
    """1. AUROC per kind of defect, per metric, for consensus and learned qualities."""
    run = proof.pool_run()
    scores = dict(signed_metrics(run))
    scores["consensus"] = with_floors(run, "consensus")
    learned = judge(run, SelectConfig(quality=str(run.folder / "quality")))
    scores["learned from 400 marks"] = np.asarray(learned.quality)
    scores["learned from 400 marks, floors first"] = with_floors(run, str(run.folder / "quality"))
    for design in DESIGNS:
        fitted = proof.folder / f"quality_{design}"
        if (fitted / "quality.json").is_file() and not QualityModel.load(fitted).is_fallback:
            name = f"learned from trainings ({design}), floors first"
            scores[name] = with_floors(run, str(fitted))
        effects = proof.folder / f"labels_{design}" / "effects.parquet"
        if effects.is_file():
            scores[f"effects of trainings ({design})"] = joined(run, effects)
    names = [n for n in scores if n.startswith(("consensus", "learned", "effects"))]
    return defect_table(
        run.scores["id"].to_pylist(),
        scores,
        proof.parts.truth,
        proof.parts.marked,
        intervals_of=names,
    )


def signed_metrics(run: Run) -> dict[str, np.ndarray]:
    """Every column with a direction, higher is better."""
    numbers = run.numeric()
    return {
        name: (-1 if column.direction == "lower" else 1) * numbers[name]
        for name, column in run.columns().items()
        if column.direction != "none" and name in numbers
    }


def joined(run: Run, effects: Path) -> np.ndarray:
    """Effects in the order of the run; NaN for rows that were not trained on."""
    rows = pq.read_table(effects, columns=["id", "effect"]).to_pylist()
    known = {row["id"]: row["effect"] for row in rows}
    values = [known.get(id_) for id_ in run.scores["id"].to_pylist()]
    return np.array([np.nan if value is None else value for value in values])


def with_floors(run: Run, quality: str) -> np.ndarray:
    """A quality as the choice sees it: what a floor refuses, or is bad, has none."""
    judged = judge(run, SelectConfig(quality=quality))
    refused = np.array([reason is not None for reason in judged.refused])
    return np.where(refused, np.nan, np.asarray(judged.quality, float))


def beats_random(proof: Proof, pool: str) -> dict[str, Any]:
    """2. The arms on the mixed or the clean pool."""
    size = proof.size
    run = proof.pool_run() if pool == "mixed" else proof.score(proof.parts.clean, "clean")
    proof.say(f"compare on the {pool} pool")
    arms = list(size.arms) if pool == "mixed" else ["selected", "random", "full"]
    made = pickwell.compare(
        run,
        proof.parts.test,
        proof.folder / f"comparison_{pool}",
        arms=arms,
        budget=size.budget,
        seeds=size.seeds,
        steps=size.steps,
        epochs=size.epochs if pool == "mixed" else None,
        full_seeds=1,
        target_limit=size.test,
        **proof.training,
    )
    return told(made, proof.folder)


def diversity_adds(proof: Proof) -> dict[str, Any]:
    """4. Quality alone, clusters alone, both; and the number of clusters.

    That neither does without the other is asked of the same trainings: ``selected`` beside each
    alone, paired by seed.
    """
    proof.say("compare what diversity adds")
    made = pickwell.compare(
        proof.pool_run(),
        proof.parts.test,
        proof.folder / "comparison_diversity",
        arms=["selected", "random", *proof.size.diversity],
        budget=proof.size.budget,
        seeds=proof.size.few_seeds,
        steps=proof.size.steps,
        epochs=None,
        target_limit=proof.size.test,
        **proof.training,
    )
    return told(made, proof.folder) | {"pairs": pairs(made, "selected", ALONE)}


def over_budgets(proof: Proof) -> dict[str, Any]:
    """The curve over budgets, at equal steps."""
    proof.say("the curve over budgets")
    made = pickwell.compare(
        proof.pool_run(),
        proof.parts.test,
        proof.folder / "comparison_budgets",
        arms=["selected", "random"],
        budget=proof.size.budget,
        budgets=list(proof.size.curve),
        seeds=proof.size.few_seeds,
        steps=proof.size.steps,
        epochs=None,
        target_limit=proof.size.test,
        **proof.training,
    )
    return told(made, proof.folder)


def told(made: pickwell.compare_job.Comparison, folder: Path) -> dict[str, Any]:
    """A comparison as a JSON value, with its plots, and without the paths of this machine."""
    from pickwell.compare_summary import verdicts

    return {
        "verdicts": verdicts(made),
        "lines": [line.record() for line in made.lines],
        "untrained": [line.record() for line in made.untrained],
        "same_by_both_rules": {str(budget): names for budget, names in made.same.items()},
        "arms": {arm.name: arm.about.replace(f"{folder}/", "") for arm in made.arms},
        "loss_before": made.before,
        "pool": made.about["pool"],
        "target": {k: made.about["target"][k] for k in ("samples", "images", "tokens")},
        "plots": made.plots,
    }


def pairs(
    made: pickwell.compare_job.Comparison, arm: str, others: Sequence[str]
) -> list[dict[str, Any]]:
    """An arm beside others that are not random, at equal steps, with p corrected for their number.

    Args:
        made: Of a comparison that has trained them all.
        arm: Name of the arm.
        others: Names of those that it stands beside.
    """
    found = [made.between(arm, other) for other in others]
    corrected = holm([one.p for one in found])
    return [
        {"arm": arm, "other": other, "p": p, "verdict": verdict_of(one, p)}
        | {"difference": asdict(one)}
        for other, one, p in zip(others, found, corrected, strict=True)
    ]


def worth_of_designs(proof: Proof) -> dict[str, Any]:
    """3. What each design of labels is worth, per second spent."""
    run = proof.pool_run()
    size = proof.size
    found: dict[str, Any] = {}
    counts = {"clusters": size.clusters, "subsets": size.subsets, "designed": size.designed}
    for design in DESIGNS:
        if counts.get(design) == 0:
            continue
        proof.say(f"label by {design}")
        kind = "subsets" if design == "designed" else design
        labelled = pickwell.label(
            run,
            proof.parts.target,
            proof.folder / f"labels_{design}",
            design=kind,
            draw="designed" if design == "designed" else "random",
            groups=counts.get(design),
            size=size.size,
            fresh=size.fresh,
            repeat_groups=size.repeat_groups,
            repeats=2,
            steps=size.label_steps,
            gradient_accumulation=size.size // 8,
            target_limit=size.target,
            **{**proof.training, "learning_rate": size.label_rate},
        )
        assert labelled.findings is not None
        started = time.perf_counter()
        fitted = pickwell.fit(
            run, labelled.labels, proof.folder / f"quality_{design}", seed=proof.seed
        )
        found[design] = labelled.findings.record() | {
            "groups": len(labelled.plan.groups),
            "size": len(labelled.plan.groups[0].rows) if labelled.plan.groups else None,
            "fit": fitted.messages[0],
            "fit_seconds": time.perf_counter() - started,
            "fitted_kind": fitted.model.kind,
        }
    return found


def helps_elsewhere(proof: Proof) -> dict[str, Any]:
    """5. A quality learned without one source, on that source."""
    counted = {
        name: (total, bad)
        for name, (total, bad) in sources(proof.parts).items()
        if bad >= 25 and total - bad >= 25
    }
    largest = sorted(counted, key=lambda name: -counted[name][0])[: proof.size.sources]
    found: dict[str, Any] = {}
    for source in sorted(largest):
        rest, own, marks = by_source(proof.parts, source)
        run = proof.score(rest, f"without_{source}")
        fitted = pickwell.fit(run, proof._marks(run, marks), seed=proof.seed)
        batch = proof.score(own, f"only_{source}", like=run.folder)
        scores = {
            "alignment": signed_metrics(batch)["alignment"],
            "consensus": with_floors(batch, "consensus"),
        }
        if not fitted.model.is_fallback:
            scores["learned elsewhere, floors first"] = with_floors(
                batch, str(run.folder / "quality")
            )
        table = defect_table(
            batch.scores["id"].to_pylist(),
            scores,
            proof.parts.truth,
            frozenset(),
            intervals_of=list(scores),
        )
        found[source] = table | {"fit": fitted.messages[0]}
    return found
