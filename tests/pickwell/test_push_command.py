"""A selection pushed to a hub on loopback is a data set that ``load_dataset`` opens."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from data_cards.errors import BadInputError
from data_cards.source import Source
from pickwell.push_job import _run_options, _with_urls, push, token_from
from pickwell.selection_files import open_selection
from tests.loopback_hub import READER, WRITER, LoopbackHub

METRICS = "length,repetition,image_quality"
CLIENT = """
import io, json, sys
from datasets import Image, load_dataset
from data_cards.images import read_bytes
from data_cards.source import open_source
id = sys.argv[1]
data = load_dataset(id, split="train")
said = {"columns": data.column_names, "size": data[0]["images"][0].size}
plain = data.cast_column("images", [Image(decode=False)])
said["rows"] = [[r["id"], len(r["images"][0]["bytes"]), r["messages"][1]["content"], r["rank"]]
                for r in plain]
source = open_source(f"hf://{id}")
said["ours"] = [[s.id, len(read_bytes(s.images[0])), s.response, s.error] for s in source.samples()]
said["card"] = dict(source.hub.front_matter)
print(json.dumps(said))
"""
DRIVER = """
import json, sys
from data_cards.errors import BadInputError
from pickwell.push_job import push
said = {}
for key, words in json.loads(sys.argv[1]).items():
    try:
        pushed = push(words.pop("selection"), words.pop("repository"), **words)
        said[key] = [pushed.commit, pushed.url, sorted(pushed.files)]
    except BadInputError as error:
        said[key] = {"message": error.message, "remedy": error.remedy}
