"""Recognition, bad rows, duplicates, paths that leave the root, laziness."""

import base64
import json
import time
import tracemalloc
from itertools import islice

import pytest

from data_cards import BadInputError
from data_cards.seen_ids import SeenIds
from data_cards.source import open_source


def llava(i, **more):
    return {
        "id": f"r{i}",
        "image": f"{i}.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat?"},
            {"from": "gpt", "value": f"A thing, {i}."},
        ],
        **more,
    }


def jsonl(path, records):
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_exactly_the_bad_rows_are_marked(tmp_path):
    no_response = llava(9)
    del no_response["conversations"][1]
    records = [
        llava(0),
        '{"id": "cut", "conversations": [',
        [1, 2],
        llava(3, id="r0"),
        llava(4, conversations="text"),
        llava(5, image=17),
        llava(6, id=["x"]),
        llava(7, conversations=[{"from": "robot", "value": "x"}]),
        llava(8, conversations=[]),
        no_response,
        llava(10, conversations=[{"from": "gpt", "value": " \n"}]),
        {"id": "r11"},
        llava(12, conversations=[{"from": "gpt", "value": "\ud83d alone"}]),
        "[" * 100_000,
        llava(14, conversations=[{"from": "gpt", "value": "x" * 100_000}]),
        llava(15, conversations=[{"from": "gpt", "value": "<script>alert(1)</script>"}]),
        llava(16, conversations=[{"from": "gpt", "value": 3}]),
        "null",
        llava(18),
    ]
    samples = list(open_source(jsonl(tmp_path / "d.jsonl", records)).samples())
    assert [s.row for s in samples] == list(range(len(records)))
    reasons = {s.row: s.error for s in samples if s.error}
    expected = {
        1: "broken JSON at column",
        2: "the record is a list, not an object",
        3: "duplicate id 'r0', first at row 0",
        4: "the conversation is text",
        5: "an image is a number",
        6: "field 'id' (id) is a list",
        7: "turn 1 has an unknown role ('robot')",
        8: "the conversation is empty",
        9: "there is no response",
        10: "the response is empty",
        11: "field 'conversations' is missing",
        12: "a lone surrogate",
        13: "broken JSON",
        16: "the text of turn 1 is a number",
        17: "the record is missing",
    }
    assert reasons.keys() == expected.keys()
    for row, words in expected.items():
        assert words in reasons[row], (row, reasons[row])
    assert len({s.id for s in samples}) == len(samples)
    assert samples[1].where == "d.jsonl:2"
    assert samples[0].instruction == "What?" and samples[0].response == "A thing, 0."
    assert len(samples[14].response) == 100_000
    assert samples[15].response == "<script>alert(1)</script>"


def test_broken_array_names_line_column_and_remedy(tmp_path):
    path = tmp_path / "d.json"
    path.write_text("[" + ",\n".join(json.dumps(llava(i)) for i in range(3)) + ",\n  {'id': 1}]")
    samples = open_source(path).samples()
    assert [s.id for s in islice(samples, 3)] == ["r0", "r1", "r2"]
    with pytest.raises(BadInputError, match=r"d\.json: broken JSON at line 4, column 4.*after 3"):
        next(samples)
    for tail, words in (("", "end of the file"), ("] x", "more after the array"), (' "x', "found")):
        path.write_text("[" + json.dumps(llava(0)) + tail)
        with pytest.raises(BadInputError, match=words) as caught:
            list(open_source(path).samples())
        assert "JSON Lines" in caught.value.remedy


def test_elements_longer_than_a_chunk_and_numbers_at_its_edge(tmp_path):
    long = llava(1, conversations=[{"from": "gpt", "value": "é" * 3_000_000}])
    path = tmp_path / "d.json"
    for padding in range(12):
        start = json.dumps([llava(0)])[:-1]
        start += " " * ((1 << 20) - len(start) - padding - 1) + ",12345678,"
        path.write_text(start + json.dumps(long, ensure_ascii=False) + "]")
        samples = list(open_source(path).samples())
        assert [s.error for s in samples] == [None, "the record is a number, not an object", None]
    assert len(samples[2].response) == 3_000_000


