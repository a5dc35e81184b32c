"""Corpora of pictures in every other format: the class is read, the words are passed over."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_cards import BadInputError
from data_cards.columns import picture_columns, recognise_columns
from data_cards.image_paths import ImageResolver
from data_cards.records import RecordReader
from data_cards.source import open_source

datasets = pytest.importorskip("datasets")


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def pngs(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(i))


def labels(source) -> list[tuple[str | None, str | None]]:
    return [(s.label, s.error) for s in source.samples()]


def open_pictures(path, **options):
    return open_source(path, pictures=True, **options)


# Tables and JSON


def test_csv(tmp_path):
    pngs(tmp_path, "images/a.png", "images/b.png")
    text = (
        "file_name,caption,label,truth\n"
        'a.png,,7,x\n"b.png","words, many",,x\n,nothing,3,x\n'
        'gone.png,x," ",x\na.png,x,two words,x\n'
    )
    (tmp_path / "d.csv").write_text(text)
    source = open_pictures(tmp_path / "d.csv")
    assert dict(source.columns) == {"images": "file_name", "label": "label"}
    assert labels(source) == [
        ("7", None),
        (None, None),
        (None, "no image"),
        (None, None),
        ("two words", None),
    ]
    assert all(s.turns == () for s in source.samples())
    (out, images) = source.copy_rows([1, 0], tmp_path / "out", copy_images=True)
    assert out.read_text() == "".join(text.splitlines(True)[:3])
    assert sorted(p.name for p in images.iterdir()) == ["a.png", "b.png"]
    assert labels(open_pictures(out)) == [("7", None), (None, None)]
    with pytest.raises(BadInputError, match="two columns are called 'class'"):
        (tmp_path / "twice.csv").write_text("image,class,class\na.png,1,2\n")
        open_pictures(tmp_path / "twice.csv")
    with pytest.raises(BadInputError, match=r"no column with the image.*seen: 'a', 'label'") as e:
        (tmp_path / "none.csv").write_text("a,label,truth\n1,2,3\n")
        open_pictures(tmp_path / "none.csv")
    assert "--columns image=NAME" in e.value.remedy


def test_json_lines(tmp_path):
    pngs(tmp_path, "a.png", "b.png")
    records = [
        {"id": "1", "image": "a.png", "category": "cat"},
        {"id": "2", "image": ["b.png"], "category": 3},
        {"id": "3", "image": ["a.png", "b.png"], "category": "dog"},
        {"id": "4", "image": "../a.png", "category": True},
        {"id": "1", "image": "a.png", "category": None},
        {"id": "6", "image": [], "category": 1.0},
        {"id": "7", "image": "a.png", "category": ["cat", "dog"]},
        {"id": "8", "image": "a.png", "category": "\ud800"},
        {"id": "9", "image": "b.png"},
    ]
    raws = [json.dumps(r) for r in records]
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(raws))
    with pytest.raises(BadInputError, match="not recognised"):
        open_source(path)  # no pairs
    source = open_pictures(path)
    assert source.format == "json" and "a field for the image" in source.how
    samples = list(source.samples())
    assert [(s.label, s.error) for s in samples] == [
        ("cat", None),
        ("3", None),
        (None, "2 images, but a picture is one"),
        ("true", None),
        (None, "duplicate id '1', first at row 0"),
        (None, "no image"),
        (None, "field 'category' (label) is a list, not one class"),
        (None, "not valid Unicode: a lone surrogate at character 1"),
        (None, None),
    ]
    assert "leaves the data root" in samples[3].images[0].error
    (out,) = source.copy_rows([8, 3, 1], tmp_path / "out")
    assert out.read_text() == "".join(raws[i] + "\n" for i in (1, 3, 8))


def test_conversations_are_passed_over(tmp_path):
    pngs(tmp_path, "a.png")
    turns = [{"from": "nobody", "value": 3}]
    (tmp_path / "llava.json").write_text(
        json.dumps([{"image": "a.png", "conversations": turns, "label": 1}])
    )
    source = open_pictures(tmp_path / "llava.json")
    (sample,) = source.samples()
    assert source.format == "llava" and sample.error is None and sample.label == "1"
    parts = [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "Hm?"}]
    talk = {"messages": [{"role": "user", "content": parts}]}
    (tmp_path / "openai.jsonl").write_text(json.dumps(talk))
    (sample,) = open_pictures(tmp_path / "openai.jsonl").samples()
    assert sample.error is None and sample.is_picture and sample.images[0].name == "a.png"


def test_metadata_beside_the_pictures(tmp_path):
    pngs(tmp_path / "set", "x/a.png", "y/b.png")
    lines = ['{"file_name": "x/a.png", "label": "one"}', '{"file_name": "y/b.png"}']
    (tmp_path / "set" / "metadata.jsonl").write_text("\n".join(lines))
    source = open_pictures(tmp_path / "set")
    assert source.format == "imagefolder" and labels(source) == [("one", None), (None, None)]
    (out,) = source.copy_rows([1], tmp_path / "out")
    assert labels(open_pictures(out)) == [(None, None)]
    # the folder alone, where that is meant
    assert labels(open_pictures(tmp_path / "set", format="pictures")) == [("x", None), ("y", None)]


# Parquet and datasets


def picture_set(count: int = 4) -> "datasets.Dataset":
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "truth": datasets.Value("string"),
        }
    )
    rows = {
        "image": [{"bytes": png(i), "path": None} for i in range(count)],
        "label": [i % 2 for i in range(count - 1)] + [-1],
        "truth": ["secret"] * count,
    }
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_class_labels_go_by_their_names(tmp_path, kind):
    if kind == "parquet":
        path = tmp_path / "d.parquet"
        picture_set().to_parquet(path)
    else:
        path = tmp_path / "saved"
        picture_set().save_to_disk(path)
    source = open_pictures(path)
    assert labels(source) == [("cat", None), ("dog", None), ("cat", None), (None, None)]
    assert "secret" not in repr(list(source.samples())) and source.count_hint() == 4
    (out,) = source.copy_rows([3, 1], tmp_path / "out")
    assert labels(open_pictures(out)) == [("dog", None), (None, None)]
    assert [s.images[0].data for s in open_pictures(out).samples()] == [png(1), png(3)]
    assert labels(open_pictures(path, columns={"label": ""})) == [(None, None)] * 4


def test_classes_of_each_parquet_file(tmp_path):
    """The same number may be another class in another file."""
    for number, names in enumerate((["cat", "dog"], ["dog", "cat"])):
        known = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        schema = pa.schema(
            [("image", pa.binary()), ("label", pa.int64())],
            metadata={"huggingface": json.dumps(known)},
        )
        rows = {"image": [png(0)] * 2, "label": [0, 5]}
        pq.write_table(pa.table(rows, schema=schema), tmp_path / f"{number}.parquet")
    wrong = "field 'label' (label) is 5, but there are 2 classes"
    assert labels(open_pictures(tmp_path)) == [
        ("cat", None),
        (None, wrong),
        ("dog", None),
        (None, wrong),
    ]


@pytest.mark.parametrize("metadata", [b"", b"[]", b"{", b'{"info": {"features": {"label": 3}}}'])
def test_parquet_without_class_names(tmp_path, metadata):
    table = pa.table(
        {
            "image": [png(0), b"", None],
            "label": [3, None, 1],
            "text": ["words"] * 3,
        }
    ).replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, tmp_path / "d.parquet")
    assert labels(open_pictures(tmp_path / "d.parquet")) == [
        ("3", None),
        (None, None),
        (None, "no image"),
    ]
    floats = table.set_column(1, "label", pa.array([3.0, float("nan"), 2.5]))
    floats = floats.set_column(0, "image", pa.array([png(0)] * 3))
    pq.write_table(floats, tmp_path / "floats.parquet")
    assert labels(open_pictures(tmp_path / "floats.parquet")) == [
        ("3", None),
        (None, None),
        ("2.5", None),
    ]


CLIENT = """
import json, sys
from data_cards.errors import BadInputError
from data_cards.images import read_bytes
from data_cards.source import open_source

