"""What is said of each score: what it measures, needs and costs, and when it is a good idea."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TRAININGS = "the proxy's trainings (benchmark 3 by default, prune 5), shared with other scores"

NEARLY_STRAIGHT = "its loss hardly bends, and such scores say little"


@dataclass(frozen=True)
class ScoreFacts:
    """One score; higher is harder, except where ``measures`` says otherwise.

    Attributes:
        name: As it is asked for.
        measures: What it is, in a few words.
        needs: What must be there.
        cost: Beyond what others need, too.
        good_when: When it is a good idea, and when not.
        source: Paper and equation.
        how: ``"methods"``: as ``METHOD:NAME``; else how it is had from Python.
        linear: What is to be said of it where the proxy is linear.
    """

    name: str
    measures: str
    needs: str
    cost: str
    good_when: str
    source: str
    how: str = "methods"
    linear: str = ""


SCORES: tuple[ScoreFacts, ...] = (
    ScoreFacts(
        "forgetting",
        "how often right and, presented next, wrong; never learned counts as the hardest",
        "classes",
        f"{TRAININGS}; nothing else",
        "much is kept of clean data, trained for many epochs; wrong labels rank as the hardest",
        "Toneva et al., arXiv 1812.05159, definition 2",
    ),
    ScoreFacts(
        "el2n",
        "length of p - onehot(y), in [0, sqrt 2]",
        "classes",
        f"{TRAININGS}; one forward pass",
        "early in the training (--score-epoch) and over ten starts; hardest first only where much "
        "is kept",
        "Paul et al., arXiv 2107.07075, definition 3.1",
    ),
    ScoreFacts(
        "grand",
        "length of the loss's gradient in the last linear layer",
        "classes",
        f"{TRAININGS}; one forward pass, by the factorisation",
        "as el2n; an approximation of GraNd that is exact for that layer",
        "Paul et al., arXiv 2107.07075, definition 2.1, last layer",
    ),
    ScoreFacts(
        "grand-all",
        "length of the loss's gradient in all parameters",
        "classes",
        f"{TRAININGS}; a gradient of every sample for each",
        "as grand, where the last layer does not say enough; not at initialisation",
        "Paul et al., arXiv 2107.07075, definition 2.1; Kirsch, arXiv 2303.14753",
    ),
    ScoreFacts(
        "aum",
        "area under the margin over the whole training, sign turned",
        "classes",
        f"{TRAININGS}; nothing else",
        "wrong labels are to be found, or for ccs and d2, whose papers use it",
        "Pleiss et al., arXiv 2001.10528; on probabilities as in the code of CCS",
    ),
    ScoreFacts(
        "loss",
        "mean loss over the training, in nats",
        "classes",
        f"{TRAININGS}; nothing else",
        "a plain measure beside the others",
        "the cross-entropy of the training",
    ),
    ScoreFacts(
        "entropy",
        "entropy of the prediction, in nats; it looks at no label",
        "classes, for the proxy alone",
        f"{TRAININGS}; one forward pass",
        "labels are noisy: a wrong one does not make a sample hard",
        "uncertainty sampling, Lewis and Gale 1994",
    ),
    ScoreFacts(
        "margin",
        "largest other probability less the own one, in [-1, 1]",
        "classes",
        f"{TRAININGS}; one forward pass",
        "samples near the border between classes are wanted",
        "margin sampling, Scheffer et al. 2001, on the own class",
    ),
    ScoreFacts(
        "memorization",
        "how much more often right with itself in the training, in [-1, 1]",
        "classes, and a proxy that can learn by heart (--model convnet)",
        "60 trainings of its own, on seven tenths; standard error of a sample 0.14 or a little "
        "more, told with the result",
        "rare kinds are wanted and trainings are cheap; a linear proxy says next to nothing",
        "Feldman and Zhang, arXiv 2008.03703, section 2 (2,000 trainings there)",
        linear="it can learn next to nothing by heart, and such scores say little",
    ),
    ScoreFacts(
        "curvature",
        "how far the input gradient turns a small step away, ten random signs",
        "classes, and a proxy that is not linear",
        f"{TRAININGS}; eleven input gradients of every sample for each",
        "wrong labels and memorised samples are to be found without many trainings",
        "Garg and Roy's later measure of memorisation (their code): h = 1e-3, ten draws",
        linear=NEARLY_STRAIGHT,
    ),
    ScoreFacts(
        "curvature-sign",
        "the same by one step of 3 along the gradient's sign: SLo-Curves' own form",
        "classes, and a proxy that is not linear",
        f"{TRAININGS}; two input gradients of every sample for each",
        "as published: easiest:curvature-sign per class; on digits it ranks wrong labels below "
        "right ones",
        "Garg and Roy, SLo-Curves, CVPR 2023",
        linear=NEARLY_STRAIGHT,
    ),
    ScoreFacts(
        "prototype",
        "distance to the nearest k-means centre of the vectors",
        "nothing but the vectors",
        "k-means; no training",
        "there are no classes, or no time; hard first where much is kept, easy where little is",
        "Sorscher et al., arXiv 2206.14486",
    ),
    ScoreFacts(
        "class-mean",
        "distance to the mean of its class",
        "classes",
        "one pass over the vectors; no training",
        "classes are compact and no training is wanted",
        "Sorscher et al., arXiv 2206.14486, the supervised form",
    ),
    ScoreFacts(
        "influence",
        "how much more often each test sample is right with each training sample, in [-1, 1]: a "
        "matrix (training samples, test samples), which no method ranks by",
        "classes, test samples, and a proxy that can learn by heart",
        "many trainings on seven tenths (2,000 published), two matrix products",
        "it is asked which training samples decide a test sample",
        "Feldman and Zhang, arXiv 2008.03703, section 2",
        "scoring.dynamics.subset_runs(fit, rows, test_rows, folder, runs=200).influence: not a "
        "choice of any command",
    ),
)
"""In the order in which they are listed."""


def doubts(scores: Iterable[str]) -> list[str]:
    """What is to be said of scores of a linear proxy, a sentence each.

    Args:
        scores: Their names.
    """
    wanted = set(scores)
    return [
        f"The score {one.name} comes from a linear proxy: {one.linear}."
        for one in SCORES
        if one.name in wanted and one.linear
    ]