def test_reading_is_lazy_and_lean(tmp_path):
    record = json.dumps(llava(0, pad="x" * 2000))
    for name in ("d.json", "d.jsonl"):
        path = tmp_path / name
        with path.open("w") as file:
            file.write("[" if name == "d.json" else "")
            for i in range(6_000):
                file.write(record.replace("r0", f"r{i}") + (",\n" if name == "d.json" else "\n"))
        # The array is never closed: reading it whole would fail, reading its head must not.
        tracemalloc.start()
        started = time.process_time()
        first = next(open_source(path).samples())
        assert time.process_time() - started < 1.0
        assert first.id == "r0"
        count = sum(1 for _ in islice(open_source(path).samples(), 5_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 5_000
        assert peak < 10_000_000 < path.stat().st_size


def test_ids_take_few_bytes():
    tracemalloc.start()
    seen = SeenIds()
    for i in range(30_000):
        assert seen.first(f"id-{i}", i) is None
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 30_000 < 40
    assert seen.first("id-777", 5) == 777 and len(seen) == 30_000


def test_paths_that_leave_the_root(tmp_path):
    root = tmp_path / "data"
    (root / "in").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"s")
    (root / "in" / "a.png").write_bytes(b"a")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "good.png").symlink_to("in/a.png")
    (root / "folder").symlink_to(tmp_path)
    names = [
        "in/a.png",
        str(root / "in" / "a.png"),
        "in/../in/a.png",
        "good.png",
        "../secret.png",
        "/etc/passwd",
        "link.png",
        "folder/secret.png",
        "in/../../secret.png",
        "..",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "a\0b.png",
    ]
    records = [llava(i, image=name) for i, name in enumerate(names)]
    samples = list(open_source(jsonl(root / "d.jsonl", records)).samples())
    refs = [s.images[0] for s in samples]
    for ref in refs[:4]:
        assert ref.error is None and ref.path == (root / "in" / "a.png").resolve()
    for ref in refs[4:10]:
        assert ref.path is None and "leaves the data root" in ref.error
    for ref in refs[10:12]:
        assert ref.path is None and "is a URL; not fetched" in ref.error
    assert "null character" in refs[12].error
    assert all(s.error is None for s in samples)


def test_text_only_multi_turn_multi_image(tmp_path):
    talk = [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "Look at <image> and\n<image>"},
        {"from": "gpt", "value": "One."},
        {"from": "human", "value": "And?"},
        {"from": "gpt", "value": "Two."},
    ]
    records = [
        llava(0, image=["a.png", "b.png"], conversations=talk),
        {
            "id": 1,
            "conversations": [{"from": "human", "value": "Is <image> HTML?"}, talk[2]],
        },
    ]
    first, second = open_source(jsonl(tmp_path / "d.jsonl", records)).samples()
    assert [(t.role, t.text) for t in first.turns] == [
        ("system", "Be kind."),
        ("user", "Look at  and"),
        ("assistant", "One."),
        ("user", "And?"),
        ("assistant", "Two."),
    ]
    assert [ref.name for ref in first.images] == ["a.png", "b.png"]
    assert second.images == () and second.instruction == "Is <image> HTML?"
    assert second.id == "1"