print(json.dumps(said))
"""


def client(code: str, *words: str, **environment: str):
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def picked(llava, pickwell_here, tmp_path):
    """Twelve of the hand-made pairs, of a source with a licence."""
    front = "license: cc-by-4.0\npickwell: {format: llava, source: mine}"
    (tmp_path / "mine.md").write_text(f"---\n{front}\n---\n# Mine\n")
    words = ("--models", "none", "--metrics", METRICS, "--card", tmp_path / "mine.md")
    assert pickwell_here("score", llava, "-o", tmp_path / "run", *words).returncode == 0
    folder = tmp_path / "picked"
    assert pickwell_here("select", tmp_path / "run", "-o", folder, "-b", 12).returncode == 0
    return folder


def test_pushed_and_loaded_again(picked, pickwell, hub, tmp_path):
    online = hub.environment(tmp_path / "home", WRITER)
    done = pickwell("push", picked, "owner/picked", "--message", "the best twelve", **online)
    assert done.returncode == 0, done.stderr
    repo = hub.repos["datasets", "owner/picked"]
    assert repo.messages == ["initial commit", "the best twelve"]  # one commit
    assert repo.branches["main"] in done.stdout and not repo.private
    ids = open_selection(picked).ids
    files = set(repo.files) - {".gitattributes"}
    own = {"README.md", "manifest.json", "selection.parquet", "records/pairs.jsonl"}
    table = "data/train-00000-of-00001.parquet"
    assert files == own | {table} | {f"records/images/{id_[1:]}.png" for id_ in ids}
    assert repo.files["records/pairs.jsonl"] == (picked / "data" / "pairs.jsonl").read_bytes()
    assert len(hub.asked(r"^POST /api/validate-yaml")) == 1
    again = pickwell("push", picked, "owner/picked", **online)
    assert again.returncode == 0 and "Nothing new: owner/picked holds just these" in again.stdout
    assert repo.messages == ["initial commit", "the best twelve"]
    assert "No files have been modified" not in again.stderr
    _no_local_path(repo.files, tmp_path)
    outputs = json.loads(repo.files["manifest.json"])["outputs"]
    assert {entry["path"] for entry in outputs} == files - {"manifest.json"}
    for entry in outputs:
        assert hashlib.sha256(repo.files[entry["path"]]).hexdigest() == entry["sha256"]
    front = DatasetCard(repo.files["README.md"].decode()).data.to_dict()
    assert front["license"] == "cc-by-4.0" and front["configs"][0]["data_files"][0]["path"] == table
    said = client(CLIENT, "owner/picked", **hub.environment(tmp_path / "home2"))
    assert said["columns"][:4] == ["id", "images", "messages", "source"]
    assert said["size"] == [96, 80] and said["card"]["license"] == "cc-by-4.0"
    originals = {json.loads(line)["id"]: json.loads(line) for line in _lines(picked)}
    assert {row[0] for row in said["rows"]} == set(ids)
    for id_, size, answer, rank in said["rows"]:
        assert size == (tmp_path / "data" / originals[id_]["image"]).stat().st_size
        assert answer == originals[id_]["conversations"][1]["value"]
        assert ids[rank - 1] == id_
    assert said["ours"] == [[*row[:3], None] for row in said["rows"]]


def _lines(picked) -> list[str]:
    return (picked / "data" / "pairs.jsonl").read_text().splitlines()


def _no_local_path(files: dict[str, bytes], tmp_path) -> None:
    for name in ("README.md", "manifest.json"):
        text = files[name].decode()
        assert str(tmp_path) not in text and tmp_path.name not in text, name
        assert not re.search(r'[\s"`\']/(tmp|home|root|work)\b', text), name
    table = pq.read_table(io.BytesIO(files["selection.parquet"]))
    assert str(tmp_path) not in " ".join(table["reason"].to_pylist())
    assert str(tmp_path).encode() not in b"".join(table.schema.metadata.values())


def test_refusals_and_second_pushes(picked, hub, pickwell_here, tmp_path):
    small = tmp_path / "small"
    assert pickwell_here("select", tmp_path / "run", "-o", small, "-b", 5).returncode == 0
    odd = shutil.copytree(small, tmp_path / "odd")
    card = (odd / "README.md").read_text().replace("license: cc-by-4.0", "license: nonsense")
    (odd / "README.md").write_text(card)
    hub.put("datasets", "owner/others", {"data.csv": "a,b\n1,2\n", "data/a.csv": "a\n1\n"})
    foreign = hub.repos["datasets", "owner/others"]
    foreign.branches["theirs"] = foreign.branches["main"]
    hub.failing.append((r"^POST /api/datasets/owner/unbranched/branch", 500))
    hub.failing.append((r"^POST /api/datasets/owner/broken/commit", 500))
    given = {"selection": str(picked), "token": WRITER, "licence_confirmed": True}
    tries = {
        "no token": {**given, "token": None, "repository": "owner/x"},
        "reader": {**given, "token": READER, "repository": "owner/x"},
        "wrong": {**given, "token": "hf_none", "repository": "owner/x"},
        "namespace": {**given, "repository": "somebody/x"},
        "others": {**given, "repository": "owner/others"},
        "main": {**given, "repository": "owner/others", "revision": "main"},
        "theirs": {**given, "repository": "owner/others", "revision": "theirs"},
        "broken": {**given, "repository": "owner/broken"},
        "unbranched": {**given, "repository": "owner/unbranched", "revision": "new"},
        "odd": {**given, "repository": "owner/odd", "selection": str(odd)},
        "first": {**given, "repository": "owner/twice", "private": True},
        "second": {**given, "repository": "owner/twice", "selection": str(small)},
        "branch": {**given, "repository": "owner/others", "revision": "pickwell"},
        "branch again": {
            **given, "repository": "owner/others", "revision": "pickwell", "selection": str(small)
        },
        "bare": {**given, "repository": "owner/bare", "image_files": False},
    }  # fmt: skip
    said = client(DRIVER, json.dumps(tries), **hub.environment(tmp_path / "home"))
    assert "needs a token" in said["no token"]["message"]
    assert "hf auth login" in said["no token"]["remedy"]
    assert "rights" in said["reader"]["message"] and "rights" in said["namespace"]["message"]
    assert "does not accept the token" in said["wrong"]["message"]
    for key in ("others", "main", "theirs"):
        assert "something else than a selection" in said[key]["message"], key
    assert "still empty" in said["unbranched"]["remedy"]
    assert "is down" in said["broken"]["message"] and "still empty" in said["broken"]["remedy"]
    for key in ("no token", "reader", "namespace", "others", "broken"):
        assert "\n" not in said[key]["message"], key
    assert "refused" in said["odd"]["message"] and "license" in said["odd"]["message"]
    assert set(hub.repos["datasets", "owner/odd"].files) == {".gitattributes"}
    assert set(hub.repos["datasets", "owner/broken"].files) == {".gitattributes"}
    assert ("datasets", "owner/x") not in hub.repos
    twice = hub.repos["datasets", "owner/twice"]
    assert twice.private and len(twice.messages) == 3
    pictures = {p for p in twice.files if p.endswith(".png")}
    assert pictures == {f"records/images/{id_[1:]}.png" for id_ in open_selection(small).ids}
    others = hub.repos["datasets", "owner/others"]
    assert set(others.files) == {"data.csv", "data/a.csv"} and len(others.messages) == 3
    assert others.branches["theirs"] == others.branches["main"]
    aside = others.commits[others.branches["pickwell"]]
    assert "selection.parquet" in aside and "data/a.csv" not in aside
    assert b'revision="pickwell"' in aside["README.md"]
    assert not any(p.endswith(".png") for p in hub.repos["datasets", "owner/bare"].files)


def test_what_the_hub_gave_goes_back_as_one_table(hub, pickwell, tmp_path):
    from tests.data_cards.test_hub_source import parquet
    from tests.pickwell.test_hub_command import THINGS

    answers = [f"A thing of kind {i}, {THINGS[i % 6]}." for i in range(12)]
    readme = "---\nlicense: cc-by-nd-4.0\n---\n"
    hub.put(
        "datasets", "owner/images", {"data/train.parquet": parquet(answers), "README.md": readme}
    )
    online = hub.environment(tmp_path / "home", WRITER)
    words = ("--models", "none", "--metrics", METRICS, "--no-streaming")
    scored = pickwell("score", "hf://owner/images", "-o", "run", *words, **online)
    assert scored.returncode == 0, scored.stderr
    chosen = pickwell("select", "run", "-o", "picked", "-b", 4, **online)
    assert chosen.returncode == 0, chosen.stderr
    refused = pickwell("push", "picked", "owner/four", **online)
    assert refused.returncode == 2 and "cc-by-nd-4.0" in refused.stderr
    assert "--licence-confirmed" in refused.stderr and ("datasets", "owner/four") not in hub.repos
    done = pickwell("push", "picked", "owner/four", "--licence-confirmed", "--private", **online)
    assert done.returncode == 0, done.stderr
    repo = hub.repos["datasets", "owner/four"]
    table = "data/train-00000-of-00001.parquet"
    assert set(repo.files) == {
        ".gitattributes", "README.md", "manifest.json", "selection.parquet", table
    }  # fmt: skip
    sent = (tmp_path / "picked" / "data" / "images.parquet").read_bytes()
    assert repo.files[table] == sent and repo.private


def test_a_dry_run_asks_no_hub(picked, pickwell_here, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = pickwell_here("push", picked, "owner/picked", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "records/pairs.jsonl" in done.stdout and "nothing did" in done.stdout
    assert "cc-by-4.0" in done.stderr and "--licence-confirmed" not in done.stderr
    card = (picked / "README.md").read_text()
    (picked / "README.md").write_text(card.replace("license: cc-by-4.0\n", "license: unknown\n"))
    stopped = pickwell_here("push", picked, "owner/picked", "--dry-run", "--revision", "new")
    assert (
        stopped.returncode == 0 and "would go to the branch new of owner/picked" in stopped.stdout
    )
    assert "Without --licence-confirmed they will not" in stopped.stderr


@pytest.mark.parametrize("licence", ["unknown", "other", "cc-by-nc-nd-4.0", None])
def test_a_licence_that_may_forbid_it_is_to_be_confirmed(picked, licence):
    card = (picked / "README.md").read_text()
    line = "" if licence is None else f"license: {licence}\n"
    (picked / "README.md").write_text(card.replace("license: cc-by-4.0\n", line))
    with pytest.raises(BadInputError, match="licence of the source") as caught:
        push(picked, "owner/name")
    assert "--licence-confirmed" in caught.value.remedy


@pytest.mark.parametrize("name", ["name", "a b/c", "a/b/c", "-a/b", "a/b--c", "../b", ""])
def test_a_name_that_is_none(picked, name):
    with pytest.raises(BadInputError, match="is not a name on the hub"):
        push(picked, name)


def test_what_is_no_selection(llava, tmp_path):
    with pytest.raises(BadInputError, match="not a selection"):
        push(llava, "owner/name")


def test_the_token_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", " hf_x \n")
    assert token_from("MY_TOKEN") == "hf_x" and token_from(None) is None
    with pytest.raises(BadInputError, match="NO_TOKEN is not set"):
        token_from("NO_TOKEN")


def test_an_image_that_is_gone_is_named(picked, tmp_path):
    first = json.loads(_lines(picked)[0])
    (tmp_path / "data" / first["image"]).unlink()
    with pytest.raises(BadInputError, match=r"pairs\.jsonl:1: image missing"):
        push(picked, "owner/name", dry_run=True)


def test_every_run_of_an_extended_selection_says_how_its_part_was_read(tmp_path):
    for name, options in (("first", {}), ("added", {"allow_urls": True, "images": "/mnt/two/i"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"options": options}))
    runs = [{"folder": str(tmp_path / name)} for name in ("first", "added", "gone")]
    options, known = _run_options({"run": runs[0]["folder"], "runs": runs})
    assert [run.get("allow_urls") for run in options] == [None, True, None]
    assert "/mnt/two/i" in known
    parts = [Source(name, "llava") for name in "abc"]
    assert [s.allow_urls for s in _with_urls(parts, options)] == [False, True, False]
    # two runs may share the first part
    assert [s.allow_urls for s in _with_urls(parts[:2], options)] == [True, True]


def test_the_hub_is_not_left_running():
    with LoopbackHub() as hub:
        assert hub.url.startswith("http://127.0.0.1:")
