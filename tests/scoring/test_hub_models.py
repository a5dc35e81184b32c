"""Models from a hub on loopback: found at a commit, fetched once, refused in plain words."""

import json
import os
import subprocess
import sys

import pytest

from data_cards.errors import BadInputError
from scoring import hub_models
from scoring.hub_models import HubModel, fetch_weights, hub_model, permits
from scoring.models import language_model_from_spec
from tests.loopback_hub import WRITER
from tests.scoring.test_open_clip_encoder import CONFIGS
from tests.scoring.test_reward_model import tokenizer

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")
transformers = pytest.importorskip("transformers")
from safetensors.torch import save_file  # noqa: E402

COMMIT = "ab" * 20


def test_a_permission_is_for_one_very_model(monkeypatch, tmp_path):
    model = HubModel("bob/rm", COMMIT)
    monkeypatch.setattr(hub_models, "hub_model", lambda name: HubModel(name[:6], name[7:] * 20))
    for name in ("bob/rm", f"bob/rm@{COMMIT}", "bob/rm@ab", "hf-reward:bob/rm"):
        assert permits([name], model), name
    for name in ("", "rm", "b/rm", "evilbob/rm", "@main", "bob/rm@cd", f"bob/rm@{'cd' * 20}"):
        assert not permits([name], model), name
    assert not permits(["bob/rm"], HubModel("evilbob/rm", COMMIT))
    assert permits([str(tmp_path)], tmp_path) and not permits(["bob/rm"], tmp_path)
    assert permits(True, model) and not permits((), model)


def test_code_is_fetched_where_it_is_trusted_and_pickles_of_a_language_model(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(hub_models, "fetch", lambda model, names: asked.append(names) or tmp_path)
    spec = f"hf-lm:a/b@{COMMIT}"
    with pytest.raises(BadInputError, match="--allow-pickle a/b"):
        _ = language_model_from_spec(spec)._folder
    assert language_model_from_spec(spec, allow_pickle=["a/b"])._folder == tmp_path
    assert "*.bin" in asked[-1] and not any("*.py" in names for names in asked)
    fetch_weights(HubModel("a/b", COMMIT), pickled=True, code=True)
    assert "*.py" in asked[-1] and "*.py" in asked[-2]


def test_without_a_network_main_is_what_was_fetched_last(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--a--b"
    for place, commit in enumerate(("cd" * 20, COMMIT)):
        (folder / "snapshots" / commit).mkdir(parents=True)
        os.utime(folder / "snapshots" / commit, (place, place))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("cd" * 20)
    assert hub_models._cached_commit("a/b", "main") == COMMIT
    assert hub_models._cached_commit("a/b", "v1") is None


def test_a_name_without_an_owner_is_taken_only_where_it_may_be_one(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadInputError, match="Write owner/name"):
        hub_model("bert-base-nobody")
    with pytest.raises(BadInputError, match="not in the local cache"):
        hub_model("bert-base-nobody", old=True)


TRY = """
import json, sys
from scoring.models import models_from_spec
allowed = sys.argv[2].split(",")
models = models_from_spec(sys.argv[1], allow_pickle=allowed, trust_remote_code=allowed)
said = {"specs": dict(models.specs)}
if models.encoder is not None:
    said["text"] = models.encoder.encode_texts(["a red circle", "two donkeys"]).tolist()
    said["key"] = models.encoder.key
if models.reward is not None:
    said["reward"] = [one.value for one in models.reward.rewards(["what ?"], ["a cat ."])]
print(json.dumps(said))
"""


def tried(hub, home, spec, allow="", token=None, **more):
    env = os.environ | hub.environment(home, token) | more
    command = [sys.executable, "-c", TRY, spec, allow]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    (folder / "configs").mkdir()
    (folder / "configs" / "tiny-hub.json").write_text(json.dumps(CONFIGS["tiny-clip"]))
    open_clip.add_model_config(folder / "configs")
    (folder / "repo").mkdir()
    torch.manual_seed(3)
    model = open_clip.create_model("tiny-hub")
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()},
        folder / "repo" / "open_clip_model.safetensors",
    )
    about = {"model_cfg": CONFIGS["tiny-clip"], "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}
    (folder / "repo" / "open_clip_config.json").write_text(json.dumps(about))
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("tiny-hub")(["a red circle", "two donkeys"])
        return folder / "repo", model.eval().encode_text(tokens, normalize=True)


@pytest.fixture(scope="module")
def reward_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reward")
    tokenizer(folder)
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
    )
    torch.manual_seed(4)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_an_encoder_is_pinned_and_the_older_commit_stays_readable(hub, clip_files, tmp_path):
    folder, wanted = clip_files
    commit = hub.put("models", "owner/clip", folder)
    first = tried(hub, tmp_path, "none,encoder=open_clip:hf-hub:owner/clip")
    torch.testing.assert_close(torch.tensor(first["text"]), wanted, atol=2e-6, rtol=0)
    assert first["specs"]["encoder"] == f"open_clip:hf-hub:owner/clip@{commit}"
    hub.put("models", "owner/clip", {"README.md": "the weights are gone"})
    again = tried(hub, tmp_path / "other", f"none,encoder={first['specs']['encoder']}")
    assert again["key"] == first["key"] and again["text"] == first["text"]
    newest = tried(hub, tmp_path, "none,encoder=open_clip:hf-hub:owner/clip")
    assert "holds no open_clip_config.json" in newest


