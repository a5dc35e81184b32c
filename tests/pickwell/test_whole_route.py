"""From a data set on the hub to a pushed choice, with models that people really name.

A hub on loopback, an open_clip checkpoint and a reward model (random weights), a real vLLM.
"""

import io
import json

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from tests.loopback_hub import WRITER
from tests.real_vllm import Server, weights_or_skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PAIRS = 240
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "green", "blue", "circle", "box")
CARD = (
    "---\nlicense: cc-by-4.0\nlanguage: [en]\ntask_categories: [visual-question-answering]\n---\n"
)


@pytest.fixture
def judge(tmp_path):
    server = Server(weights_or_skip(), tmp_path / "vllm.log")
    try:
        server.start()
        yield server.spec
    finally:
        server.kill()


def llava(folder, draw, record):
    """LLaVA records, their pictures beside them; one row is empty, one picture is torn."""
    records = [record(n, f"images/{n}.png") for n in range(PAIRS)]
    records[7]["conversations"][1]["value"] = ""
    for n in range(PAIRS):
        draw(folder / "images" / f"{n}.png", n)
    torn = folder / "images" / "9.png"
    torn.write_bytes(torn.read_bytes()[:100])
    (folder / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    (folder / "README.md").write_text(CARD + "# Pairs\n")
    return folder


def reward_model(folder):
    """A tiny BERT with one label."""
    import torch
    import transformers

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=len(WORDS), intermediate_size=32, num_labels=1, **shape
    )
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_hub_to_hub(hub, judge, pickwell, plain, tmp_path):
    import open_clip
    import torch

    torch.manual_seed(0)
    checkpoint = tmp_path / "vit.pt"
    torch.save(open_clip.create_model("ViT-B-32").state_dict(), checkpoint)
    data = llava(tmp_path / "on_hub", plain.draw, plain.record)
    commit = hub.put("datasets", "owner/llava", data)
    rewards = hub.put("models", "owner/reward", reward_model(tmp_path / "reward"))
    online = hub.environment(tmp_path / "home", WRITER)
    models = ("--encoder", f"open_clip:ViT-B-32@{checkpoint}", "--judge", judge)
    models += ("--reward", "hf-reward:owner/reward", "--no-judge-images")
    score = ("score", "hf://owner/llava/pairs.jsonl", "--out", "run", *models)
    scored = pickwell(*score, timeout=1500, **online)
    assert scored.returncode == 0, scored.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["input"]["revision"] == commit
    assert run["models"]["specs"]["reward"] == f"hf-reward:owner/reward@{rewards}"
    assert run["judge"]["requests"] and not run["judge"]["failed"]
    rows = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    bad = [row for row in rows if row["status"] == "bad"]
    assert len(rows) == PAIRS and {row["id"] for row in bad} == {"p7", "p9"}
    assert all(row["error"] for row in bad)
    for row in rows:
        if row["status"] != "bad":
            assert row["alignment"] is not None and row["reward"] is not None, row
            assert row["judge_rating"] is not None or "judge" in row["notes"], row
    assert sum(row["judge_rating"] is not None for row in rows) > PAIRS / 2
    again = pickwell(*score, timeout=600, **online)
    assert again.returncode == 0, again.stderr
    usage = json.loads((tmp_path / "run" / "run.json").read_text()).get("judge", {"requests": 0})
    assert usage["requests"] == 0

    chosen = pickwell("select", "run", "-o", "picked", "-b", 200, **online)
    assert chosen.returncode == 0 and "200 of 240 chosen" in chosen.stdout, chosen.stdout
    pushed = pickwell("push", "picked", "owner/llava-200", **online)
    assert pushed.returncode == 0, pushed.stderr
    files = hub.repos["datasets", "owner/llava-200"].files
    table = pq.read_table(io.BytesIO(files["data/train-00000-of-00001.parquet"])).to_pylist()
    assert len(table) == 200 and not {"p7", "p9"} & {row["id"] for row in table}
    for row in table:
        Image.open(io.BytesIO(row["images"][0]["bytes"])).load()
    card = files["README.md"].decode()
    front = DatasetCard(card).data.to_dict()
    assert front["license"] == "cc-by-4.0" and front["source_datasets"] == ["owner/llava"]
    assert commit in card and rewards in card and "ViT-B-32" in card and "smollm2" in card
    assert len(hub.asked(r"^POST /api/validate-yaml")) == 1
