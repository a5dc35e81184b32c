"""Every writer gives back the chosen records as they came, byte for byte."""

import csv
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_cards import BadInputError
from data_cards.source import open_source

quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=30)
leaf = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | text | st.floats(allow_nan=False)
)
extra = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
)


def dumped(draw, value) -> str:
    """One of the many ways to write the same JSON value."""
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")])),
    )


@st.composite
def llava_records(draw, one_line: bool):
    raws = []
    for i in range(draw(st.integers(1, 6))):
        record = {"id": f"r{i}", "image": f"dir/{i}.jpg"}
        record |= {f"x_{k}": v for k, v in draw(st.dictionaries(text, extra, max_size=3)).items()}
        record["conversations"] = [
            {"from": "human", "value": "<image>\n" + draw(text)},
            {"from": "gpt", "value": "a" + draw(text)},
        ]
        keys = draw(st.permutations(list(record)))
        raw = dumped(draw, {key: record[key] for key in keys})
        if not one_line:
            raw = raw.replace('"id"', draw(st.sampled_from(['"id"', '\n "id"', '\r\n\t"id"'])), 1)
        raws.append(raw)
    chosen = draw(st.sets(st.integers(0, len(raws) - 1)))
    return raws, sorted(chosen)


@quick
@given(data=llava_records(one_line=False), mark=st.booleans(), gap=st.sampled_from([",", " ,\n\n"]))
def test_json_array(tmp_path_factory, data, mark, gap):
    raws, chosen = data
    folder = tmp_path_factory.mktemp("a")
    path = folder / "data.json"
    body = ("\ufeff" if mark else "") + "[ " + gap.join(raws) + "\n]"
    path.write_bytes(body.encode())
    source = open_source(path)
    samples = list(source.samples())
    assert [s.error for s in samples] == [None] * len(raws)
    assert [s.id for s in samples] == [f"r{i}" for i in range(len(raws))]
    (out,) = source.copy_rows(chosen[::-1], folder / "out")
    expected = "[\n" + ",\n".join(raws[i] for i in chosen) + "\n]\n" if chosen else "[]\n"
    assert out.read_bytes() == expected.encode()
    if chosen:
        again = list(open_source(out).samples())
        assert [s.turns for s in again] == [samples[i].turns for i in chosen]


@quick
@given(
    data=llava_records(one_line=True),
    ending=st.sampled_from(["\n", "\r\n", " \n"]),
    last=st.booleans(),
)
def test_json_lines(tmp_path_factory, data, ending, last):
    raws, chosen = data
    folder = tmp_path_factory.mktemp("l")
    path = folder / "data.jsonl"
    body = "".join("\n" * (i == 1) + raw + ending for i, raw in enumerate(raws))
    path.write_bytes((body if last else body.removesuffix(ending)).encode())
    source = open_source(path)
    assert [s.error for s in source.samples()] == [None] * len(raws)
    (out,) = source.copy_rows(chosen, folder / "out")
    lines = [raws[i] + ending for i in chosen]
    if chosen and chosen[-1] == len(raws) - 1 and not last:
        lines[-1] = raws[-1] + "\n"
    assert out.read_bytes() == "".join(lines).encode()


def test_bad_bytes_come_out_as_they_went_in(tmp_path):
    good = (
        b'{"id": "a", "conversations": [{"from":"human","value":"q"},{"from":"gpt","value":"r"}]}'
    )
    bad = good.replace(b'"a"', b'"\xff\xfe"')
    for name, body in (
        ("x.jsonl", good + b"\n" + bad),
        ("x.json", b"[" + good + b"," + bad + b"]"),
    ):
        path = tmp_path / name
        path.write_bytes(body)
        source = open_source(path)
        first, second = source.samples()
        assert first.error is None
        assert second.error.startswith("not valid UTF-8 (byte 0xff") and second.row == 1
        assert name in second.where
        (out,) = source.copy_rows([1], tmp_path / "out")
        assert bad in out.read_bytes()


