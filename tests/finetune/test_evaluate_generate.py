import pytest
import torch

from finetune.data import pictures
from finetune.evaluate import generate as generating
from finetune.evaluate.batching import Ask, roomy
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.generate import generate
from finetune.evaluate.kept import Kept
from finetune.evaluate.likelihood import Scorer
from finetune.evaluate.sequences import Prompt, read

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")


def outputs(model, processor, samples, *, batch_size, reuse=True, kept=False):
    features = ImageFeatures(model)
    features.reusable = reuse
    prompts = []
    for sample in samples:
        prompt, _ = read(processor, sample, pictures(sample.images), 500)
        key = sample.images[0].data if sample.images else b""
        prompts.append(Prompt(prompt.ids, prompt.types, features.see(key, prompt.vision)))
    reads = []
    if kept:
        scorer = Scorer(model, features, batch_size=3)
        replies = [read(processor, s, pictures(s.images), 500)[1] for s in samples]
        scorer.score(
            [
                Ask(prompt, (reply,), keep=bytes([n]))
                for n, (prompt, reply) in enumerate(zip(prompts, replies, strict=True))
            ]
        )
        found = scorer.kept.take_all()
        assert len(found) == (0 if scorer.way == "equal" else len(samples))
        reads = [found.get(bytes([n])) for n in range(len(samples))]
        if found:  # one of them was not kept: both kinds in one call
            reads[2] = None
    return generate(
        model,
        processor.tokenizer,
        prompts,
        features,
        reads=reads,
        max_new_tokens=10,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_say_what_single_prompts_say(family, vlm_folder, processors, make_sample):
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(vlm_folder(family)).eval()
    # Random weights say nearly the same about every picture; larger ones do not.
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 3
    processor = processors(family)
    samples = [make_sample(n) for n in range(6)] + [make_sample(30, images=0)]
    one = outputs(model, processor, samples, batch_size=1)
    assert outputs(model, processor, samples, batch_size=8) == one
    assert outputs(model, processor, samples, batch_size=8, reuse=False) == one
    assert outputs(model, processor, samples, batch_size=8, kept=True) == one
    assert len({output.text for output in one}) > 1
    for sample, output in zip(samples, one, strict=True):
        prompt, _ = read(processor, sample, pictures(sample.images), 500)
        if hasattr(model.model, "rope_deltas"):
            model.model.rope_deltas = None
        with torch.no_grad():
            ids = model.generate(
                input_ids=torch.tensor([prompt.ids]),
                attention_mask=torch.ones(1, len(prompt.ids), dtype=torch.long),
                **{name: torch.tensor([values]) for name, values in prompt.types.items()},
                **prompt.vision,
                max_new_tokens=10,
                do_sample=False,
            )[0, len(prompt.ids) :]
        text = processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert output.text == text
        assert 0 <= output.tokens <= 10
        assert output.finished == (output.tokens < 10)


def test_who_has_finished_leaves_the_batch(vlm_folder, processors, make_sample, monkeypatch):
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(vlm_folder("llava")).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 3
    processor = processors("llava")
    samples = [make_sample(n) for n in range(6)]
    lines = []
    finish = generating._output
    monkeypatch.setattr(
        generating,
        "_output",
        lambda words, line, ends: lines.append(line) or finish(words, line, ends),
    )
    monkeypatch.setattr(generating, "_STRETCH", 100)
    outputs(model, processor, samples, batch_size=8)
    # A token that some answers say early and others late or never is made the end of answers.
    places = {
        token: [line.index(token) if token in line else 10 for line in lines]
        for token in {token for line in lines for token in line}
    }
    model.generation_config.eos_token_id = max(places, key=lambda t: len(set(places[t])))
    whole = outputs(model, processor, samples, batch_size=8)
    assert len({output.tokens for output in whole}) > 1
    sizes = []
    real = model.generate
    monkeypatch.setattr(
        model, "generate", lambda **given: sizes.append(len(given["input_ids"])) or real(**given)
    )
    monkeypatch.setattr(generating, "_STRETCH", 2)
    assert outputs(model, processor, samples, batch_size=8) == whole
    assert sizes[0] == 6 and sizes[-1] < 6 and sizes == sorted(sizes, reverse=True)
    # Settings that count from the prompt's end forbid it.
    sizes.clear()
    model.generation_config.begin_suppress_tokens = [0]
    outputs(model, processor, samples, batch_size=8)
    assert sizes == [6]


def test_small_models_answer_many_prompts_at_once_and_memory_is_bounded(vlm_folder):
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(vlm_folder("llava")).eval()
    # Two layers, two heads of 16 numbers, keys and values in float32: 512 bytes a token.
    assert roomy(model, 1024, 8) == 512 * 2**20 // (512 * 1024)
    assert roomy(model, 2**22, 8) == 8
    cache = model(input_ids=torch.tensor([[5, 6, 7], [5, 6, 7]]), use_cache=True).past_key_values
    kept = Kept(limit=2 * 3 * 512)
    for key in (b"a", b"b", b"c"):
        kept.put(key, cache, 0, 3)
    assert list(kept.take_all()) == [b"a", b"b"]
    kept.put(b"c", cache, 1, 2)
    [read_] = kept.take_all().values()
    assert read_.layers[0][0].shape == (2, 2, 16)
