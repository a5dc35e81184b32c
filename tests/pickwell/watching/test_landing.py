import os

import pytest

from data_cards import BadInputError
from pickwell.watching.landing import content_of, is_data, landed, signature_of, stem_of


def test_what_may_be_data(tmp_path):
    for name in ("a.jsonl", "b.json.gz", ".hidden.json", "c.json.partial", "d.json.crdownload",
                 "e.tmp", "f.json~", "g.JSON.Part", "z.txt"):  # fmt: skip
        (tmp_path / name).write_text("{}")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    assert [file.name for file in landed(tmp_path)] == ["a.jsonl", "b.json.gz", "z.txt"]
    with pytest.raises(BadInputError, match="cannot be looked into"):
        list(landed(tmp_path / "nowhere"))


def test_broken_data_is_data_and_a_picture_is_not(tmp_path):
    (tmp_path / "a.jsonl").write_text("no json")
    (tmp_path / "b").write_bytes(b"PAR1")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "captions" / "c.txt").write_text("A box.")
    found = {path.name for path in tmp_path.iterdir() if is_data(path)}
    assert found == {"a.jsonl", "b", "captions"}


def test_with_a_stated_format_all_is_data_but_pictures(tmp_path):
    (tmp_path / "a.txt").write_text("[]")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    for folder, file in (("pictures", "c.JPG"), ("plain", "x"), ("hidden", ".x")):
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / file).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    assert not any(is_data(path) for path in tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir() if is_data(path, True)} == {"a.txt", "plain"}


def test_a_reader_s_own_failure_does_not_hide_a_file(tmp_path, monkeypatch):
    from data_cards.readers.base import formats

    def broken(path):
        raise EOFError("no more")

    monkeypatch.setattr(formats()["parquet"], "recognise", broken)
    (tmp_path / "b").write_bytes(b"x")
    assert is_data(tmp_path / "b")


def test_a_link_to_nowhere_does_not_hide_its_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere")
    before = signature_of(tmp_path / "a")
    assert before is not None and [file.name for file in landed(tmp_path)] == ["a"]
    (tmp_path / "nowhere").write_bytes(b"x")
    assert signature_of(tmp_path / "a") != before


@pytest.mark.parametrize("folder", [False, True])
def test_a_signature_sees_every_change(tmp_path, folder):
    path = tmp_path / "data.json"
    if folder:
        path.mkdir()
    file = path / "x.json" if folder else path
    file.write_text("12345")
    facts, signature, content = file.stat(), signature_of(path), content_of(path)
    assert signature_of(path) == signature
    file.write_text("12346")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as if nothing had been
    assert signature_of(path) != signature and content_of(path) != content
    signature = signature_of(path)
    os.utime(file)
    assert signature_of(path) != signature
    assert signature_of(tmp_path / "nowhere") is None


def test_the_content_of_a_folder_is_names_and_bytes(tmp_path):
    for name, files in {"a": {"x": "1"}, "b": {"x": "1"}, "c": {"y": "1"}, "d": {"x": "2"}}.items():
        (tmp_path / name / "in").mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / name / "in" / file).write_text(text)
    one, same, other, more = (content_of(tmp_path / name) for name in "abcd")
    assert one == same and len({one, other, more}) == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("pairs.jsonl", "pairs"), ("a b/c.json.gz", "a_b_c"), ("..json", "data"), ("é.csv", "data"),
        ("x" * 300 + ".tar", "x" * 80), ("shard-0001.tar.gz", "shard-0001"),
    ],
)  # fmt: skip
def test_stems(name, stem):
    assert stem_of(name) == stem
