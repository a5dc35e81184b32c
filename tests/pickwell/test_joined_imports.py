"""Columns from elsewhere, joined to a run and to one that is scored like it."""

import pytest

from data_cards import BadInputError
from pickwell.config import SelectConfig
from pickwell.judging import judge
from pickwell.scoring_job import score
from scoring.run import Run


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.csv").write_text("id,mine\np30,1\np31,2\n")
    (tmp_path / "b.csv").write_text("id,yours\np30,3\n")
    return [tmp_path / "a.csv", tmp_path / "b.csv"]


def test_a_later_batch_is_joined_too(plain, tmp_path, files):
    run = score(plain.new, tmp_path / "new", like=plain.run, cache=plain.cache, imports=files)
    told = run.manifest["imported"]
    assert told["columns"] == ["mine", "yours"] and told["files"] == [str(f) for f in files]
    assert run.scores["mine"].to_pylist()[:3] == [1, 2, None]
    assert run.scores["yours"].to_pylist()[:2] == [3, None]
    with pytest.raises(BadInputError, match="'mine' has no direction") as refused:
        judge(run, SelectConfig(consensus=["mine"]))
    assert refused.value.remedy.endswith("--by mine.")
    assert judge(run, SelectConfig(by="mine")).quality[1] == 2


def test_a_wrong_file_is_told_of_before_anything_is_scored(plain, tmp_path):
    words = {"like": plain.run, "cache": plain.cache, "imports": [tmp_path / "none.csv"]}
    with pytest.raises(BadInputError, match="does not exist"):
        score(plain.new, tmp_path / "new", **words)
    assert not (tmp_path / "new").exists()


def test_all_files_are_joined_or_none(plain, tmp_path, files):
    words = {"models": "none", "metrics": ["length"], "cache": plain.cache}
    with pytest.raises(BadInputError, match="already has a column 'mine'"):
        score(plain.new, tmp_path / "new", imports=[files[0], files[0]], **words)
    assert "mine" not in Run.open(tmp_path / "new").scores.column_names
