import pytest
import torch

from data_cards.errors import BadRowError
from finetune.data import chat, pictures, process
from finetune.evaluate import batching
from finetune.evaluate.batching import Ask, alike, batches
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.likelihood import Scorer
from finetune.evaluate.sequences import Prompt, Reply, answered, read, read_other
from finetune.responses import response_labels

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")


@pytest.fixture(scope="module")
def models(vlm_folder):
    from transformers import AutoModelForImageTextToText

    made = {}

    def model(family):
        if family not in made:
            made[family] = AutoModelForImageTextToText.from_pretrained(vlm_folder(family)).eval()
            # With weights as they are drawn, the picture moves nothing by more than a hair.
            with torch.no_grad():
                for weight in made[family].parameters():
                    weight *= 4
        return made[family]

    return model


def naive(model, processor, sample):
    """Mean loss and token count of one sample, by the model's own loss."""
    messages = chat(sample)
    made = process(processor, [messages], [pictures(sample.images)])
    ids, labels = response_labels(processor, messages, made["input_ids"][0].tolist())
    width = len(ids)
    made["input_ids"] = torch.tensor([ids])
    made["attention_mask"] = torch.ones(1, width, dtype=torch.long)
    if "mm_token_type_ids" in made:
        types = made["mm_token_type_ids"][:, :width]
        made["mm_token_type_ids"] = torch.nn.functional.pad(types, (0, width - types.shape[1]))
    if hasattr(model.model, "rope_deltas"):
        model.model.rope_deltas = None
    with torch.no_grad():
        loss = model(**made, labels=torch.tensor([labels])).loss
    return float(loss), sum(label != -100 for label in labels)


def asks_of(model, processor, samples, features):
    asks = []
    for sample in samples:
        prompt, right = read(processor, sample, pictures(sample.images), 500)
        wrong = read_other(processor, sample, "a blue circle", prompt, 500)
        key = sample.images[0].data if sample.images else b""
        seen = Prompt(prompt.ids, prompt.types, features.see(key, prompt.vision))
        asks.append(Ask(seen, (right, wrong)))
    return asks


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_models_own_loss_one_by_one(family, models, processors, make_sample):
    model, processor = models(family), processors(family)
    samples = [make_sample(n) for n in range(7)] + [make_sample(50, images=0)]
    features = ImageFeatures(model)
    asks = asks_of(model, processor, samples, features)
    found = Scorer(model, features, batch_size=4).score(asks)
    for sample, (right, wrong) in zip(samples, found, strict=True):
        loss, tokens = naive(model, processor, sample)
        assert right.tokens == tokens
        assert -right.total / right.tokens == pytest.approx(loss, abs=2e-5)
        loss, tokens = naive(model, processor, answered(sample, "a blue circle"))
        assert wrong.tokens == tokens
        assert -wrong.total / wrong.tokens == pytest.approx(loss, abs=2e-5)