def test_openai_parts_and_data_uris(tmp_path):
    uri = "data:image/png;base64," + base64.b64encode(b"PNGPNG").decode()
    parts = [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": uri}},
        {"type": "image_url", "image_url": "x.png"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,@@@"}},
    ]
    records = [
        {
            "messages": [
                {"role": "user", "content": parts},
                {"role": "assistant", "content": "A cat."},
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
    ]
    source = open_source(jsonl(tmp_path / "d.jsonl", records))
    assert source.format == "openai" and "messages" in source.how
    good, bad = source.samples()
    assert (good.id, good.instruction, good.response) == ("d:0", "What?", "A cat.")
    assert good.images[0].data == b"PNGPNG"
    assert good.images[1].path == tmp_path / "x.png"
    assert "not valid base64" in good.images[2].error
    assert "part of unknown type ('video')" in bad.error


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([{"conversations": [{"from": "human", "value": "q"}], "image": "a"}], "llava"),
        ([{"conversations": [{"from": "human", "value": "q"}]}], "llava"),
        ([{"conversations": [{"from": "user", "value": "q"}], "images": ["a"]}], "sharegpt"),
        ([{"conversations": [{"from": "system", "value": "q"}]}], "sharegpt"),
        ([{"messages": []}], "openai"),
        ([{"image": "a", "question": "q", "answer": "a"}], "json"),
    ],
)
def test_json_dialects_are_told_apart(tmp_path, records, kind):
    (tmp_path / "d.json").write_text(json.dumps(records))
    assert open_source(tmp_path / "d.json").format == kind


def test_column_mapping_and_truth(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("uid,img,Question,answer,truth,origin\n1,a.png,What?,A cat,bad,web\n")
    source = open_source(path)
    assert "id=uid, images=img, instruction=Question, response=answer" in source.how
    (sample,) = open_source(path, columns={"source": "origin", "image": None}).samples()
    assert (sample.source, sample.images, sample.id) == ("web", (), "1")
    assert "bad" not in repr(sample)
    for columns, words in (
        ({"response": "truth"}, "planted truth"),
        ({"source": "answer|Truth"}, "planted truth"),
        ({"respons": "answer"}, "not something a column can be"),
        ({"response": "anser"}, "no field 'anser'"),
    ):
        with pytest.raises(BadInputError, match=words):
            open_source(path, columns=columns)
    only = tmp_path / "t.csv"
    only.write_text("id,truth\n1,good\n")
    with pytest.raises(BadInputError, match="no column with the response"):
        open_source(only)


def test_captions_are_asked_for(tmp_path):
    path = jsonl(tmp_path / "d.jsonl", [{"image": "a.png", "caption": "A cat."}])
    assert 'asked "Describe the image."' in open_source(path).how
    (sample,) = open_source(path, default_instruction="What is it?").samples()
    assert [t.text for t in sample.turns] == ["What is it?", "A cat."]


def test_one_stray_quote_costs_one_csv_row(tmp_path):
    path = tmp_path / "d.csv"
    rows = [f'{i},{i}.png,q,"answer, {i}"' for i in range(6)]
    rows[2] = '2,2.png,q,"never closed'
    rows[4] = "4,4.png,q"
    path.write_text("\ufeffid,image,question,answer\n" + "\n".join(rows) + "\n", encoding="utf-8")
    samples = list(open_source(path).samples())
    assert [s.error is None for s in samples] == [True, True, False, True, False, True]
    assert "broken quoting" in samples[2].error and samples[2].where == "d.csv:4"
    assert samples[4].error == "3 fields, but the header has 4"
    assert samples[5].id == "5" and samples[5].where == "d.csv:7"


def test_damaged_tar_costs_only_its_samples(tmp_path):
    import io
    import tarfile

    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(5):
            for extension in ("jpg", "txt"):
                info = tarfile.TarInfo(f"{i}.{extension}")
                info.size = 600
                tar.addfile(info, io.BytesIO(b"x" * 600))
    with tarfile.open(path) as tar:  # (while writing, tarfile does not note the offsets)
        offsets = {m.name: m.offset for m in tar.getmembers()}
    whole = path.read_bytes()
    for name, bad in (("1.jpg", 1), ("2.txt", 2)):
        data = bytearray(whole)
        data[offsets[name] : offsets[name] + 100] = b"\xff" * 100
        path.write_bytes(data)
        samples = list(open_source(path).samples())
        assert [s.row for s in samples if s.error] == [bad]
        assert f"damaged tar header at byte {offsets[name]}" in samples[bad].error
        assert [s.id for s in samples if not s.error] == [str(i) for i in range(5) if i != bad]
    path.write_bytes(whole[: offsets["3.txt"] + 700])
    samples = list(open_source(path).samples())
    assert [s.error for s in samples[:3]] == [None] * 3 and len(samples) == 4
    assert "cut short" in samples[3].error


def test_a_tar_whose_gzip_is_damaged_names_the_file_and_the_remedy(tmp_path):
    import io
    import random
    import tarfile

    path = tmp_path / "s.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for i in range(4):
            for extension in ("jpg", "txt"):
                info = tarfile.TarInfo(f"{i}.{extension}")
                data = random.Random(i).randbytes(20_000) if extension == "jpg" else b"text"
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    whole = path.read_bytes()
    middle = len(whole) // 2
    for name, data, before in (
        ("plain", b"not gzip", 0),
        ("cut", whole[:middle], 1),
        ("damaged", whole[:middle] + b"\xff" * 400 + whole[middle + 400 :], 1),
    ):
        path.write_bytes(data)
        samples = []
        with pytest.raises(BadInputError, match=r"s\.tar\.gz is no whole gzip file") as caught:
            for sample in open_source(path).samples():
                samples.append(sample)
        assert "again" in caught.value.remedy, name
        assert sum(sample.error is None for sample in samples) >= before, name


def test_unusable_input(tmp_path):
    for name, data, format, words in (
        ("what.bin", b"\1\2\3", None, "format is not recognised"),
        ("empty.json", b"[ ]\n", None, "holds no records"),
        ("empty.jsonl", b"", None, "holds no records"),
        ("wide.jsonl", '{"a": 1}'.encode("utf-16"), "llava", "UTF-16"),
        ("packed.jsonl", b"\x1f\x8b\x08\0", "llava", "compressed"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInputError, match=words) as caught:
            list(open_source(tmp_path / name, format=format).samples())
        assert name in str(caught.value)
    for name, format in (("none.json", None), ("none{1}.json", None), ("{a,b}.json", "llava")):
        with pytest.raises(BadInputError, match="does not exist"):
            open_source(tmp_path / name, format=format)
    with pytest.raises(BadInputError, match="llava: JSON array"):
        open_source(tmp_path / "what.bin")
    with pytest.raises(BadInputError, match="no format is called 'x'"):
        open_source(tmp_path / "what.bin", format="x")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BadInputError, match="not a readable Parquet"):
        open_source(tmp_path / "cut.parquet")


def test_images_are_found_though_the_first_records_show_none(tmp_path):
    """A mixed set that begins with text: where its pictures lie is seen further down."""
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    records = [{"id": f"t{n}", "conversations": turns} for n in range(50)]
    records.append({"id": "p", "image": "a.png", "conversations": turns})
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"PNG")
    (tmp_path / "pairs.json").write_text(json.dumps(records))
    source = open_source(tmp_path / "pairs.json")
    (ref,) = list(source.samples())[-1].images
    assert ref.path == (tmp_path / "images" / "a.png").resolve()
