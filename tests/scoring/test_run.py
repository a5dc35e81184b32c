"""A run folder that was damaged is said to be so."""

import json

import pytest

from data_cards import BadInputError
from scoring.run import FORMAT_VERSION, Run


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_damaged_tables(content, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"format_version": FORMAT_VERSION}))
    for name in ("scores.parquet", "samples.parquet"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    run = Run.open(tmp_path)
    with pytest.raises(BadInputError, match=r"scores\.parquet cannot be read"):
        run.scores  # noqa: B018
    with pytest.raises(BadInputError, match=r"samples\.parquet cannot be read"):
        run.samples(["id"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": 99}'])
def test_damaged_manifests(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadInputError, match=r"run\.json"):
        Run.open(tmp_path)


def test_no_run(tmp_path):
    with pytest.raises(BadInputError, match="holds no finished run"):
        Run.open(tmp_path)
