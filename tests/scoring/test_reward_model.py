import json

import pytest

from data_cards.errors import BadInputError
from scoring import reward_model
from scoring.engine import make_metrics
from scoring.metric import Batch, Models
from scoring.reward_model import SequenceRewardModel

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "what", "is", "on", "the", "mat", "?", "a", "cat", "."]
PAIRS = [
    ("what is on the mat ?", "a cat ."),
    ("what ?", "a cat . " * 7),
    ("", "cat"),
    ("what is on the mat ?", "the mat is on the cat ."),
    ("what", "[SEP] [CLS] cat"),
]
CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</{{ m['role'] }}>{% endfor %}"


def tokenizer(folder, chat=None):
    (folder / "vocab.txt").write_text("\n".join([*WORDS, "<", ">", "/", "user", "assistant"]))
    made = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    made.model_max_length = 40
    made.chat_template = chat
    made.save_pretrained(folder)
    return made


@pytest.fixture(scope="module")
def pair_model(tmp_path_factory):
    """A tiny BERT with one label: pairs, segments, 40 positions."""
    folder = tmp_path_factory.mktemp("pair")
    tokenizer(folder)
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=20,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=40,
            num_labels=1,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory):
    """A tiny Llama with one label and a chat template, without a padding token of its own."""
    folder = tmp_path_factory.mktemp("chat")
    tokenizer(folder, CHAT)
    torch.manual_seed(1)
    transformers.LlamaForSequenceClassification(
        transformers.LlamaConfig(
            vocab_size=20,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=40,
            num_labels=1,
            pad_token_id=None,
        )
    ).save_pretrained(folder)
    return folder


def copied(folder, to, **config):
    """The model with other words in its configuration."""
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    stored = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(stored | config))
    return to


def alone(folder, instruction, response):
    """What transformers itself gives for one chat, without any padding."""
    plain = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    turns = [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
    text = plain.apply_chat_template(turns, tokenize=False)
    tokens = plain(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return float(model(input_ids=tokens).logits[0, 0])


def float32(folder, **more):
    return SequenceRewardModel(f"hf-reward:{folder}", dtype="float32", device="cpu", **more)


def test_pairs_equal_the_plain_way(pair_model):
    found = float32(pair_model).rewards(*zip(*PAIRS, strict=True))
    plain = transformers.AutoTokenizer.from_pretrained(pair_model)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(pair_model).eval()
    for (question, answer), one in zip(PAIRS[:4], found, strict=False):
        inputs = plain(
            question, answer, truncation="only_second", max_length=40, return_tensors="pt"
        )
        with torch.no_grad():
            assert one.value == pytest.approx(float(model(**inputs).logits[0, 0]), abs=1e-5)


def test_chats_equal_the_plain_way(chat_model):
    found = float32(chat_model).rewards(*zip(*PAIRS[:1], strict=True))
    assert found[0].value == pytest.approx(alone(chat_model, *PAIRS[0]), abs=1e-5)


@pytest.mark.parametrize("pad", [WORDS.index("is"), -1])
def test_a_padding_id_of_the_model_that_is_not_the_tokenizers(chat_model, tmp_path, pad):
    folder = copied(chat_model, tmp_path, pad_token_id=pad)
    found = float32(folder).rewards(*zip(*PAIRS[:4], strict=True))
    wanted = [alone(chat_model, *pair) for pair in PAIRS[:4]]  # without any: the last token
    assert [one.value for one in found] == pytest.approx(wanted, abs=1e-5)


def test_without_a_padding_id_the_end_of_the_template_is_read(chat_model, tmp_path):
    folder = copied(chat_model, tmp_path)
    made = transformers.AutoTokenizer.from_pretrained(folder)
    made.pad_token, made.eos_token, made.chat_template = None, "[SEP]", CHAT + "[SEP]"
    made.save_pretrained(folder)
    assert transformers.AutoTokenizer.from_pretrained(folder).pad_token_id is None
    found = float32(folder).rewards(*zip(*PAIRS[:4], strict=True))
    wanted = [alone(folder, *pair) for pair in PAIRS[:4]]
    assert [one.value for one in found] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", ["pair_model", "chat_model"])
def test_a_value_depends_neither_on_batch_nor_on_order(kind, request):
    folder = request.getfixturevalue(kind)
    alone = [float32(folder).rewards([q], [a])[0].value for q, a in PAIRS]
    together = float32(folder, tokens_per_batch=60).rewards(*zip(*PAIRS[::-1], strict=True))[::-1]
    assert [one.value for one in together] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("kind", ["pair_model", "chat_model"])
def test_what_is_cut_is_counted_and_the_rest_is_read(kind, request):
    model = float32(request.getfixturevalue(kind))
    long = model.rewards(["what ?"] * 2, ["cat " * 60, "cat " * 61 + "mat"])
    assert long[1].cut - long[0].cut == 2 and long[0].cut > 20
    assert long[0].value == pytest.approx(long[1].value, abs=1e-6)  # the end is not read
    assert model.rewards(["what ?"], ["cat"])[0].cut == 0


@pytest.mark.parametrize("kind", ["pair_model", "chat_model"])
def test_an_instruction_that_leaves_no_room_gives_no_reward(kind, request):
    model = float32(request.getfixturevalue(kind))
    long, short = model.rewards(["what " * 100, "what"], ["cat"] * 2)
    assert long.value is None and "no room for the response" in long.reason and long.cut > 60
    assert short.value is not None
    last = next(n for n in range(40, 0, -1) if model._encode("what " * n, "cat").reason is None)
    assert model._encode("what " * last, "cat cat cat").cut == 2  # one token, never an empty one


def test_the_key_follows_the_arithmetic_that_is_really_used(pair_model, monkeypatch):
    def key(bfloat16, dtype="auto"):
        monkeypatch.setattr(reward_model, "has_bfloat16", lambda device: bfloat16)
        return SequenceRewardModel(f"hf-reward:{pair_model}", dtype=dtype, device="cpu").key

    assert key(True) == key(False, "bfloat16") != key(False) == key(True, "float32")
    before = key(True)
    monkeypatch.setattr(reward_model, "LONGEST", 17)
    assert key(True) != before


def test_a_tokenizer_with_code_of_its_own_names_the_remedy(pair_model, tmp_path):
    folder = copied(pair_model, tmp_path, model_type="own", auto_map={"AutoConfig": "own.Own"})
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["own.Own", None]}})
    )
    with pytest.raises(BadInputError, match=f"--trust-remote-code {folder}"):
        float32(folder).rewards(["a"], ["b"])


