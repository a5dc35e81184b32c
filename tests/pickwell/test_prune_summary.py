"""What `pickwell prune` prints of pictures that take no part."""

from pathlib import Path

import numpy as np
import pytest

from pickwell.config import PruneConfig
from pickwell.prune_corpus import Corpus
from pickwell.prune_job import prune_pictures
from pickwell.prune_summary import broken_lines
from tests.pickwell.test_prune_command import draw

LARGE = "image has too many pixels (9 x 9, limit 80)"


def pruned(errors, count=None):
    rows = len(errors)
    matrix = np.random.default_rng(0).standard_normal((rows, 6))
    pictures = Corpus(
        np.array([f"row-{n}" for n in range(rows)], object), errors, Path(), matrix, None, [],
        np.arange(rows, dtype=np.uint64), None,
    )  # fmt: skip
    settings = PruneConfig(robust=False, strategy="hard", prototypes=2, count=count)
    return prune_pictures(pictures, Path("out"), settings, lambda *said: None)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([], []),
        (["torn"], ["  row-8: torn"]),
        (
            [LARGE],
            [f"  row-8: {LARGE}", "A higher --max-pixels reads 1 picture that is too large."],
        ),
    ],
)
def test_the_first_are_named(errors, said):
    assert broken_lines(pruned([None] * 8 + errors)) == said


def test_of_many_three_are_named_and_the_rest_counted():
    found = broken_lines(pruned([None] * 4 + ["a", "b", LARGE, "c", LARGE]))
    assert found[:3] == ["  row-4: a", "  row-5: b", f"  row-6: {LARGE}"]
    assert len(found) == 5 and found[3].startswith("  ... and 2 more: the reason of each stands in")
    assert "selection.parquet" in found[3] and found[4].endswith("2 pictures that are too large.")


def test_one_that_stays_is_said_in_the_singular():
    assert pruned([None] * 8, count=1).stay == "1 of 8 pictures stays"
    assert pruned([None] * 8, count=2).stay == "2 of 8 pictures stay"


def test_a_large_picture_is_read_where_the_limit_says_so(pickwell_here, tmp_path):
    (tmp_path / "corpus").mkdir()
    for number in range(4):
        draw("box", number).save(tmp_path / "corpus" / f"{number}.png")
    draw("box", 9).resize((120, 120)).save(tmp_path / "corpus" / "large.png")
    words = ("prune", "corpus", "--strategy", "hard", "--keep", 0.5, "--prototypes", 1)
    done = pickwell_here(*words, "--out", "a", "--max-pixels", 10_000)
    assert done.returncode == 0, done.stderr
    assert "large.png: image has too many pixels (120 x 120, limit 10000)" in done.stdout
    assert "A higher --max-pixels reads 1 picture" in done.stdout
    done = pickwell_here(*words, "--out", "b", "--max-pixels", 20_000)
    assert "too many pixels" not in done.stdout and "of 5 pictures stay" in done.stdout
    done = pickwell_here("prune", "a", "--out", "c", "--max-pixels", 20_000)
    assert done.returncode == 2 and "--max-pixels is that of the first time" in done.stderr