@quick
@given(
    data=st.data(),
    delimiter=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_csv(tmp_path_factory, data, delimiter, ending):
    cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    rows = data.draw(st.lists(st.tuples(cell, cell.map(lambda t: "a" + t)), min_size=1, max_size=6))
    folder = tmp_path_factory.mktemp("c")
    path = folder / "data.csv"
    raws = []
    for i, (question, answer) in enumerate(rows):
        buffer = io.StringIO(newline="")
        quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
        if "\r" in question + answer:  # csv.writer leaves it bare, and then it ends the record
            quoting = csv.QUOTE_ALL
        csv.writer(buffer, delimiter=delimiter, lineterminator=ending, quoting=quoting).writerow(
            [f"k{i}", f"{i}.png", question, answer]
        )
        raws.append(buffer.getvalue())
    header = delimiter.join(["id", "image_path", "question", "answer"]) + ending
    path.write_bytes((header + "".join(raws)).encode())
    source = open_source(path)
    samples = list(source.samples())
    assert [(s.error, s.instruction, s.response) for s in samples] == [
        (None, q.strip(), a.strip()) for q, a in rows
    ]
    chosen = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    (out,) = source.copy_rows(chosen, folder / "out")
    assert out.read_bytes() == (header + "".join(raws[i] for i in chosen)).encode()


@quick
@given(data=st.data())
def test_minigpt4(tmp_path_factory, data):
    raws = []
    for i in range(data.draw(st.integers(1, 5))):
        record = {"caption": "c" + data.draw(text), "image_id": str(i), "x": data.draw(extra)}
        keys = data.draw(st.permutations(list(record)))
        raws.append(dumped(data.draw, {key: record[key] for key in keys}))
    folder = tmp_path_factory.mktemp("m")
    path = folder / "filter_cap.json"
    before = '{"info": {"annotations": [1, {"a": "]"}]}, "é": [[], "["],\n "annotations" : ['
    after = ' ], "licenses": [{"id": "\\u00e9"}] }\n'
    path.write_text(before + " ,".join(raws) + after, encoding="utf-8", newline="")
    source = open_source(folder)
    samples = list(source.samples())
    assert [s.error for s in samples] == [None] * len(raws)
    assert {s.instruction for s in samples} == {"Describe this image in detail."}
    chosen = sorted(data.draw(st.sets(st.integers(0, len(raws) - 1))))
    (out,) = source.copy_rows(chosen, folder / "out")
    written = out.read_bytes().decode()
    middle = ",\n".join(raws[i] for i in chosen)
    assert written == before + ("\n" + middle if chosen else "") + "\n" + after[1:]
    assert [a["image_id"] for a in json.loads(written)["annotations"]] == [str(i) for i in chosen]


def png(colour) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


@quick
@given(
    rows=st.lists(st.tuples(text, text), min_size=1, max_size=8),
    groups=st.integers(1, 4),
    chosen=st.sets(st.integers(0, 7)),
    codec=st.sampled_from(["zstd", "snappy", "none"]),
)
def test_parquet(tmp_path_factory, rows, groups, chosen, codec):
    folder = tmp_path_factory.mktemp("p")
    path = folder / "data.parquet"
    schema = pa.schema(
        [
            pa.field("id", pa.string(), metadata={b"note": b"kept"}),
            pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            pa.field("extra", pa.dictionary(pa.int8(), pa.string())),
            pa.field("question", pa.large_string()),
            pa.field("answer", pa.string()),
        ],
        metadata={b"huggingface": b'{"info": {}}', b"own": b"\xc3\xa9"},
    )
    table = pa.Table.from_pylist(
        [
            {
                "id": f"r{i}",
                "image": {"bytes": png((i, 0, 0)), "path": None},
                "extra": "e",
                "question": q,
                "answer": "a" + a,
            }
            for i, (q, a) in enumerate(rows)
        ],
        schema=schema,
    )
    pq.write_table(table, path, row_group_size=groups, compression=codec)
    source = open_source(path)
    samples = list(source.samples())
    assert [s.error for s in samples] == [None] * len(rows)
    assert samples[0].images[0].data == png((0, 0, 0))
    wanted = sorted(r for r in chosen if r < len(rows))
    (out,) = source.copy_rows(wanted, folder / "out")
    copy = pq.read_table(out)
    assert copy.schema.equals(pq.read_table(path).schema, check_metadata=True)
    assert copy.to_pylist() == [table.to_pylist()[i] for i in wanted]


def make_tar(path: Path, count: int, mode: str = "w") -> dict[str, bytes]:
    contents = {}
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for i in range(count):
            long = "d/" + "é" * 120 if i == 1 else "d"
            for extension, data in (
                ("jpg", png((i, 1, 1))),
                ("json", json.dumps({"caption": f"json {i}", "url": "http://x/y"}).encode()),
                ("txt", f"caption {i} é".encode()),
            ):
                info = tarfile.TarInfo(f"{long}/{i:05d}.{extension}")
                info.size, info.mtime, info.uname = len(data), 12345 + i, "somebody"
                tar.addfile(info, io.BytesIO(data))
                contents[info.name] = data
    return contents


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_webdataset(tmp_path, suffix):
    path = tmp_path / f"shard{suffix}"
    contents = make_tar(path, 5, "w:gz" if suffix.endswith("gz") else "w")
    source = open_source(path)
    samples = list(source.samples())
    assert [s.error for s in samples] == [None] * 5
    assert samples[3].response == "caption 3 é" and samples[3].id == "d/00003"
    assert samples[3].images[0].data == png((3, 1, 1))
    (out,) = source.copy_rows([3, 1], tmp_path / "out")
    with tarfile.open(out) as tar, tarfile.open(path) as original:
        names = [n for n in contents if "/00001." in n or "/00003." in n]
        assert tar.getnames() == names
        for name in names:
            assert tar.extractfile(name).read() == contents[name]
            assert tar.getmember(name).get_info() == original.getmember(name).get_info()


def test_webdataset_shards_and_braces(tmp_path):
    for n in range(3):
        make_tar(tmp_path / f"s-{n:03d}.tar", 2)
    by_folder = open_source(tmp_path)
    by_braces = open_source(tmp_path / "s-{000..002}.tar")
    assert len(list(by_braces.samples())) == 6 == by_folder.count_hint()
    ids = [s.id for s in by_folder.samples()]
    assert ids[:2] == ["d/00000", ids[1]] and len(set(ids)) == 6  # repeated keys get made ids
    written = by_braces.copy_rows([0, 5], tmp_path / "out")
    assert [p.name for p in written] == ["s-000.tar", "s-002.tar"]


def test_imagefolder_with_captions(tmp_path):
    folder = tmp_path / "pics"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "a.png", "sub/c.png"):
        (folder / name).write_bytes(png((1, 2, 3)))
        (folder / name).with_suffix(".txt").write_text(f" caption of {name}\n")
    (folder / "lonely.png").write_bytes(png((0, 0, 0)))
    source = open_source(folder)
    samples = list(source.samples())
    assert [s.id for s in samples] == ["a.png", "b.png", "pics:2", "sub/c.png"]
    assert samples[2].error == "no caption file lonely.txt"
    assert samples[3].response == "caption of sub/c.png"
    (out,) = source.copy_rows([3, 0], tmp_path / "out")
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == ["a.png", "a.txt", "sub/c.png", "sub/c.txt"]
    assert (out / "a.txt").read_bytes() == (folder / "a.txt").read_bytes()
    assert [s.id for s in open_source(out).samples()] == ["a.png", "sub/c.png"]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_imagefolder_with_metadata(tmp_path, name):
    folder = tmp_path / "pics"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(png((i, 2, 3)))
    if name.endswith("csv"):
        lines = ["file_name,text", *(f'{i}.png,"says, {i}"' for i in range(3))]
    else:
        lines = [f'{{"file_name":  "{i}.png", "text": "says, {i}"}}' for i in range(3)]
    (folder / name).write_text("\n".join(lines) + "\n")
    source = open_source(folder)
    samples = list(source.samples())
    assert [s.response for s in samples] == ["says, 0", "says, 1", "says, 2"]
    assert samples[1].images[0].path == (folder / "1.png").resolve()
    (out,) = source.copy_rows([2], tmp_path / "out")
    assert sorted(p.name for p in out.iterdir()) == sorted(["2.png", name])
    assert lines[-1] in (out / name).read_text().splitlines()