for name, streaming in (("table", True), ("table", False), ("folder", True)):
    source = open_source(f"hf://me/{name}", pictures=True, streaming=streaming)
    rows = [[s.label, s.error, len(read_bytes(s.images[0]))] for s in source.samples()]
    (out,) = source.copy_rows([1], sys.argv[1] + f"/{name}-{streaming}")
    (copy,) = open_source(out, pictures=True).samples()
    print(json.dumps([source.format, rows, copy.label]))
try:
    open_source("hf://me/words", pictures=True)
except BadInputError as error:
    print(json.dumps([error.message, error.remedy]))
"""


def test_hub(hub, tmp_path):
    """In a process of its own, as the hub's address is read at import."""
    buffer = io.BytesIO()
    picture_set().to_parquet(buffer)
    hub.put("datasets", "me/table", {"data/train-00000-of-00001.parquet": buffer.getvalue()})
    hub.put("datasets", "me/folder", {"cat/a.png": png(0), "dog/b.png": png(1)})
    hub.put("datasets", "me/words", {"train.jsonl": '{"title": "x"}\n'})
    environment = os.environ | hub.environment(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    *tables, folder, words = map(json.loads, done.stdout.splitlines())
    for form, rows, copied in tables:
        assert form == "hf" and copied == "dog"
        assert [row[0] for row in rows] == ["cat", "dog", "cat", None]
        assert all(error is None and size > 60 for _, error, size in rows)
    assert [row[0] for row in folder[1]] == ["cat", "dog"] and folder[2] == "dog"
    assert "no column with the image" in words[0] and "train.jsonl" in words[1]


# Tars


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as out:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def test_webdataset(tmp_path):
    path = tar(
        tmp_path / "d.tar",
        {
            "a.png": png(0),
            "a.txt": b"\xff not text, and not asked for",
            "b.png": png(1),
            "b.cls": b" 12\n",
            "b.json": b'{"label": "from json"}',
            "c.png": png(2),
            "c.seg.png": png(3),
            "d.cls": b"3",
            "e/f.png": b"torn",
            "e/f.cls": b"\xff",
            "g.png": png(4),
            "g.cls": b"",
        },
    )
    source = open_pictures(path)
    assert source.columns["label"] == "cls"
    assert "columns id=__key__, images=those of each key, label=cls" in source.how
    samples = list(source.samples())
    assert [(s.id, s.label, s.error) for s in samples] == [
        ("a", None, None),
        ("b", "12", None),
        ("c", None, "2 images, but a picture is one"),
        ("d:3", None, "no image member"),
        ("d:4", None, "e/f.cls is not valid UTF-8 (at byte 0)"),
        ("g", None, None),
    ]
    assert samples[0].images[0].data == png(0) and source.count_hint() == 6
    (out,) = source.copy_rows([1, 5], tmp_path / "out")
    with tarfile.open(out) as copied:
        assert copied.getnames() == ["b.png", "b.cls", "b.json", "g.png", "g.cls"]
    assert labels(open_pictures(path, columns={"label": "label"}))[1] == ("from json", None)


def test_webdataset_with_pictures_alone(tmp_path):
    path = tar(tmp_path / "d.tar", {f"{i}.png": png(i) for i in range(5)})
    source = open_pictures(path)
    assert labels(source) == [(None, None)] * 5
    damaged = bytearray(path.read_bytes())
    with tarfile.open(path) as members:
        start = members.getmember("2.png").offset
    damaged[start : start + 512] = b"\xff" * 512
    path.write_bytes(damaged)
    samples = list(open_pictures(path).samples())
    # a picture without words is whole: what is lost is a row of its own
    assert [s.id for s in samples if s.error is None] == ["0", "1", "3", "4"]
    assert [s.row for s in samples if s.error] == [2] and "damaged tar header" in samples[2].error
    (out,) = open_pictures(path).copy_rows([3], tmp_path / "out")
    assert [s.id for s in open_pictures(out).samples()] == ["3"]


def test_class_in_a_text_member(tmp_path):
    path = tar(tmp_path / "d.tar", {"a.png": png(0), "a.txt": b"cat\n"})
    assert labels(open_pictures(path)) == [(None, None)]  # a caption, unless it is said
    assert labels(open_pictures(path, columns={"label": "txt"})) == [("cat", None)]


# Columns


def test_labels_are_asked_of_pictures_only(tmp_path):
    pngs(tmp_path, "a.png")
    path = tmp_path / "d.csv"
    path.write_text("image,caption,label\na.png,A thing.,3\n")
    source = open_source(path)
    assert "label" not in source.columns and next(source.samples()).label is None
    with pytest.raises(BadInputError, match="pictures only"):
        open_source(path, columns={"label": "label"})
    with pytest.raises(BadInputError, match="planted truth"):
        open_pictures(path, columns={"label": "truth"})
    with pytest.raises(BadInputError, match=r"no field 'kind' \(for label\)"):
        open_pictures(path, columns={"label": "kind"})


def test_names_of_label_columns():
    fields = ["Image", "target", "Label", "text"]
    mapping = picture_columns(recognise_columns(fields), fields)
    assert mapping == {"images": "Image", "label": "Label"}
    assert picture_columns({"images": "i", "label": "", "response": "x"}, ["cls"]) == {
        "images": "i",
        "label": "",
    }
    assert "label" not in recognise_columns(["image", "label", "class"])


value = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


@given(label=value | st.lists(value) | st.dictionaries(st.text(), value), image=value)
def test_any_value_is_a_class_or_says_why_not(label, image):
    reader = RecordReader(
        {"images": "image", "label": "label"}, "s", ImageResolver(Path("/r")), None, pictures=True
    )
    sample = reader.sample({"image": image, "label": label}, 3, "s:3")
    assert sample.row == 3 and sample.turns == ()
    if sample.error is None:
        assert len(sample.images) == 1 and (sample.label is None or sample.label.strip())
    else:
        assert sample.images == () and sample.label is None


def test_an_image_name_that_no_file_can_hold_costs_its_row_only(tmp_path):
    """Of pairs too: such a name could not be written into a run."""
    turns = [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]
    records = [{"image": name, "conversations": turns} for name in ("\ud800.png", "a.png")]
    (tmp_path / "d.json").write_text(json.dumps(records))
    for pictures in (False, True):
        bad, good = open_source(tmp_path / "d.json", pictures=pictures).samples()
        assert "lone surrogate" in bad.error and good.error is None