def test_special_tokens_in_the_text_are_text(pair_model):
    model = float32(pair_model)
    tokens = model._encode("what", "[SEP] cat").tokens
    assert tokens.count(WORDS.index("[SEP]")) == 2  # the model's own, no third


def test_the_metric_reports_what_was_cut(pair_model):
    models = Models("x", reward=float32(pair_model))
    (metric,) = make_metrics(models, ["reward_model"])
    scores = metric.score(Batch(["what ?", "what ?"], ["cat", "cat " * 60]))
    assert scores.columns["reward_cut"][0] == 0 and scores.columns["reward_cut"][1] > 0
    assert scores.notes[0] is None and "were not read" in scores.notes[1]
    assert "reward_model" not in {m.spec.name for m in make_metrics(Models("none"))}


def test_more_labels_are_refused(pair_model, tmp_path):
    labels = {"id2label": {"0": "bad", "1": "good"}, "label2id": {"bad": 0, "good": 1}}
    copied(pair_model, tmp_path, **labels)
    with pytest.raises(BadInputError, match="has 2 labels"):
        float32(tmp_path).rewards(["a"], ["b"])


def test_a_head_without_weights_is_no_reward_model(pair_model, tmp_path):
    transformers.AutoModel.from_pretrained(pair_model).save_pretrained(tmp_path)
    tokenizer(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"id2label": {"0": "reward"}, "label2id": {"reward": 0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInputError, match="not a trained reward model"):
        float32(tmp_path).rewards(["a"], ["b"])


def test_pickled_weights_only_when_named(pair_model, tmp_path):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(pair_model)
    model.config.save_pretrained(tmp_path)
    tokenizer(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BadInputError, match="allow-pickle"):
        SequenceRewardModel(f"hf-reward:{tmp_path}")
    allowed = float32(tmp_path, allow_pickle=True)
    wanted = float32(pair_model).rewards(["what"], ["cat"])[0].value
    assert allowed.rewards(["what"], ["cat"])[0].value == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("spec", ["hf-reward:", "reward:x", "hf-reward:/nowhere", "hf-reward:x"])
def test_bad_specs_say_what_to_write(spec):
    with pytest.raises(BadInputError, match=r"owner/name"):
        SequenceRewardModel(spec)
