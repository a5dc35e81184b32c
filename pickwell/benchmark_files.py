"""What ``benchmark`` writes: the table for people and for programs, and a plot."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from pickwell.benchmark_plot import RULES, plot
from pickwell.plain_json import plain_json
from pickwell.typed_command import typed_command
from pickwell.words import many

if TYPE_CHECKING:
    from finetune.reduce import Line
    from pickwell.benchmark_job import Benchmark

SPREAD = (
    "**right, %**: accuracy on the pictures held out, the mean over the seeds; **±** is the "
    "standard deviation over the seeds, not an interval."
)
COLUMNS = (
    SPREAD,
    "**over random**: points more than random at the same budget, rule and seed, the mean over the "
    "seeds; **95 %**: the interval of that mean (paired Student's t over the seeds; very "
    "wide where there are two or three).",
    "**choosing**: seconds that choosing took, + seconds that making the score took, which all "
    "methods and budgets of that score share.",
    "**memory**: the most that choosing had allocated, beside what was there.",
    "**verdict**: better or worse than random where the whole interval lies on one side of 0; "
    "else no better than random.",
)
"""What the columns of the table are, in Markdown."""
HEADINGS = ("method", "kept", "right, %", "over random", "95 %", "choosing", "memory", "verdict")


def write_files(made: Benchmark) -> None:
    """``benchmark.json``, ``README.md`` and ``benchmark.svg``."""
    from pickwell import __version__

    told = {
        "version": __version__,
        "corpus": made.corpus,
        "options": made.settings.model_dump(mode="json"),
        "pictures": made.rows,
        "classes": made.classes,
        "left_out": made.left_out.record(),
        "lines": [asdict(line) | {"verdict": line.verdict} for line in made.lines],
        "outcomes": [asdict(one) for one in made.outcomes],
    }
    path = made.folder / "benchmark.json"
    path.write_text(plain_json(told), "utf-8")
    (made.folder / "benchmark.svg").write_text(plot(made.lines), "utf-8")
    (made.folder / "README.md").write_text(_page(made), "utf-8")


def cells(line: Line) -> list[str]:
    """One line of the table, as text."""
    spread = "" if math.isnan(line.spread) else f" ± {100 * line.spread:.1f}"
    random = line.method == "random"
    gain = "" if random or math.isnan(line.gain) else points(line.gain)
    span = ""
    if not random and not math.isnan(line.low):
        span = f"{points(line.low)} to {points(line.high)}"
    seconds = f"{line.seconds:.2f} s"
    if line.score_seconds:
        seconds += f" + {line.score_seconds:.0f} s"
    return [
        line.method, f"{line.count:,.0f}", f"{100 * line.accuracy:.1f}{spread}", gain, span,
        seconds, f"{line.megabytes:.0f} MB", line.verdict,
    ]  # fmt: skip


def points(share: float) -> str:
    """A gain in points; one digit, and more where it would seem to be none."""
    value = 100 * share
    digits = next((n for n in (1, 2, 3) if round(value, n)), 1)
    return f"{value:+z.{digits}f}"


def table(lines: list[Line], rule: str) -> str:
    """The lines of one rule as Markdown, budget by budget."""
    rows = ["| budget | " + " | ".join(HEADINGS) + " |", "|---" * (len(HEADINGS) + 1) + "|"]
    for line in lines:
        if line.rule == rule:
            rows.append(f"| {line.budget} | " + " | ".join(cells(line)) + " |")
    return "\n".join(rows)


def _page(made: Benchmark) -> str:
    settings = made.settings
    parts = [
        "# Reduction methods beside random",
        f"{many(made.rows, 'picture')} of {many(made.classes, 'class', 'classes')}; "
        f"{settings.test_share:.0%} held out anew for each of {many(settings.seeds, 'seed')}, "
        f"which took no part in any choice; {settings.model}, {many(settings.epochs, 'epoch')}, "
        "accuracy after the last step. Gains are paired by seed.",
        f"```sh\n{typed_command('benchmark', made.corpus, made.folder, settings)}\n```",
        " ".join(remarks(made)),
    ]
    if left_out := made.left_out.sentences():
        parts.append(" ".join([*left_out, "All of it: `left_out` in `benchmark.json`."]))
    parts.append("![gain over random](benchmark.svg)")
    for rule in dict.fromkeys(line.rule for line in made.lines):
        parts += [f"## {RULES[rule].capitalize()}", table(made.lines, rule)]
    parts.append("\n".join(f"- {sentence}" for sentence in COLUMNS))
    return "\n\n".join(parts + errors(made.lines)) + "\n"


def remarks(made: Benchmark) -> list[str]:
    """What the tables rest on, what is to be doubted, and what they leave out."""
    from scoring.dynamics.catalogue import doubts
    from scoring.dynamics.named import NAMED, SUBSETS

    settings = made.settings
    named = {word for line in made.lines for word in line.method.split(":")[1:2]}
    scores = named & set(NAMED)
    said = [f"Vectors: encoder `{settings.encoder}`."]
    if scores:
        linear = settings.model == "linear"
        proxy = "a linear layer on the vectors" if linear else f"the {settings.model} itself"
        epochs = settings.score_epochs if linear else settings.epochs
        runs = {"memorization": f"{SUBSETS} trainings on seven tenths"}
        usual = many(settings.score_runs, "start")
        starts = dict.fromkeys(runs.get(score, usual) for score in sorted(scores))
        said.append(
            f"Scores come from {proxy}: {' and '.join(starts)}, of {many(epochs, 'epoch')}."
        )
        said += doubts(scores) if linear else []
    if made.stored > len(made.outcomes):
        said.append(
            f"{made.stored - len(made.outcomes):,} trainings of other methods, budgets or seeds "
            "are kept in `trainings/` and not shown."
        )
    return said


def errors(lines: list[Line]) -> list[str]:
    """A sentence for each method whose score has a standard error that is known."""
    worst: dict[str, float] = {}
    for line in lines:
        if line.score_error is not None:
            worst[line.method] = max(worst.get(line.method, 0.0), line.score_error)
    return [
        f"The standard error of one picture's score in {method} is {error:.2f} at most."
        for method, error in worst.items()
    ]
