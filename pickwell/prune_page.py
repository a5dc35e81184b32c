"""The report of a pruned corpus: what stays and what goes, as pictures, and the evidence."""

from __future__ import annotations

import base64
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.report.pages import style, template
from pickwell.words import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pickwell.config import PruneConfig
    from pickwell.prune_corpus import Corpus
    from pickwell.pruned import PrunedCorpus
    from scoring.run import Run

_STYLES = ("style.css", "charts.css", "comparison.css", "prune.css")
SHOWN = 48
"""Pictures in each of the two galleries."""
CLUSTERS = 16
ROW = 6
"""Pictures at either end of a cluster."""
PAIRS = 24
BROKEN = 20


def write_prune_page(
    path: Path,
    run: Run,
    pictures: Corpus,
    made: PrunedCorpus,
    settings: PruneConfig,
    command: str,
) -> Path:
    """Write the page; it is complete or not there at all."""
    from data_cards.replacing import replacing

    page = _page(run, pictures, made, settings, command)
    with replacing(path, "w") as file:
        for chunk in template("prune.html").generate(page=page, style=style(_STYLES)):
            file.write(chunk)
    return path


def _put_pictures(run: Run, pictures: Corpus, cards: Sequence[dict[str, Any]]) -> None:
    """Give cards their thumbnails as ``data:`` addresses; only those that are shown are read."""
    keys = [pictures.keys[card["row"]] for card in cards]
    found = run.thumbnails({key for key in keys if key is not None})
    for card, key in zip(cards, keys, strict=True):
        data = found.get(key) if key is not None else None
        if data is not None:
            card["picture"] = "data:image/webp;base64," + base64.b64encode(data).decode()


def _page(
    run: Run, pictures: Corpus, made: PrunedCorpus, settings: PruneConfig, command: str
) -> dict[str, Any]:
    from pickwell.prune_balance import balance
    from pickwell.prune_captions import captions
    from pickwell.prune_plots import distances, probe_curve
    from pickwell.prune_probes import probe_blocks
    from pickwell.prune_words import limits, plotted, sections, stages

    pruned = made.pruned
    cards: list[dict[str, Any]] = []
    prototypes, kept = pruned.prototypes, pruned.kept
    shown = prototypes.distance if made.by is None else made.by.values

    def card(row: int) -> dict[str, Any]:
        classes = pictures.classes
        label = "" if classes is None or classes[row] < 0 else pictures.class_names[classes[row]]
        tile = {
            "row": int(row),
            "picture": None,
            "id": str(pictures.ids[row]),
            "label": label,
            "value": None if shown is None else float(shown[row]),
            "kept": bool(stays[row]),
        }
        cards.append(tile)
        return tile

    import numpy as np

    stays = np.zeros(len(pictures.ids), bool)
    stays[kept.rows] = True
    first, gone = _galleries(pictures, made, settings.seed)
    funnel = pruned.selection.funnel()
    label, caption = plotted(made)
    plot = prototypes.distance if shown is None else shown
    plots = [
        {
            "svg": _inline(distances(plot, kept.rows, label)),
            "caption": caption,
        }
    ]
    if made.pilot is not None:
        plots.insert(
            0,
            {
                "svg": _inline(probe_curve(made.pilot)),
                "caption": "Probes on frozen vectors, tested on pictures held out"
                f" ({settings.probe_seeds} seeds, gains paired by seed; bars are 95 % intervals"
                " over seeds, those of an accuracy cut off at 0 and 100 %); on the left, of"
                f" {made.pilot.part}; marks stand side by side so that none hides another.",
            },
        )
    page = {
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "kept": funnel["chosen"],
        "read": sum(funnel.values()),
        "stay": made.stay,
        "funnel": [{"stage": name, "count": funnel[key]} for name, _, key in stages(made)],
        "said": sections(made),
        "lead": made.why,
        "short": pruned.selection.parameters.get("shortfall"),
        "remarks": made.remarks,
        "facts": _facts(run, pictures, made, settings),
        "pairs_first": funnel["duplicate"] >= funnel["not chosen"],
        "stays": [card(row) for row in first],
        "goes": [card(row) for row in gone],
        "clusters": _clusters(pictures, made, card),
        "pairs": _pairs(made, card),
        "recall": "" if made.recall is None else made.recall.words,
        "plots": plots,
        "probes": [] if made.pilot is None else probe_blocks(made.pilot),
        "balance": balance(pictures, made, stays),
        "robustness": made.robustness,
        "broken": [
            {"id": id_, "reason": reason}
            for id_, reason in zip(pictures.ids.tolist(), pictures.errors, strict=True)
            if reason is not None
        ][:BROKEN],
        "floors": made.by is None,
        "limits": limits(made, settings),
    }
    _put_pictures(run, pictures, cards)
    for tile, text in zip(
        cards, captions([tile["label"] or tile["id"] for tile in cards]), strict=True
    ):
        tile["caption"] = text
    return page


def _galleries(pictures: Corpus, made: PrunedCorpus, seed: int) -> tuple[list[int], list[int]]:
    """Rows to show of what stays and of what goes: the ends of a ranking, or draws."""
    kept = made.pruned.kept
    if made.by is not None:  # its picks have an order, the others have none
        return kept.rows[:SHOWN].tolist(), _drawn(pictures, kept.removed, seed)
    if made.strategy == "random":
        return _drawn(pictures, kept.rows, seed), _drawn(pictures, kept.removed, seed)
    place = {id_: row for row, id_ in enumerate(pictures.ids.tolist())}
    last = _last(made.pruned.selection.table, "not chosen", SHOWN)
    return kept.rows[:SHOWN].tolist(), [place[id_] for id_ in last]