def test_what_was_fetched_serves_without_a_network(hub, clip_files, tmp_path):
    hub.put("models", "owner/clip", clip_files[0])
    spec = "none,encoder=open_clip:hf-hub:owner/clip"
    first = tried(hub, tmp_path, spec)
    offline = tried(hub, tmp_path, spec, HF_HUB_OFFLINE="1")
    assert offline["key"] == first["key"] and offline["specs"] == first["specs"]
    assert "HF_HUB_OFFLINE is set" in tried(hub, tmp_path / "new", spec, HF_HUB_OFFLINE="1")
    gone = tried(hub, tmp_path / "new", spec, HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub cannot be reached" in gone and "Connect once" in gone


def test_a_reward_model_from_the_hub_and_its_pickle_only_when_named(hub, reward_files, tmp_path):
    commit = hub.put("models", "owner/reward", reward_files)
    spec = "none,reward=hf-reward:owner/reward"
    found = tried(hub, tmp_path, spec)
    assert found["specs"]["reward"] == f"hf-reward:owner/reward@{commit}"
    files = {p.name: p.read_bytes() for p in reward_files.iterdir()}
    model = transformers.AutoModelForSequenceClassification.from_pretrained(reward_files)
    torch.save(model.state_dict(), tmp_path / "weights.bin")
    files["pytorch_model.bin"] = (tmp_path / "weights.bin").read_bytes()
    del files["model.safetensors"]
    hub.put("models", "owner/pickled", files)
    pickled = spec.replace("owner/reward", "owner/pickled")
    assert "--allow-pickle owner/pickled" in tried(hub, tmp_path, pickled)
    assert tried(hub, tmp_path, pickled, "owner/other") != found  # another name allows nothing
    allowed = tried(hub, tmp_path, pickled, "owner/pickled")
    assert allowed["reward"] == pytest.approx(found["reward"], abs=1e-3)


OWN = """
from transformers import BertConfig, BertForSequenceClassification
class OwnConfig(BertConfig):
    model_type = "own"
class OwnModel(BertForSequenceClassification):
    config_class = OwnConfig
"""


def test_code_of_a_repository_runs_only_when_named(hub, reward_files, tmp_path):
    files = {path.name: path.read_bytes() for path in reward_files.iterdir()}
    named = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
    config = json.loads(files["config.json"]) | {"model_type": "own", "auto_map": named}
    hub.put("models", "owner/own", files | {"config.json": json.dumps(config), "own.py": OWN})
    spec = "none,reward=hf-reward:owner/own"
    assert "--trust-remote-code owner/own" in tried(hub, tmp_path, spec, "wner/own")
    assert tried(hub, tmp_path, spec, "owner/own")["reward"][0] is not None


def test_each_refusal_says_what_to_do(hub, reward_files, tmp_path):
    hub.put("models", "owner/gated", reward_files, gated=True)
    hub.put("models", "owner/private", reward_files, private=True)
    hub.put("models", "owner/open", reward_files)
    for name, words in {
        "owner/nothing": "there is no model owner/nothing on the hub",
        "owner/gated": "Accept them on",
        "owner/private": "hf auth login",
        "owner/open@v9": "has no revision 'v9'",
        "open": "Write owner/name",
    }.items():
        assert words in tried(hub, tmp_path, f"none,reward=hf-reward:{name}"), name
    given = tried(hub, tmp_path, "none,reward=hf-reward:owner/private", token=WRITER)
    assert given["reward"][0] is not None


@pytest.mark.slow
def test_a_tag_of_open_clip_is_fetched_at_a_commit(hub, tmp_path):
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32")
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    (tmp_path / "repo").mkdir()
    save_file(weights, tmp_path / "repo" / "open_clip_model.safetensors")
    commit = hub.put("models", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", tmp_path / "repo")
    spec = "open_clip:ViT-B-32/laion2b_s34b_b79k"
    found = tried(hub, tmp_path / "home", f"none,encoder={spec}")
    assert found["specs"]["encoder"] == f"{spec}@{commit}"
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("ViT-B-32")(["a red circle", "two donkeys"])
        wanted = model.eval().encode_text(tokens, normalize=True)
    torch.testing.assert_close(torch.tensor(found["text"]), wanted, atol=1e-5, rtol=0)
