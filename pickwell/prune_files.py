"""The folder of a pruned corpus: lists, table, card, report, manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.plain_json import plain_json
from pickwell.prune_corpus import RUN
from pickwell.typed_command import typed_command

if TYPE_CHECKING:
    from data_cards.source import Source
    from pickwell.prune_corpus import Corpus
    from pickwell.pruned import PrunedCorpus
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
KEPT, REMOVED, TABLE, EVIDENCE = "kept.txt", "removed.txt", "pictures.parquet", "evidence.json"
PROTOTYPES = "prototypes.npy"


def write_folder(
    work: Path,
    run: Run,
    source: Source,
    pictures: Corpus,
    made: PrunedCorpus,
    settings: PruneConfig,
    on_progress: Progress,
    home: Path,
) -> None:
    """Write everything of a pruned corpus but its run, which is there.

    Args:
        work: The folder as it is being written.
        run: The run in it.
        source: Where the pictures come from.
        pictures: What was pruned.
        made: What stays and goes.
        settings: How.
        on_progress: Called with stage, done and expected count.
        home: Folder that relative paths of the run start from.
    """
    from pickwell.prune_checks import holding
    from pickwell.prune_page import write_prune_page
    from pickwell.pruned_before import started_in
    from pickwell.selection_files import write_manifest, write_table

    on_progress("write", 0, None)
    selection = made.pruned.selection
    outputs = [write_table(selection, work), _write_pictures(work, pictures, made)]
    outputs.append(_write_prototypes(work, made))
    outputs += _write_lists(work, made)
    outputs.append(_write_evidence(work, made))
    corpus = source.given if source.hub else str(source.path)
    command = prune_command(corpus, made.folder, settings, made.strategy)
    if settings.copy_records:
        wanted = _rows_to_copy(source, run, made)
        records = source.copy_rows(wanted, work / "data", copy_images=settings.copy_images)
        outputs += [path for path in records if path.is_file()]
    outputs.append(_write_card(work, run, made, command))
    outputs.append(write_prune_page(work / "report.html", run, pictures, made, settings, command))
    write_manifest(
        work,
        inputs=source.files() if source.format != "pictures" else [],
        outputs=outputs,
        content={
            "run": str(made.folder / RUN),
            **started_in(home, made.folder),
            "input": run.manifest["input"] | {"files": len(run.manifest["input"]["files"])},
            "models": run.manifest["models"],
            "options": holding(settings),
            "parameters": dict(selection.parameters) | {"why": made.why},
            "funnel": selection.funnel(),
        },
    )


def _rows_to_copy(source: Source, run: Run, made: PrunedCorpus) -> list[int]:
    """Rows of the corpus that stay, if they are still what they were when the run was made.

    Raises:
        BadInputError: The corpus has changed since.
    """
    rows = run.samples(["row"])["row"].to_pylist()
    ids = run.samples(["id"])["id"].to_pylist()
    wanted = {rows[place]: ids[place] for place in made.pruned.kept.rows.tolist()}
    last = max(wanted, default=-1)
    for sample in islice(source.samples(), last + 1):
        if wanted.get(sample.row, sample.id) != sample.id:
            break
    else:
        return sorted(wanted)
    raise BadInputError(
        f"{run.manifest['input']['path']} has changed since it was read: row {sample.row} was "
        f"{wanted[sample.row]!r} and is {sample.id!r}.",
        "Prune from the pictures again.",
    )


def prune_command(corpus: str, out: Path, settings: PruneConfig, strategy: str) -> str:
    """The command line that prunes like this again, naming what ``auto`` or no score stood for."""
    if settings.by is None:
        return typed_command("prune", corpus, out, settings, strategy=strategy)
    return typed_command("prune", corpus, out, settings, by=strategy.removeprefix("by "))


def _write_lists(work: Path, made: PrunedCorpus) -> list[Path]:
    """Ids that stay, in the order of keeping, and ids that go; what is broken is in neither."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from scoring.store import atomic_path

    table = made.pruned.selection.table
    gone = table.filter(pc.is_in(table["stage"], pa.array(["not chosen", "duplicate"])))
    written = []
    for name, ids in ((KEPT, made.pruned.selection.ids), (REMOVED, gone["id"].to_pylist())):
        path = work / name
        with atomic_path(path) as temporary:
            temporary.write_text("".join(f"{_one_line(id_)}\n" for id_ in ids), "utf-8")
        written.append(path)
    return written