def _drawn(pictures: Corpus, rows: np.ndarray, seed: int) -> list[int]:
    """Some rows, evenly; the order of the corpus does not matter."""
    from selector.order import canonical_order

    return rows[canonical_order(pictures.ids[rows], seed, purpose="gallery")][:SHOWN].tolist()


def _last(table: Any, stage: str, count: int) -> list[str]:
    """Last ids of a stage, the last first; the table is sorted by what is kept sooner."""
    import pyarrow.compute as pc

    ids = table.filter(pc.equal(table["stage"], stage))["id"]
    return list(ids[max(0, len(ids) - count) :].to_pylist()[::-1])


def _facts(
    run: Run, pictures: Corpus, made: PrunedCorpus, settings: PruneConfig
) -> list[tuple[str, str]]:
    from pickwell.prune_by import NO_PART
    from pickwell.prune_words import found_lines
    from scoring.dynamics.catalogue import SCORES

    source = run.manifest["input"]
    prototypes, parameters = made.pruned.prototypes, made.pruned.selection.parameters
    kind = "class mean" if prototypes.names else "k-means prototype"
    how = many(len(prototypes.centres), kind)
    if not prototypes.names:
        how += f", {many(prototypes.iterations, 'iteration')}"
    facts = [
        ("Corpus", str(source["path"])),
        ("Read as", source["how"]),
        ("Encoder", str(run.manifest["models"]["specs"].get("encoder", settings.encoder))),
    ]
    if made.by is None or made.by.by_prototypes:
        facts += [("Prototypes", how), ("Mean distance", f"{prototypes.objective:.4f}")]
    else:
        facts.append(("Clusters", f"{how}. {NO_PART}"))
    if made.by is None:
        by = parameters["balance_by"]
        floor = "none" if by == "none" else f"{settings.balance:.0%} of the equal share, by {by}"
        facts += [("Strategy", made.strategy), ("Floor", floor)]
    else:
        facts.append(("Method", made.by.name))
        measures = {one.name: one.measures for one in SCORES}
        if made.by.score is not None:
            facts.append(("Score", f"{made.by.score}: {measures[made.by.score]}"))
        facts += [("Among classes", made.by.shares)] if made.by.shares else []
        facts += [(name.capitalize(), said) for name, said in found_lines(made)]
    if pictures.classes is not None:
        facts.append(("Classes", f"{len(pictures.class_names):,}"))
    if settings.random_share:
        facts.append(("Random mixed in", f"{settings.random_share:.0%}"))
    return [*facts, *(("Note", note) for note in parameters["notes"])]


def _clusters(pictures: Corpus, made: PrunedCorpus, card: Any) -> list[dict[str, Any]]:
    """The largest clusters, their nearest and farthest pictures."""
    import numpy as np

    prototypes = made.pruned.prototypes
    shown = []
    for number in np.argsort(-prototypes.sizes, kind="stable")[:CLUSTERS]:
        members = np.flatnonzero(prototypes.labels == number)
        ranked = members[np.argsort(prototypes.distance[members], kind="stable")]
        near, far = ranked[:ROW], ranked[ROW:][::-1][:ROW]
        name = f"prototype {number}"
        if prototypes.names:
            name = pictures.class_names[prototypes.names[int(number)]]
        elif pictures.classes is not None:
            met = Counter(pictures.classes[members].tolist()).most_common(1)[0]
            if met[0] >= 0:
                name += f", mostly {pictures.class_names[met[0]]} ({met[1] / len(members):.0%})"
        shown.append(
            {
                "name": name,
                "size": len(members),
                "near": [card(row) for row in near],
                "far": [card(row) for row in far],
            }
        )
    return shown


def _pairs(made: PrunedCorpus, card: Any) -> list[dict[str, Any]]:
    """Duplicates beside what stands for them, the least similar first: those to be doubted."""
    import numpy as np

    from pickwell.prune_captions import below_one

    found = made.pruned.duplicates
    if found is None:
        return []
    order = np.argsort(found.similarity, kind="stable").tolist()
    # one pair for each picture that stays: a series of copies would fill the page
    half = _one_for_each(order, found.rivals, PAIRS // 2)
    rest = _one_for_each(order[::-1], found.rivals, PAIRS - len(half), half)
    return [
        {
            "goes": card(found.rows[row]),
            "stays": card(found.rivals[row]),
            "cosine": below_one(float(found.similarity[row])),
        }
        for row in half + rest
    ]


def _one_for_each(
    order: Sequence[int], rivals: np.ndarray, count: int, before: Sequence[int] = ()
) -> list[int]:
    """The first ``count`` of an order whose rivals were not met yet."""
    met = {int(rivals[row]) for row in before}
    taken: list[int] = []
    for row in order:
        if len(taken) == count:
            break
        if int(rivals[row]) not in met:
            met.add(int(rivals[row]))
            taken.append(row)
    return taken


def _inline(svg: str) -> str:
    """The drawing alone, without what stands before it in a document of its own."""
    return re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
