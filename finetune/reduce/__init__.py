"""What a reduced data set is worth: the same training on what each method of the shelf keeps."""

from finetune.reduce.entries import Entry, known_score, parse_entry
from finetune.reduce.kept import stored_in
from finetune.reduce.outcomes import Line, Outcome, lines_of
from finetune.reduce.run import Labelled, Plan, run_benchmark

__all__ = [
    "Entry",
    "Labelled",
    "Line",
    "Outcome",
    "Plan",
    "known_score",
    "lines_of",
    "parse_entry",
    "run_benchmark",
    "stored_in",
]