def _one_line(id_: str) -> str:
    """An id on a line; one that would need two is written as JSON writes it."""
    return json.dumps(id_) if "\n" in id_ or "\r" in id_ else id_


def _write_pictures(work: Path, pictures: Corpus, made: PrunedCorpus) -> Path:
    """Every picture in input order with its class, prototype and distance."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from scoring.store import atomic_path

    prototypes, kept = made.pruned.prototypes, made.pruned.kept
    stays = np.zeros(len(pictures.ids), bool)
    stays[kept.rows] = True
    labels: list[str | None] = [None] * len(pictures.ids)
    if pictures.classes is not None:
        labels = [None if c < 0 else pictures.class_names[c] for c in pictures.classes.tolist()]
    without = prototypes.labels < 0
    table = pa.table(
        {
            "id": pa.array(pictures.ids.tolist(), pa.string()),
            "label": pa.array(labels, pa.string()),
            "prototype": pa.array(prototypes.labels, pa.int32(), mask=without),
            "distance": pa.array(
                prototypes.distance, pa.float64(), mask=np.isnan(prototypes.distance)
            ),
            "kept": pa.array(stays),
        }
    )
    path = work / TABLE
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def _write_prototypes(work: Path, made: PrunedCorpus) -> Path:
    """The centres of the clusters; distance is measured from them."""
    import numpy as np

    from scoring.store import atomic_path

    path = work / PROTOTYPES
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, made.pruned.prototypes.centres)
    return path


def _write_evidence(work: Path, made: PrunedCorpus) -> Path:
    """Probes, other numbers of prototypes and the recall of duplicates, as JSON."""
    from dataclasses import asdict

    from scoring.store import atomic_path

    told = {
        "strategy": made.strategy,
        "why": made.why,
        "probes": [] if made.pilot is None else made.pilot.table(),
        "could be trained on": None if made.pilot is None else made.pilot.pool,
        "trials": [] if made.pilot is None else [asdict(trial) for trial in made.pilot.trials],
        "prototypes": [asdict(one) for one in made.robustness],
        "duplicates": None
        if made.recall is None
        else {
            "sample": made.recall.sample,
            "in a sample": made.recall.anywhere,
            "of them in their cluster": made.recall.inside,
        },
    }
    path = work / EVIDENCE
    with atomic_path(path) as temporary:
        temporary.write_text(plain_json(told), "utf-8")
    return path


def _write_card(work: Path, run: Run, made: PrunedCorpus, command: str) -> Path:
    """The data card."""
    from data_cards.write_card import selection_card
    from pickwell import __version__
    from pickwell.prune_words import judgement
    from scoring.store import atomic_path

    described, selection = run.manifest["input"], made.pruned.selection
    hub = described.get("hub") or {}
    source = {"name": hub.get("id") or Path(described["path"]).name, "how": described["how"]}
    if hub:
        source |= {"hub": hub["id"], "url": hub["url"], "revision": described["revision"]}
    else:
        source["path"] = described["path"]
    funnel = selection.funnel()
    models = run.manifest["models"]
    text = selection_card(
        title=made.folder.name,
        source=source,
        read=sum(funnel.values()),
        chosen=funnel["chosen"],
        funnel=funnel,
        parameters=dict(selection.parameters) | {"why": made.why},
        version=__version__,
        models={"encoder": f"{models['specs'].get('encoder')} (key {models['encoder']})"},
        command=command,
        front_matter=described.get("front_matter"),
        limits=(
            *judgement(made),
            "Whether training on what stays is better than on a random part of the same size has"
            " to be measured.",
            "The licence and the biases of the source hold for every picture taken from it.",
        ),
        tasks=("image-feature-extraction",),
    )
    path = work / "README.md"
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path
