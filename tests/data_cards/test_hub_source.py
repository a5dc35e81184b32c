"""Data of the hub, read over HTTP by the real clients from a hub on loopback.

What talks to the hub runs in one process of its own (``HF_ENDPOINT`` is read at import), which
prints what it saw; the tests look at that.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.loopback_hub import READER, LoopbackHub

CLIENT = """
import dataclasses, io, json, os, pathlib, sys
from data_cards.errors import BadInputError, BadRowError
from data_cards.images import read_bytes
from data_cards.source import open_source

out = pathlib.Path(sys.argv[1])
old = sys.argv[2]
said = {}

def seen(sample):
    images = []
    for ref in sample.images:
        try:
            images.append(len(read_bytes(ref)))
        except BadRowError as error:
            images.append(error.reason)
    return [sample.id, sample.response, sample.error, images]

def look(key, *words, rows=None, copy=False, **options):
    try:
        source = open_source(*words, **options)
        said[key] = {
            "how": source.how, "hint": source.count_hint(), "commit": source.hub.commit,
            "name": source.name, "rows": [seen(s) for s in source.samples()],
            "card": dict(source.hub.front_matter),
        }
        if rows is not None:
            made = source.copy_rows(rows, out / key, copy_images=copy)
            said[key]["copied"] = [str(p.relative_to(out)) for p in made]
            again = open_source(made[0])
            said[key]["again"] = [seen(s) for s in again.samples()]
    except BadInputError as error:
        said[key] = [error.message, error.remedy]

look("images", "hf://owner/images", rows=[1, 3])
look("downloaded", "hf://owner/images", streaming=False)
look("old", f"hf://owner/images@{old}")
look("old by branch", "hf://owner/images@release/v1.0", rows=[0])
look("old by option", "hf://owner/images", revision="before")
look("subset", "hf://owner/subsets:first", split="test")
look("subset by option", "hf://owner/subsets", config="second")
look("llava", "hf://owner/llava", rows=[2], copy=True)
look("file", "hf://owner/mixed/sub/mixed.json", rows=[0, 2], copy=True)
look("folder", "hf://owner/folder", rows=[0])
look("folder downloaded", "hf://owner/folder", streaming=False)
look("local path", "hf://owner/sly")
look("zipped", "hf://owner/zipped")
look("zipped downloaded", "hf://owner/zipped", streaming=False)
look("local images", "hf://owner/llava", images=sys.argv[3])
look("carded", "hf://HuggingFaceM4/the_cauldron", config="ai2d")
look("no repository", "hf://owner/nothing")
look("private", "hf://owner/private")
look("gated", "hf://owner/gated")
os.environ["HF_TOKEN"] = sys.argv[4]
look("gated, logged in", "hf://owner/gated")
os.environ["HF_TOKEN"] = "hf_wrong"
look("wrong token", "hf://owner/images")
os.environ["HF_TOKEN"] = ""
look("no revision", "hf://owner/images@nobranch")
look("no subset", "hf://owner/subsets:frist")
look("subset untold", "hf://owner/subsets")
look("no split", "hf://owner/subsets:first", split="validation")
look("split untold", "hf://owner/subsets:first")
look("no file", "hf://owner/images/none.json")
look("nearly a file", "hf://owner/pictures/pair.jsonl")
look("no name", "hf://a b")
look("down", "hf://owner/down")
look("taken for a folder", "hf://owner/pictures")
print(json.dumps(said))
"""


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 6), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG", quality=98)
    _JPEG.append(buffer.getvalue())
    return _JPEG[0]


_JPEG: list[bytes] = []
SECRET = Path(__file__).parents[2] / "docs" / "report.png"


def parquet(answers: list[str], images: list[dict] | None = None) -> bytes:
    images = images or [{"bytes": png(i), "path": f"{i}.png"} for i in range(len(answers))]
    features = {"image": {"_type": "Image"}, "id": {"dtype": "string", "_type": "Value"}}
    for name in ("question", "answer"):
        features[name] = {"dtype": "string", "_type": "Value"}
    table = pa.table(
        {
            "id": [f"r{i}" for i in range(len(answers))],
            "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "question": ["What?"] * len(answers),
            "answer": answers,
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def rows_of(word: str, count: int) -> str:
    rows = [{"id": f"{word}{i}", "question": "q", "answer": f"{word} {i}"} for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def llava(id: object, image: str | None, answer: str) -> dict:
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": answer}]
    return {"id": id, "conversations": turns} | ({} if image is None else {"image": image})


SUBSETS = """---
license: cc-by-4.0
configs:
- config_name: first
  data_files:
  - {split: train, path: first-train.jsonl}
  - {split: test, path: first-test.jsonl}
- config_name: second
  data_files:
  - {split: train, path: second.jsonl}