def test_the_embedded_model_is_scored_as_by_its_own_loss(make_sample):
    from finetune.models.embedded import build_embedded

    model, processor = build_embedded()
    samples = [make_sample(n) for n in (1, 2, 5)]
    features = ImageFeatures(model)
    asks = asks_of(model, processor, samples, features)
    scorer = Scorer(model, features)
    assert scorer.way == "padded" and features.reusable
    for sample, (right, wrong) in zip(samples, scorer.score(asks), strict=True):
        for said, found in ((sample, right), (answered(sample, "a blue circle"), wrong)):
            loss, tokens = naive(model, processor, said)
            assert found.tokens == tokens
            assert -found.total / tokens == pytest.approx(loss, abs=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_several_responses_count_all_and_nothing_between(family, models, processors, make_sample):
    turns = (
        ("user", "What is shown here?"),
        ("assistant", "a red square"),
        ("user", "Describe this picture"),
        ("assistant", "the blue circle is here"),
    )
    sample = make_sample(3, *turns)
    model, processor = models(family), processors(family)
    features = ImageFeatures(model)
    prompt, reply = read(processor, sample, pictures(sample.images), 500)
    assert not all(reply.counts)
    seen = Prompt(prompt.ids, prompt.types, features.see(b"x", prompt.vision))
    [[found]] = Scorer(model, features).score([Ask(seen, (reply,))])
    loss, tokens = naive(model, processor, sample)
    assert found.tokens == tokens == sum(reply.counts)
    assert -found.total / tokens == pytest.approx(loss, abs=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_and_batch_size_gives_the_same(family, models, processors, make_sample):
    model, processor = models(family), processors(family)
    samples = [make_sample(n) for n in range(12)] + [make_sample(n, images=2) for n in (20, 21)]
    totals = []
    for way, size in (("best", 1), ("best", 8), ("equal", 8), ("plain", 8)):
        features = ImageFeatures(model)
        features.reusable = way != "plain"
        scorer = Scorer(model, features, batch_size=size)
        if way != "best":
            scorer.way = way
        found = scorer.score(asks_of(model, processor, samples, features))
        totals.append([reply.total for pair in found for reply in pair])
    for other in totals[1:]:
        assert other == pytest.approx(totals[0], abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_prompt_may_have_many_replies_and_others_few(family, models, processors, make_sample):
    model, processor = models(family), processors(family)
    features = ImageFeatures(model)
    words = ("red", "a blue circle is here", "the " * 30 + "end", "what", "square of a picture")
    samples = [make_sample(1), make_sample(4), make_sample(3, images=0)]
    asks = []
    for sample, count in zip(samples, (5, 1, 3), strict=True):
        prompt, _ = read(processor, sample, pictures(sample.images), 500)
        key = sample.images[0].data if sample.images else b""
        seen = Prompt(prompt.ids, prompt.types, features.see(key, prompt.vision))
        replies = [read_other(processor, sample, word, prompt, 500) for word in words[:count]]
        asks.append(Ask(seen, tuple(replies)))
    found = Scorer(model, features).score(asks)
    assert [len(likelihoods) for likelihoods in found] == [5, 1, 3]
    for sample, likelihoods in zip(samples, found, strict=True):
        for word, likelihood in zip(words, likelihoods, strict=False):
            loss, tokens = naive(model, processor, answered(sample, word))
            assert likelihood.tokens == tokens
            assert -likelihood.total / tokens == pytest.approx(loss, abs=2e-5)


def test_no_pass_has_more_reply_tokens_than_its_share(monkeypatch):
    monkeypatch.setattr(batching, "_REPLY_TOKENS", 60)
    replies = [Reply((1,) * n, (True,) * n, (False,) * n) for n in (5, 9, 6, 30, 7, 5, 8, 40, 5)]
    parts = alike(replies)
    assert sorted(row for part in parts for row in part) == list(range(len(replies)))
    for part in parts:
        assert len(part) == 1 or len(part) * max(len(replies[row].ids) for row in part) <= 60
    asks = [Ask(Prompt((1,) * (20 + n), {}, {}), (replies[n],) * (n + 1)) for n in range(5)]
    made = list(batches(asks, 8))
    assert sorted(row for rows in made for row in rows) == list(range(5))
    assert [rows for rows in made if len(rows) > 1]
    assert all(len(rows) == 1 or sum(len(asks[r].replies) for r in rows) * 9 <= 60 for rows in made)


def test_a_response_that_grows_together_with_the_prompt_is_refused(processors, make_sample):
    processor = processors("llava")
    sample = make_sample(1)
    prompt, _ = read(processor, sample, pictures(sample.images), 500)
    # As if the prompt's last token had been another one before this response.
    other = Prompt((*prompt.ids[:-1], prompt.ids[0]), prompt.types, prompt.vision)
    assert read_other(processor, sample, "a blue circle", prompt, 500).ids
    with pytest.raises(BadRowError, match="cannot be told from the rest"):
        read_other(processor, sample, "a blue circle", other, 500)


def test_the_check_keeps_the_quick_way_or_gives_it_up(models, processors, make_sample):
    model, processor = models("llava"), processors("llava")
    sample = make_sample(1)
    prompt, reply = read(processor, sample, pictures(sample.images), 500)

    def checked(see):
        features = ImageFeatures(model)
        seen = Prompt(prompt.ids, prompt.types, see(features))
        scorer = Scorer(model, features)
        scorer.check(Ask(seen, (reply, reply)), prompt.vision)
        return scorer.way, features.reusable

    assert checked(lambda f: f.see(b"x", prompt.vision)) == ("padded", True)

    def strange(features):
        seen = features.see(b"x", prompt.vision)
        return {"features": [-3 * part.roll(1, 0) for part in seen["features"]]}

    # Features that are not those of the image must not be believed.
    assert checked(strange) == ("plain", False)
    # Nor a form that the model fails on.
    assert checked(lambda f: {"features": torch.zeros(1, 2, 3)}) == ("plain", False)


def test_an_image_is_seen_once_and_memory_is_bounded(models, processors, make_sample):
    model, processor = models("llava"), processors("llava")
    prompts = [
        read(processor, make_sample(n), pictures(make_sample(n).images), 500)[0] for n in range(4)
    ]
    features = ImageFeatures(model)
    for prompt in prompts * 3:
        features.see(bytes(prompt.vision["pixel_values"].numpy().tobytes()[:64]), prompt.vision)
    assert features.computed == 4
    small = ImageFeatures(model, limit=1)
    for n, prompt in enumerate(prompts):
        small.see(bytes([n]), prompt.vision)
    assert len(small._kept) == 1


def test_too_long_and_control_tokens_are_refused_with_the_reason(processors, make_sample):
    processor = processors("llava")
    sample = make_sample(1)
    with pytest.raises(BadRowError, match=r"too long: \d+ tokens, the limit is 20"):
        read(processor, sample, pictures(sample.images), 20)
    prompt, _ = read(processor, sample, pictures(sample.images), 500)
    with pytest.raises(BadRowError, match="too long"):
        read_other(processor, sample, "a " * 400, prompt, 200)
    with pytest.raises(BadRowError, match="special token '<image>'"):
        read_other(processor, sample, "an <image> tag", prompt, 500)
    with pytest.raises(BadRowError, match="response is empty"):
        read(processor, answered(sample, " "), pictures(sample.images), 500)
