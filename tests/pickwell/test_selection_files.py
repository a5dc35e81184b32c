"""A selection folder takes its place whole, or the old one stays."""

import json

import pytest

from data_cards import BadInputError
from pickwell.report_job import report_again
from pickwell.selection_files import replaced_folder, write_manifest


def test_the_old_folder_stays_where_the_new_one_fails(tmp_path):
    target = tmp_path / "picked"
    with replaced_folder(target) as work:
        (work / "page").write_text("one")
    assert (target / "page").read_text() == "one"
    with pytest.raises(OSError, match="full"), replaced_folder(target) as work:
        (work / "page").write_text("two")
        raise OSError("full")
    assert (target / "page").read_text() == "one"
    with replaced_folder(target) as work:
        (work / "other").write_text("three")
    assert [path.name for path in target.iterdir()] == ["other"]
    assert [path.name for path in tmp_path.iterdir()] == ["picked"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_be_named(tmp_path, monkeypatch):
    from pathlib import Path

    target = tmp_path / "picked"
    with replaced_folder(target) as work:
        (work / "page").write_text("one")
    rename = Path.rename

    def fails(self, to):
        if self.name.endswith(".partial"):
            raise OSError("no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no"), replaced_folder(target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["picked"]
    assert (target / "page").read_text() == "one"


def test_a_manifest_is_json_whatever_the_figures(tmp_path):
    figures = {"threshold": float("inf"), "means": (0.5, float("nan")), "path": tmp_path}
    path = write_manifest(tmp_path, inputs=[], outputs=[], content={"parameters": figures})

    def refused(constant):
        raise AssertionError(f"{constant} is no JSON")

    told = json.loads(path.read_text("utf-8"), parse_constant=refused)["parameters"]
    assert told == {"threshold": None, "means": [0.5, None], "path": str(tmp_path)}


@pytest.mark.parametrize("content", [None, "[]", "{", "{}"])
def test_a_damaged_manifest_is_said_plainly(content, llava, pickwell_here, tmp_path, monkeypatch):
    words = ("--out", "run", "--models", "none", "--metrics", "length")
    assert pickwell_here("score", llava, *words).returncode == 0
    assert pickwell_here("select", "run", "-o", "picked", "--by", "words").returncode == 0
    manifest = tmp_path / "picked" / "manifest.json"
    assert json.loads(manifest.read_text())["options"]["by"] == "words"
    manifest.unlink()
    if content is not None:
        manifest.write_text(content)
    with pytest.raises(BadInputError, match=r"manifest\.json"):
        report_again(tmp_path / "picked")


def test_a_run_without_rows(pickwell_here, tmp_path):
    (tmp_path / "head.csv").write_text("id,image,caption\n")
    result = pickwell_here("score", "head.csv", "-o", "run", "--models", "none")
    assert result.returncode == 2 and "holds no sample" in result.stderr
    result = pickwell_here("select", "run", "-o", "picked")
    assert result.returncode == 2 and "run" in result.stderr


def test_an_option_given_with_a_method_that_ignores_it(llava, pickwell_here, tmp_path):
    words = ("--out", "run", "--models", "none", "--metrics", "length")
    assert pickwell_here("score", llava, *words).returncode == 0
    typed = ("select", "run", "-o", "picked", "--by", "words")
    (tmp_path / "c.yaml").write_text("select: {clusters: 4}")
    above = pickwell_here(*typed, "--config", "c.yaml", "--method", "top")
    assert above.returncode == 0, above.stderr  # the file speaks of other methods too
    (tmp_path / "c.yaml").write_text("select: {clusters: 4, method: top}")
    together = pickwell_here(*typed, "--config", "c.yaml")
    assert together.returncode == 2 and "means nothing to the method 'top'" in together.stderr
    typed_both = pickwell_here(*typed, "--method", "release", "--tempering", "0.5")
    assert typed_both.returncode == 2 and "--tempering" in typed_both.stderr
