"""What page and terminal call things, whichever way a corpus was pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selector.outcome import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pickwell.config import PruneConfig
    from pickwell.pruned import PrunedCorpus

NEAREST = "distance to the nearest prototype"
PAIRS = (
    "Left goes, right is why; where both are framed, the right one goes, too. The least similar"
    " pairs come first: they are those to be doubted."
)


def stages(made: PrunedCorpus) -> list[tuple[str, str, str]]:
    """What became of pictures: of one, of many, and the stage."""
    if made.by is None:
        return [
            ("cannot be read", "cannot be read", "failed"),
            ("goes as a duplicate", "go as duplicates", "duplicate"),
            ("goes by rank", "go by rank", "not chosen"),
            ("stays", "stay", "chosen"),
        ]
    found = [
        ("takes no part", "take no part", "failed"),
        ("goes for its likeness", "go for their likeness to another", "duplicate"),
        ("is not picked", "are not picked", "not chosen"),
        ("stays", "stay", "chosen"),
    ]
    return [one for one in found if one[2] != "duplicate" or made.pruned.duplicates is not None]


def sections(made: PrunedCorpus) -> dict[str, str]:
    """Headings, and the sentences below them."""
    repeats = made.pruned.duplicates is not None and len(made.pruned.duplicates.rows) > 0
    if made.by is not None:
        score = made.by.score
        told = "" if score is None else f", with {_scored(score)}"
        return {
            "goes": "What is not picked" if repeats else "What goes",
            "goes_sub": f"Drawn at random from all that are not picked{told}.",
            "nothing_goes": "Nothing is left unpicked.",
            "stays": "What stays first",
            "stays_sub": f"The first picks of {made.by.name}, in their order{told}.",
            "pairs": "What goes for its likeness, beside what it is like",
            "pairs_short": "Likeness",
            "pairs_sub": PAIRS,
            "clusters_sub": ""
            if made.by.by_prototypes
            else "Clusters tell where a picture lies; they play no part in the choice.",
        }
    found = {
        "goes": "What goes by rank" if repeats else "What goes first",
        "goes_sub": f"The pictures that the ranking would part with first, with their {NEAREST}.",
        "nothing_goes": "Nothing goes by rank.",
        "stays": "What stays first",
        "stays_sub": "The pictures that the ranking keeps before all others.",
        "pairs": "Duplicates beside what stands for them",
        "pairs_short": "Duplicates",
        "pairs_sub": PAIRS,
        "clusters_sub": "",
    }
    if made.strategy == "random":
        found |= {
            "goes": found["goes"].removesuffix(" first"),
            "goes_sub": "Drawn at random from all that go by rank, as they themselves were, with"
            f" their {NEAREST}.",
            "stays": "What stays",
            "stays_sub": "Drawn at random from all that stay.",
        }
    return found


def found_lines(made: PrunedCorpus) -> list[tuple[str, str]]:
    """What a method found beside its picks: name, and value with what it is."""
    parameters = made.pruned.selection.parameters
    means = parameters.get("found_is", {})
    if made.by is None or made.by.shares:  # class by class it stands in the manifest
        return []
    return [
        (name, f"{number(value) if isinstance(value, float) else value}: {means[name]}")
        for name, value in parameters.get("found", {}).items()
        if name in means
    ]


def judgement(made: PrunedCorpus) -> list[str]:
    """What the numbers that pictures were chosen by are not."""
    by = made.by
    if by is None or by.by_prototypes:
        return [
            "Distance to a prototype is no judgement of quality: it says how unlike the others a"
            " picture is, to this encoder."
        ]
    if by.score is not None:
        model = "" if by.score == "class-mean" else " and a small model on its vectors"
        return [
            f"The score {by.score} is no judgement of quality: it says how hard a picture is, to"
            f" this encoder{model}; wrong labels are hard, too."
        ]
    if "features" in by.needs:
        seen = " and classes" if by.shares or "labels" in by.needs else ""
        return [
            f"The method sees the vectors of this encoder{seen} alone: it judges no picture by its"
            " quality, and tells no more apart than they do."
        ]
    return []


def limits(made: PrunedCorpus, settings: PruneConfig) -> Sequence[str]:
    """What the page does not say."""
    lines = judgement(made)
    if made.strategy == "hard":
        lines.append(
            "Keep-hard keeps broken and mislabelled pictures first: look at the first of those that"
            " stay, above."
        )
    if made.by is not None and made.by.name == "random":
        lines.append("A random choice: what others are held against.")
    elif made.pilot is None:
        lines.append(
            "No probe was trained: whether this choice is better than random is not known."
        )
    else:
        lines.append(
            "Probes are small models on frozen vectors. Training a network from scratch may rank"
            " the strategies otherwise."
        )
    if made.recall is not None and made.recall.anywhere > made.recall.inside:
        lines.append(f"Not every duplicate is found. {made.recall.words}")
    if settings.strategy == "auto" and made.pilot is not None:
        lines.append(
            "The probes that chose the strategy were trained on this corpus: their figures for the"
            " chosen one are a little too good."
        )
    return lines


def plotted(made: PrunedCorpus) -> tuple[str, str]:
    """Label and caption of the drawing of how hard pictures are."""
    label = f"{NEAREST} (1 - cosine); right is hard"
    caption = "Distance to the nearest prototype of all pictures that could be read."
    if made.by is None or made.by.by_prototypes:
        return label, caption
    if made.by.score is not None:
        return (
            f"{made.by.score}; right is hard",
            f"The score {made.by.score} of all pictures that have one.",
        )
    return label, f"{caption} It plays no part in the choice."


def _scored(score: str) -> str:
    return f"their {NEAREST}" if score == "prototype" else f"their score {score}, higher is harder"