@pytest.mark.parametrize(
    ("root", "names", "copies"),
    [
        (".", ["images/0.png", "images/1.png"], ["images/0.png", "images/1.png"]),
        ("images", ["sub/0.png", "other/./1.png"], ["other/1.png", "sub/0.png"]),
        (".", ["0.png", "1.png"], ["images/0.png", "images/1.png"]),
        ("far", ["0.png", "sub/../1.png"], ["images/0.png", "images/1.png"]),
        ("far", ["images/0.png", "1.png"], ["images/1.png", "images/images/0.png"]),
        ("far", ["a/b/0.png", "a/1.png"], ["a/1.png", "a/b/0.png"]),
    ],
)
def test_images_are_copied_where_the_copy_finds_them(tmp_path, root, names, copies):
    for i, name in enumerate(names):
        image = tmp_path / root / name
        (tmp_path / root / "sub").mkdir(parents=True, exist_ok=True)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(png((i, 0, 0)))
    records = [
        json.dumps({"id": i, "image": name, "conversations": [{"from": "gpt", "value": "x"}]})
        for i, name in enumerate(["missing.png", *names])
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(records) + "\n")
    source = open_source(tmp_path / "d.jsonl", images=tmp_path / root)
    out, *folders = source.copy_rows([1, 2], tmp_path / "out", copy_images=True)
    assert out.read_text().splitlines() == records[1:]
    images = sorted(path.relative_to(out.parent) for path in out.parent.rglob("*.png"))
    assert [str(path) for path in images] == copies
    assert {folder.relative_to(out.parent).parts[0] for folder in folders} == {
        path.parts[0] for path in images
    }
    samples = list(open_source(out).samples())
    assert [s.images[0].path.read_bytes() for s in samples] == [png((0, 0, 0)), png((1, 0, 0))]


