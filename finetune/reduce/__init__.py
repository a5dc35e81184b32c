"""What a reduced data set is worth: the same training on what each method of the shelf keeps."""

from finetune.reduce.outcomes import Line, Outcome, lines_of
from finetune.reduce.run import (
    Entry,
    Labelled,
    Plan,
    parse_entry,
    refuse_unknown_score,
    run_benchmark,
)

__all__ = [
    "Entry",
    "Labelled",
    "Line",
    "Outcome",
    "Plan",
    "lines_of",
    "parse_entry",
    "refuse_unknown_score",
    "run_benchmark",
]
