import pytest
import torch

from finetune.data import pictures
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.generate import generate
from finetune.evaluate.sequences import Prompt, read

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")


def outputs(model, processor, samples, *, batch_size, reuse=True):
    features = ImageFeatures(model)
    features.reusable = reuse
    prompts = []
    for sample in samples:
        prompt, _ = read(processor, sample, pictures(sample.images), 500)
        key = sample.images[0].data if sample.images else b""
        prompts.append(Prompt(prompt.ids, prompt.types, features.see(key, prompt.vision)))
    return generate(
        model, processor.tokenizer, prompts, features, max_new_tokens=10, batch_size=batch_size
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