def test_minigpt4_images_are_copied_where_the_copy_finds_them(tmp_path):
    (tmp_path / "image").mkdir()
    for i in range(3):
        (tmp_path / "image" / f"{i}.jpg").write_bytes(png((i, 0, 0)))
    annotations = [{"image_id": str(i), "caption": f"says {i}"} for i in range(3)]
    (tmp_path / "filter_cap.json").write_text(json.dumps({"annotations": annotations}))
    source = open_source(tmp_path / "filter_cap.json")
    out, folder = source.copy_rows([1], tmp_path / "out", copy_images=True)
    assert folder == tmp_path / "out" / "image"
    (sample,) = open_source(out).samples()
    assert sample.images[0].path.read_bytes() == png((1, 0, 0))


def test_an_image_whose_name_climbs_out_is_not_copied(tmp_path):
    """It lies in the data folder all the same, so that it can be read there."""
    data = tmp_path / "a" / "data"
    data.mkdir(parents=True)
    (data / "x.png").write_bytes(png((1, 0, 0)))
    record = {"id": 1, "image": "../data/x.png", "conversations": [{"from": "gpt", "value": "x"}]}
    (data / "d.json").write_text(json.dumps([record]))
    source = open_source(data / "d.json")
    assert next(source.samples()).images[0].path == data / "x.png"
    with pytest.raises(BadInputError, match="climbs out of the folder"):
        source.copy_rows([0], tmp_path / "out" / "deep", copy_images=True)
    assert not list((tmp_path / "out").rglob("*.png"))


def test_nothing_is_written_over_the_input_or_left_behind(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": 1, "image": "a", "conversations": [{"from": "gpt", "value": "x"}]}\n')
    before = path.read_bytes()
    source = open_source(path)
    with pytest.raises(BadInputError, match="over the input"):
        source.copy_rows([0], tmp_path)
    with pytest.raises(BadInputError, match="row 7 is wanted"):
        source.copy_rows([7], tmp_path / "out")
    assert path.read_bytes() == before
    assert list((tmp_path / "out").iterdir()) == []