dataset_info:
- config_name: first
  features:
  - {name: id, dtype: string}
  - {name: question, dtype: string}
  - {name: answer, dtype: string}
  splits:
  - {name: train, num_examples: 4}
  - {name: test, num_examples: 2}
- config_name: second
  features:
  - {name: id, dtype: string}
  - {name: question, dtype: string}
  - {name: answer, dtype: string}
---
# Subsets
"""


def fill(hub: LoopbackHub) -> str:
    """Put the repositories there; gives the earlier commit of ``owner/images``."""
    data, readme = "data/train-00000-of-00001.parquet", "---\nlicense: cc-by-sa-4.0\n---\n"
    old = hub.put("datasets", "owner/images", {data: parquet(["old"])})
    branches = hub.repos["datasets", "owner/images"].branches
    branches["before"] = branches["release/v1.0"] = old
    new = parquet([f"a thing {i}" for i in range(5)])
    hub.put("datasets", "owner/images", {data: new, "README.md": readme})
    files = {"first-train.jsonl": rows_of("t", 4), "first-test.jsonl": rows_of("e", 2)}
    files |= {"second.jsonl": rows_of("s", 3), "README.md": SUBSETS}
    hub.put("datasets", "owner/subsets", files)
    pictures = {f"images/{i}.png": png(i) for i in range(4)}
    records = [llava(f"r{i}", f"images/{i}.png", f"thing {i}") for i in range(3)]
    records.append(llava("r3", "images/none.png", "thing 3"))
    records.append(llava("r4", "../../secret.png", "thing 4"))
    records.append(llava("r5", "https://example.org/x.png", "thing 5"))
    text = "".join(json.dumps(r) + "\n" for r in records)
    hub.put("datasets", "owner/llava", {"train.jsonl": text, **pictures})
    many = {f"images/{i}.png": png(i) for i in range(30)}
    hub.put("datasets", "owner/pictures", {"pairs.jsonl": text, **many})
    mixed = [llava(7, "0.png", "zero"), llava("b", None, "text only"), llava("c", "1.png", "one")]
    inside = {f"sub/images/{i}.png": png(i) for i in range(2)}
    hub.put("datasets", "owner/mixed", {"sub/mixed.json": json.dumps(mixed), **inside})
    lines = [{"file_name": name, "text": f"caption of {name}"} for name in ("0.png", "1.jpg")]
    meta = "".join(json.dumps(line) + "\n" for line in lines)
    shown = {"train/0.png": png(0), "train/1.jpg": jpeg()}
    hub.put("datasets", "owner/folder", {"train/metadata.jsonl": meta, **shown})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("metadata.jsonl", meta.replace("jpg", "png"))
        for i in range(2):
            archive.writestr(f"{i}.png", png(i))
    hub.put("datasets", "owner/zipped", {"train.zip": packed.getvalue()})
    sly = parquet(["x"], [{"bytes": None, "path": str(SECRET)}])  # a picture that is really there
    hub.put("datasets", "owner/sly", {"train.parquet": sly})
    talk = {"images": [], "texts": [{"user": "q", "assistant": "a", "source": "x"}]}
    card = "---\nconfigs:\n- {config_name: ai2d, data_files: ai2d/*}\n---\n"
    files = {"ai2d/train.jsonl": json.dumps(talk) + "\n", "README.md": card}
    hub.put("datasets", "HuggingFaceM4/the_cauldron", files)
    hub.put("datasets", "owner/private", {"a.jsonl": rows_of("p", 1)}, private=True)
    hub.put("datasets", "owner/gated", {"a.jsonl": rows_of("g", 1)}, gated=True)
    return old


@pytest.fixture(scope="module")
def saw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "images").mkdir()
    for i in range(3):
        (folder / "images" / f"{i}.png").write_bytes(png(200) + b"local")
    with LoopbackHub() as hub:
        old = fill(hub)
        hub.failing.append(("owner/down", 503))
        words = [str(folder / "out"), old, str(folder), READER]
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, *words],
            env=os.environ | hub.environment(folder / "home"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads(done.stdout.splitlines()[-1])
        said["hub"], said["out"] = hub, folder / "out"
        yield said


def one_line(said: list[str], *words: str) -> None:
    message, remedy = said
    assert "\n" not in message and remedy
    for word in words:
        assert word in message + " " + remedy, (word, said)


@pytest.mark.parametrize("key", ["images", "downloaded"])
def test_streamed_and_downloaded_are_the_same(saw, key):
    got = saw[key]
    assert got["rows"] == [[f"r{i}", f"a thing {i}", None, [len(png(i))]] for i in range(5)]
    assert got["commit"] == saw["hub"].repos["datasets", "owner/images"].branches["main"]
    assert got["name"] == "images" and got["card"] == {"license": "cc-by-sa-4.0"}
    assert got["commit"][:12] in got["how"]


def test_chosen_records_are_copied(saw):
    assert saw["images"]["copied"] == ["images/images.parquet"]
    assert saw["images"]["again"] == [saw["images"]["rows"][i] for i in (1, 3)]


@pytest.mark.parametrize("key", ["old", "old by option", "old by branch"])
def test_a_revision_is_read(saw, key):
    repo = saw["hub"].repos["datasets", "owner/images"]
    assert [row[1] for row in saw[key]["rows"]] == ["old"]
    assert saw[key]["commit"] == repo.branches["before"] != repo.branches["main"]


def test_subsets_and_splits(saw):
    assert [row[0] for row in saw["subset"]["rows"]] == ["e0", "e1"]
    assert saw["subset"]["hint"] == 2  # as the repository's card declares
    assert [row[0] for row in saw["subset by option"]["rows"]] == ["s0", "s1", "s2"]
    assert saw["subset by option"]["hint"] is None


def test_images_that_records_name_come_from_the_repository(saw):
    rows = saw["llava"]["rows"]
    assert [row[3][0] for row in rows[:3]] == [len(png(i)) for i in range(3)]
    assert rows[3][3][0].startswith("image missing in the repository owner/llava")
    assert "leaves the data root" in rows[4][3][0] and "--allow-urls" in rows[5][3][0]
    assert saw["llava"]["copied"] == ["llava/llava.parquet", "llava/images"]
    assert saw["llava"]["again"] == [rows[2]]
    assert (saw["out"] / "llava" / "images" / "2.png").read_bytes() == png(2)
    got = saw["hub"].asked(r"^GET /datasets/owner/llava/resolve/.*png")
    assert {r.path.rpartition("/")[2] for r in got} == {"0.png", "1.png", "2.png"}
    assert len(got) == 3  # each once, and none that no row names


def test_a_folder_of_images_given_goes_before_the_repository(saw):
    assert [row[3][0] for row in saw["local images"]["rows"][:3]] == [len(png(200)) + 5] * 3


def test_one_file_of_a_repository_is_read_by_its_own_format(saw):
    got = saw["file"]
    assert [row[:3] for row in got["rows"]] == [
        ["7", "zero", None],
        ["b", "text only", None],
        ["c", "one", None],
    ]
    assert got["rows"][2][3] == [len(png(1))]
    assert got["copied"] == ["file/mixed.json", "file/images"]
    assert got["again"] == [got["rows"][0], got["rows"][2]]


def test_an_image_folder_of_the_hub(saw):
    expected = [len(png(0)), len(jpeg())]  # as they are: nothing is decoded and encoded anew
    for key in ("folder", "folder downloaded"):
        assert [row[3] for row in saw[key]["rows"]] == [[size] for size in expected], key
    assert saw["folder"]["again"][0][3] == [expected[0]]  # the copy holds the bytes


def test_a_path_of_this_machine_in_a_row_is_not_opened(saw):
    for row in saw["local path"]["rows"]:
        assert isinstance(row[3][0], str) and "not known" in row[3][0]


def test_images_in_an_archive_are_read_when_it_is_downloaded(saw):
    assert [row[3] for row in saw["zipped downloaded"]["rows"]] == [[len(png(i))] for i in (0, 1)]
    assert all("--no-streaming" in row[3][0] for row in saw["zipped"]["rows"])


def test_a_data_card_is_found_by_the_name_on_the_hub(saw):
    assert "by the card the_cauldron" in saw["carded"]["how"]
    assert saw["carded"]["rows"] == [["the_cauldron:0", "a", None, []]]


def test_what_is_said_when_data_cannot_be_had(saw):
    one_line(saw["no repository"], "no data set owner/nothing", "hf auth login", "HF_TOKEN")
    one_line(saw["private"], "or it is private")
    page = f"{saw['hub'].url}/datasets/owner/gated"
    for key in ("gated", "gated, logged in"):
        one_line(saw[key], "gated", "Accept", page, "hf auth login", "HF_TOKEN")
    one_line(saw["wrong token"], "does not accept the token", "hf auth login")
    one_line(saw["no revision"], "no revision 'nobranch'")
    one_line(saw["no subset"], "no configuration 'frist'", "Did you mean 'first'?", "second")
    one_line(saw["subset untold"], "several configurations", "--subset", "first, second")
    one_line(saw["no split"], "no split 'validation'", "--split", "train, test")
    one_line(saw["split untold"], "several splits", "train, test")
    one_line(saw["no file"], "no file 'none.json'")
    one_line(saw["nearly a file"], "no file 'pair.jsonl'", "Did you mean 'pairs.jsonl'?")
    one_line(saw["no name"], "not the name of data")
    one_line(saw["taken for a folder"], "no column with the response", "owner/pictures/pairs.jsonl")
    one_line(saw["down"], "is down", "503", "later")
