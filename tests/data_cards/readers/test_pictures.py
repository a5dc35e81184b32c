"""Folders of pictures: classes by folder, hostile names, links, and copies."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_cards import BadInputError
from data_cards.source import open_source


def png(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (shade % 256, 0, 0)).save(path, "PNG")
    return path


def read(folder, **options):
    return list(open_source(folder, pictures=True, **options).samples())


def test_classes_are_folders(tmp_path):
    for i, name in enumerate(
        ("dogs/b.png", "dogs/a.JPG", "cats/big/c.webp", "cats/d.png", "e.gif")
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        png(tmp_path / f"{i}.png", i).rename(tmp_path / name)
    (tmp_path / "dogs" / "notes.md").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    png(tmp_path / ".hidden" / "x.png")
    source = open_source(tmp_path, pictures=True)
    assert source.format == "pictures" and source.pictures
    assert "label=folder" in source.how and "Describe" not in source.how
    samples = list(source.samples())
    assert [(s.id, s.label) for s in samples] == [
        ("cats/big/c.webp", "cats/big"),
        ("cats/d.png", "cats"),
        ("dogs/a.JPG", "dogs"),
        ("dogs/b.png", "dogs"),
        ("e.gif", None),
    ]
    assert all(s.is_picture and s.error is None and s.turns == () for s in samples)
    assert [s.images[0].name for s in samples] == [s.id for s in samples]
    assert source.count_hint() == 5 and len(source.files()) == 5
    assert all(s.label is None for s in read(tmp_path, columns={"label": ""}))


@pytest.mark.parametrize(
    "names", [("b.png", "a.png"), ("all/b.png", "all/a.png"), ("x/b.png", "a.png")]
)
def test_one_folder_is_no_class(tmp_path, names):
    for name in names:
        png(tmp_path / name)
    samples = read(tmp_path)
    assert len(samples) == 2 and {s.label for s in samples} == {None}
    said = "all of them in all: one class alone is none" in open_source(tmp_path, pictures=True).how
    assert said == (names[0] == "all/b.png")


@pytest.mark.parametrize("stated", [None, "pictures", "imagefolder"])
def test_one_picture_is_no_corpus(tmp_path, stated):
    one = png(tmp_path / "photos" / "a.PNG")
    for pictures in (True, False):
        with pytest.raises(BadInputError, match=r"a\.PNG is one picture") as caught:
            open_source(one, pictures=pictures, format=stated)
        assert f"Give its folder, {one.parent}" in caught.value.remedy


def test_pairs_know_no_such_folder(tmp_path):
    png(tmp_path / "a" / "1.png")
    png(tmp_path / "b" / "2.png")
    with pytest.raises(BadInputError, match="format is not recognised"):
        open_source(tmp_path)
    (tmp_path / "a" / "1.txt").write_text("A picture.")
    (pair, bad) = open_source(tmp_path).samples()
    assert pair.response == "A picture." and pair.label is None and not pair.is_picture
    assert bad.error == "no caption file 2.txt"
    # asked for pictures, the same folder needs no captions and has classes
    for stated in (None, "imagefolder", "pictures"):
        assert [(s.label, s.error) for s in read(tmp_path, format=stated)] == [
            ("a", None),
            ("b", None),
        ]


def test_no_picture_says_what_to_give(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.md").write_text("x")
    for stated in (None, "pictures"):
        with pytest.raises(BadInputError, match="holds no picture") as caught:
            open_source(tmp_path, pictures=True, format=stated)
        assert ".png" in caught.value.remedy
    with pytest.raises(BadInputError, match="does not exist"):
        open_source(tmp_path / "nowhere", pictures=True)
    with pytest.raises(BadInputError, match="cannot read"):
        open_source(tmp_path / "notes.md", pictures=True, format="pictures")


def test_links(tmp_path):
    root = tmp_path / "corpus"
    png(root / "a" / "1.png", 1)
    png(root / "b" / "2.png", 2)
    secret = png(tmp_path / "secret" / "s.png", 3)
    (root / "b" / "inside.png").symlink_to("../a/1.png")
    (root / "b" / "outside.png").symlink_to(secret)
    (root / "c").symlink_to(secret.parent)
    (root / "b" / "torn.png").symlink_to("nowhere.png")
    source = open_source(root, pictures=True)
    samples = {s.id: s for s in source.samples()}
    assert list(samples) == ["a/1.png", "b/2.png", "b/inside.png", "b/outside.png", "b/torn.png"]
    inside, outside = samples["b/inside.png"], samples["b/outside.png"]
    assert inside.label == "b" and inside.images[0].path == root / "a" / "1.png"
    assert outside.images[0].path is None and "leaves the data root" in outside.images[0].error
    assert {p.name for p in source.files()} == {"1.png", "2.png"}
    (out,) = source.copy_rows([2, 0], tmp_path / "out")
    assert not (out / "b" / "inside.png").is_symlink()
    assert (out / "b" / "inside.png").read_bytes() == (root / "a" / "1.png").read_bytes()
    for row, said in ((3, "leaves the data root"), (4, "no such file")):
        with pytest.raises(BadInputError, match=said):
            source.copy_rows([row], tmp_path / "other")
    assert not list((tmp_path / "other").rglob("*.png"))


def test_a_copy_is_the_same_corpus(tmp_path):
    for i in range(6):
        png(tmp_path / "corpus" / "abc"[i % 3] / f"{i}.png", i)
    (tmp_path / "corpus" / "a" / "0.txt").write_text("A caption stays with its picture.")
    (tmp_path / "corpus" / "b" / "torn.png").write_bytes(b"\x89PNG broken")
    source = open_source(tmp_path / "corpus", pictures=True)
    before = list(source.samples())
    rows = [6, 0, 4]
    (out,) = source.copy_rows(rows, tmp_path / "out", copy_images=True)
    again = read(out)
    assert [(s.id, s.label) for s in again] == [
        (before[r].id, before[r].label) for r in sorted(rows)
    ]
    for sample in again:
        assert sample.images[0].path.read_bytes() == (tmp_path / "corpus" / sample.id).read_bytes()
    assert (out / "a" / "0.txt").read_text().startswith("A caption")
    with pytest.raises(BadInputError, match="row 7 is wanted"):
        source.copy_rows([7], tmp_path / "more")


def test_a_copy_never_lands_in_its_input(tmp_path):
    png(tmp_path / "corpus" / "1.png")
    source = open_source(tmp_path / "corpus", pictures=True)
    with pytest.raises(BadInputError, match="over the input"):
        source.copy_rows([0], tmp_path)
    with pytest.raises(BadInputError, match="inside the input"):
        source.copy_rows([0], tmp_path / "corpus" / "kept")
    assert not (tmp_path / "corpus" / "kept").exists()


def test_hostile_names(tmp_path):
    names = [
        "data:image.png",
        "[1].png",
        "a\nb.png",
        "http:/x.png",
        "<image>.png",
        " .png",
        "é😀.png",
    ]
    for i, name in enumerate(names):
        png(tmp_path / "x" / name, i)
    Path(os.fsdecode(os.fsencode(tmp_path / "x") + b"/\xff.png")).write_bytes(b"x")
    os.mkfifo(tmp_path / "x" / "pipe.png")
    (tmp_path / "x" / "folder.png").mkdir()
    source = open_source(tmp_path, pictures=True)
    samples = {s.id: s for s in source.samples()}
    assert set(samples) == {*(f"x/{name}" for name in names), "x/\\udcff.png", "x/pipe.png"}
    for name in names:
        sample = samples[f"x/{name}"]
        assert sample.error is None and sample.images[0].error is None
        assert sample.images[0].path == tmp_path / "x" / name
    odd = samples["x/\\udcff.png"]
    assert "not valid Unicode" in odd.error and odd.where == odd.id
    with pytest.raises(BadInputError, match="no such file"):  # and never waits for the pipe
        source.copy_rows([samples["x/pipe.png"].row], tmp_path.parent / "out-of-pipe")


def test_deep_folders(tmp_path):
    folder = tmp_path
    for _ in range(1200):
        folder = folder / "d"
        folder.mkdir()
    (folder / "x.png").write_bytes(b"x")
    try:
        assert [s.label for s in read(tmp_path)] == [None]
    finally:  # too deep for whoever tidies up
        (folder / "x.png").unlink()
        while folder != tmp_path:
            folder.rmdir()
            folder = folder.parent


name = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0."), min_size=1, max_size=8
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    paths=st.sets(st.lists(name, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6),
    data=st.data(),
)
def test_any_folder_and_any_choice(tmp_path_factory, paths, data):
    root = tmp_path_factory.mktemp("any") / "corpus"
    kept = set()
    for i, path in enumerate(sorted(paths)):
        target = root / f"{path}.png"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(bytes([i]))
            kept.add(f"{path}.png")
        except OSError:  # longer than a file's name may be
            continue
    if not kept:
        return
    source = open_source(root, pictures=True)
    samples = list(source.samples())
    folders = {s.id.rpartition("/")[0] for s in samples} - {""}
    assert {s.id for s in samples} == kept and [s.row for s in samples] == list(range(len(kept)))
    for sample in samples:
        folder = sample.id.rpartition("/")[0]
        blank = not folder.strip() or len(folders) < 2
        assert sample.error is None and sample.label == (None if blank else folder)
    rows = data.draw(st.sets(st.sampled_from(range(len(samples))), min_size=1))
    (out,) = source.copy_rows(sorted(rows, reverse=True), root.parent / "out")
    copied = {s.id: s.images[0].path.read_bytes() for s in read(out)}
    assert copied == {samples[r].id: (root / samples[r].id).read_bytes() for r in rows}
