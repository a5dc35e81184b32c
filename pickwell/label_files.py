"""What labelling writes: labels for ``fit``, effects per sample, every training, and a card."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pickwell.label_summary import lines_of
from pickwell.plain_json import plain_json
from pickwell.words import many

if TYPE_CHECKING:
    from pickwell.label_job import Labelled

FORMAT_VERSION = 1
LEVEL = 0.95


def write_labels(labelled: Labelled, about: dict[str, Any]) -> None:
    """Write the folder; each file is there whole or not at all.

    Args:
        labelled: With findings.
        about: Run, target, options, as JSON values.
    """
    from data_cards.replacing import replacing
    from pickwell import __version__

    folder = labelled.folder
    _write_for_fit(labelled)
    _write_effects(labelled)
    _write_trainings(labelled)
    assert labelled.findings is not None
    record = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "design": labelled.design,
        **{name: value for name, value in about.items() if name != "started"},
        "groups": len(labelled.plan.groups),
        "size": len(labelled.plan.groups[0].rows) if labelled.plan.groups else None,
        "fresh": len(labelled.plan.fresh),
        "fresh_size": len(labelled.plan.fresh[0].rows) if labelled.plan.fresh else None,
        "steps": labelled.plan.steps,
        "left_out": labelled.left_out,
        **labelled.findings.record(),
    }
    with replacing(folder / "README.md", "w") as file:
        file.write(_card(labelled, record))
    with replacing(folder / "label.json", "w") as file:
        file.write(plain_json(record))


def _write_for_fit(labelled: Labelled) -> None:
    from data_cards.replacing import replacing

    plan, findings = labelled.plan, labelled.findings
    assert findings is not None
    if labelled.design == "influence":
        with replacing(labelled.labels, "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "label"])
            for id_, effect in zip(plan.ids, findings.effects.tolist(), strict=True):
                if effect == effect:  # not NaN
                    writer.writerow([id_, repr(effect)])
        return
    assert findings.outcomes is not None
    groups = [
        {
            "group": group.name,
            "label": outcome,
            "about": group.about,
            "ids": [plan.ids[int(row)] for row in group.rows],
        }
        for group, outcome in zip(plan.groups, findings.outcomes.quality.tolist(), strict=True)
    ]
    content = {"overlapping": labelled.design == "subsets", "groups": groups}
    with replacing(labelled.labels, "w") as file:
        file.write(json.dumps(content, ensure_ascii=False, indent=0) + "\n")


def _write_effects(labelled: Labelled) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from scipy.stats import norm

    from data_cards.replacing import replacing

    findings = labelled.findings
    assert findings is not None
    reach = float(norm.ppf(0.5 + LEVEL / 2)) * findings.deviations
    held = np.zeros(len(labelled.plan.ids), np.int32)
    for group in labelled.plan.groups:
        held[group.rows] += 1

    def column(values: np.ndarray) -> pa.Array:
        return pa.array(values, pa.float64(), from_pandas=True)

    table = pa.table(
        {
            "id": pa.array(labelled.plan.ids, pa.string()),
            "effect": column(findings.effects),
            "effect_sd": column(findings.deviations),
            "effect_low": column(findings.effects - reach),
            "effect_high": column(findings.effects + reach),
            "groups": pa.array(held) if labelled.plan.groups else pa.nulls(len(held), pa.int32()),
        }
    )
    with replacing(labelled.folder / "effects.parquet") as file:
        pq.write_table(table, file)


def _write_trainings(labelled: Labelled) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from data_cards.replacing import replacing

    assert labelled.findings is not None
    schema = pa.schema(
        [
            ("purpose", pa.string()),
            ("group", pa.string()),
            ("about", pa.string()),
            ("seed", pa.int64()),
            ("samples", pa.int32()),
            ("outcome", pa.float64()),
            ("standard_error", pa.float64()),
            ("first_loss", pa.float64()),
            ("last_loss", pa.float64()),
            ("seconds", pa.float64()),
            ("passes", pa.int64()),
        ]
    )
    rows = [asdict(row) for row in labelled.findings.trainings]
    with replacing(labelled.folder / "trainings.parquet") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema), file)


def _card(labelled: Labelled, record: dict[str, Any]) -> str:
    options = record["options"]
    lines = [
        f"# Labels: {labelled.design}",
        "",
        *(f"- {line}" for line in lines_of(labelled)),
        "",
        "## How they were made",
        "",
        f"- run `{record['run']}`, {record['pool']:,} rows that can be trained on",
        f"- model `{options['model']}` (`{record['model']}`), {options['train']} trained for"
        f" {many(record['steps'], 'step')} of"
        f" {options['batch_size'] * options['gradient_accumulation']} samples, seed"
        f" {options['seed']}",
        _measured(record["target"]),
        "",
        _MEANING[labelled.design],
        "",
        "What was measured holds for this model, this target and trainings of this length. The",
        "target has shaped the labels: test on other data.",
        "",
        "## Files",
        "",
        f"- `{labelled.labels.name}`: for `pickwell fit RUN --labels`",
        "- `effects.parquet`: effect of every sample with its 95 % interval",
        "- `trainings.parquet`: every training (groups, fresh subsets, repeats) and outcome",
        "- `label.json`: all figures and options",
        "",
    ]
    return "\n".join(lines)


def _measured(target: dict[str, Any]) -> str:
    if "command" in target:
        return f"- outcomes are what `{target['command']}` says of each trained model"
    return (
        f"- target: {target['samples']} samples of `{target['path']}`; an outcome is their"
        " log-likelihood per response token after the training, higher is better"
    )


_MEANING = {
    "clusters": (
        "Groups are k-means clusters of equal size (InstructionGPT-4, arXiv 2308.12067), divided"
        " by the\nsmallest sum of squared distances. An effect is what a regularised linear model"
        " reads out of the\ngroups' outcomes: by how much a group of such samples would lift the"
        " outcome of an average one."
    ),
    "subsets": (
        "Groups are overlapping subsets. An effect is read out of their outcomes by a regularised"
        " linear\ndatamodel (metrics and membership, averaged over how much each may count): by"
        " how much a\ngroup of such samples would lift the outcome of an average one."
    ),
    "influence": (
        "An effect is the cosine of the update that Adam would make on the sample and of the"
        " target's\ngradient, both after a short warm-up on random samples and projected at"
        " random (after LESS, arXiv\n2402.04333; but one checkpoint, no momentum, and second"
        " moments of single samples' gradients). It approximates one small step, to the first"
        " order; what samples do together, and\nwhat many steps do, it does not see."
    ),
}
