"""Gains on one look: marks follow the verdicts, gaps stay empty."""

from __future__ import annotations

import math

from finetune.reduce import Line
from pickwell.benchmark_gains import gains


def line(method, budget, gain, low, high, rule="epochs", accuracy=0.5):
    return Line(method, budget, rule, 10, accuracy, 0.1, gain, low, high, 0.1, 1.0, 0.0, 5)


def test_methods_down_budgets_across():
    lines = [
        line("herding", "10%", 0.056, 0.01, 0.1),
        line("random", "10%", 0.0, 0.0, 0.0, accuracy=0.755),
        line("ccs:aum", "10%", -0.02, -0.03, -0.01),
        line("ccs:aum", "30%", 0.004, -0.01, 0.02),
        line("random", "30%", 0.0, 0.0, 0.0, accuracy=0.88),
        line("herding", "30%", math.nan, math.nan, math.nan),
        line("herding", "10%", 0.9, 0.8, 1.0, rule="steps"),
    ]
    assert gains(lines, "epochs").splitlines() == [
        "| method | 10% | 30% |",
        "|---|---:|---:|",
        "| random, % right | 75.5 | 88.0 |",
        "| herding | **+5.6** |  |",
        "| ccs:aum | *-2.0* | +0.4 |",
    ]


def test_one_seed_marks_nothing():
    lines = [line("herding", "10%", 0.056, math.nan, math.nan), line("random", "10%", 0, 0, 0)]
    assert "| herding | +5.6 |" in gains(lines, "epochs")
