"""Every card is valid for the hub, and its mapping reads a file of the layout that it describes."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from data_cards import BadInputError
from data_cards.cards import find_card, list_cards, load_card, parse_card, split_front_matter
from data_cards.source import open_source

LLAVA = [
    {
        "id": name,
        "image": "a.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat colour?"},
            {"from": "gpt", "value": "Red."},
        ],
    }
    for name in ("000000033471", "000000033472")
]

CAULDRON = {
    "images": [{"bytes": b"x", "path": None}],
    "texts": [
        {"user": "What colour?", "assistant": "Red.", "source": "ai2d"},
        {"user": "And this?", "assistant": "Blue.", "source": "ai2d"},
    ],
}

ONEVISION = {**LLAVA[0], "image": {"bytes": b"x", "path": "a.jpg"}, "data_source": "ai2d(gpt4v)"}


def opened(tmp_path: Path, name: str):
    """Write a tiny file in the card's layout and open it by that card."""
    card = load_card(name)
    if card.format == "llava":
        pattern = card.files[0] if card.files else "demo.json"
        (tmp_path / pattern).parent.mkdir(exist_ok=True)
        (tmp_path / pattern).write_text(json.dumps(LLAVA))
        return open_source(tmp_path / pattern, card=None if card.files else name)
    if name == "cc_sbu_align":
        folder = tmp_path / "cc_sbu_align"
        (folder / "image").mkdir(parents=True)
        annotations = [{"image_id": "2", "caption": "Red."}]
        (folder / "filter_cap.json").write_text(json.dumps({"annotations": annotations}))
        (folder / "image" / "2.jpg").write_bytes(b"x")
        return open_source(folder)
    if name == "coco_captions":
        (tmp_path / "train2017").mkdir()
        (tmp_path / "train2017" / "000000000009.jpg").write_bytes(b"x")
        data = {
            "info": {},
            "images": [{"id": 9, "file_name": "000000000009.jpg"}],
            "licenses": [],
            "annotations": [
                {"image_id": 9, "id": 661611, "caption": "Red."},
                {"image_id": 9, "id": 661977, "caption": "Blue."},
            ],
        }
        (tmp_path / "captions_train2017.json").write_text(json.dumps(data))
        return open_source(tmp_path / "captions_train2017.json")
    if card.format == "webdataset":
        import io
        import tarfile

        with tarfile.open(tmp_path / "00000.tar", "w") as tar:
            for extension, data in (("jpg", b"x"), ("json", b'{"caption": "Red."}')):
                info = tarfile.TarInfo(f"000000000.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return open_source(tmp_path / "00000.tar", card=name)
    assert card.format == "hf"
    record = CAULDRON if name == "the_cauldron" else ONEVISION
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "data.parquet")
    return open_source(tmp_path, card=name)


@pytest.mark.parametrize("name", list_cards())
def test_front_matter_is_valid_for_the_hub(name):
    card = DatasetCard(load_card(name).text)
    data = card.data.to_dict()
    assert data["license"] and data["pretty_name"] and data["task_categories"]
    assert "size_categories" in data or name == "laion_webdataset"
    assert isinstance(data["pickwell"], dict)
    DatasetCard(card.content)  # and its own output parses again


@pytest.mark.parametrize("name", list_cards())
def test_mapping_reads_its_layout(tmp_path, name):
    source = opened(tmp_path, name)
    assert source.card is not None and source.card.name == name
    samples = list(source.samples())
    assert samples and all(sample.error is None for sample in samples), samples
    assert samples[0].response.startswith("Red.") and samples[0].instruction
    assert samples[0].images and all(ref.error is None for ref in samples[0].images)


def test_what_cards_change(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "llava_v1_5_mix665k.json").write_text(json.dumps(LLAVA[:1] * 2))
    source = open_source(tmp_path / "llava_v1_5_mix665k.json")
    assert [s.id for s in source.samples()] == ["llava_v1_5_mix665k:0", "llava_v1_5_mix665k:1"]
    plain = open_source(tmp_path / "llava_v1_5_mix665k.json", card="none")
    assert plain.card is None and list(plain.samples())[1].error.startswith("duplicate id")
    first, second = opened(tmp_path / "a", "coco_captions").samples()
    assert first.images[0].path == (tmp_path / "a/train2017/000000000009.jpg").resolve()
    assert (first.id, second.id) == ("661611", "661977")


def test_source_comes_from_a_field_where_the_card_maps_it(tmp_path):
    (tmp_path / "d.json").write_text(json.dumps([{**LLAVA[0], "source": "web"}]))
    front = "---\npickwell: {{format: llava, source: pool{}}}\n---\n# x\n"
    for name, more, expected in (("a", "", "pool"), ("b", ", columns: {source: source}", "web")):
        (tmp_path / f"{name}.md").write_text(front.format(more))
        source = open_source(tmp_path / "d.json", card=str(tmp_path / f"{name}.md"))
        assert next(source.samples()).source == expected
    assert next(open_source(tmp_path / "d.json").samples()).source == "web"


def test_a_card_that_does_not_fit_is_not_used(tmp_path):
    path = tmp_path / "llava_v1_5_mix665k.json"
    path.write_text(json.dumps([{"image": "a.png", "question": "q", "answer": "a"}]))
    source = open_source(path)
    assert source.card is None and "card llava_v1_5_mix665k not used" in source.how


def test_find_card():
    assert find_card("x/y/llava_instruct_150k.json") == "llava_instruct_150k"
    assert find_card("/data/cc_sbu_align/filter_cap.json") == "cc_sbu_align"
    assert find_card("/data/mine/filter_cap.json") is None
    assert find_card("hf://HuggingFaceM4/the_cauldron:ai2d") == "the_cauldron"
    assert find_card("hf://someone/else") is None


def test_bad_cards_say_what_is_wrong():
    for text, words in (
        ("no front matter", "begins with YAML"),
        ("---\na: [\n---\n", "not valid YAML"),
        ("---\npickwell: {formt: llava}\n---\n", "formt"),
        ("---\npickwell: {columns: {response: truth}}\n---\n", "planted truth"),
        ("---\npickwell: {columns: {answer: x}}\n---\n", "'answer' is not something"),
    ):
        with pytest.raises(BadInputError, match=words):
            parse_card(text, "x", "x.md")
    with pytest.raises(BadInputError, match="no data card 'nope'"):
        load_card("nope")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "---\ntitle: foo---\nlicense: mit\n---\n# a---\n",
            ("title: foo---\nlicense: mit\n", "# a---\n"),
        ),
        ("\ufeff---\na: 1\n---", ("a: 1\n", "")),
        ("# no card\n---\na: 1\n---\n", ("", "# no card\n---\na: 1\n---\n")),
        ("", ("", "")),
    ],
)
def test_front_matter_stands_between_lines(text, parts):
    assert split_front_matter(text) == parts
