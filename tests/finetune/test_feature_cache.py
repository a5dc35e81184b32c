import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from data_cards import BadInputError
from finetune.collate import Collator, from_pixels
from finetune.data import chat, pictures, prepare
from finetune.feature_cache import FeatureCache
from finetune.options import FinetuneOptions
from finetune.train import finetune


@pytest.fixture
def cached(processors, vlm_folder, make_sample, tmp_path):
    def make(family, count=5, images=1):
        processor = processors(family)
        model = AutoModelForImageTextToText.from_pretrained(vlm_folder(family)).eval()
        rows, _ = prepare([make_sample(n, images=images) for n in range(count)], processor)
        collator = Collator(rows, processor.tokenizer.pad_token_id, from_pixels(processor))
        return FeatureCache(model, processor, collator.collate, tmp_path, bf16=False), rows

    return make


@pytest.mark.parametrize("train", ["projector", "lora"])
@pytest.mark.parametrize("family", ["llava", "smolvlm"])
def test_the_same_losses_as_from_pixels(family, train, vlm_folder, samples, tmp_path):
    options = {
        "model": str(vlm_folder(family)),
        "train": train,
        "steps": 5,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "bf16": False,
    }
    pixels = finetune(samples, tmp_path / "pixels", FinetuneOptions(**options))
    features = finetune(
        samples,
        tmp_path / "features",
        FinetuneOptions(**options, cache_features=True, cache=tmp_path / "cache"),
    )
    assert features.losses == pytest.approx(pixels.losses, abs=1e-3)
    assert pixels.losses[-1] != pytest.approx(pixels.losses[0], abs=1e-2)
    assert features.feature_seconds > 0 == pixels.feature_seconds


@pytest.mark.parametrize(("family", "images"), [("llava", 2), ("smolvlm", 1), ("smolvlm", 2)])
def test_stored_once_and_found_again(family, images, cached):
    cache, rows = cached(family, images=images)
    assert cache.fill(rows, batch_size=2) == 5
    assert cache.fill(rows, batch_size=2) == 0
    assert cache.verify(rows[:3]) <= 1e-5
    again, _ = cached(family, images=images)
    assert again.fill(rows) == 0
    assert again.vision(rows[1:3])["pixel_values"].equal(cache.vision(rows[1:3])["pixel_values"])


def test_processes_share_the_work(cached):
    cache, rows = cached("llava")
    assert cache.fill(rows, share=(0, 2)) == 3
    other, _ = cached("llava")
    assert other.fill(rows, share=(0, 1)) == 2


def test_another_tower_or_picture_size_is_another_cache(cached):
    cache, _ = cached("llava")
    with torch.no_grad():
        next(cache.model.model.vision_tower.parameters()).add_(1.0)
    changed = FeatureCache(
        cache.model, type("P", (), {"image_processor": _Settings()})(), None,
        cache.store.folder.parent,
        bf16=False,
    )  # fmt: skip
    assert changed.store.folder != cache.store.folder


class _Settings:
    def to_json_string(self):
        return "{}"


def test_the_tower_is_not_run_on_features(cached):
    cache, rows = cached("llava")
    cache.fill(rows)
    cache.verify(rows[:2])
    cache.model.model.vision_tower.forward = None
    with cache.in_place():
        batch = {"input_ids": torch.tensor([rows[0].input_ids])} | cache.vision(rows[:1])
        assert cache.model(**batch).logits.isfinite().all()


def test_wrong_features_are_refused(cached):
    cache, rows = cached("llava")
    cache.fill(rows)
    real = cache.store.take
    cache.store.take = lambda keys: real(keys[::-1])
    with pytest.raises(BadInputError, match="stored features are off"):
        cache.verify(rows[:3])


def test_a_model_that_works_on_its_tokens_after_the_projector_is_refused(cached):
    cache, rows = cached("llava")
    real = cache.owner.get_image_features

    def turned(*args, **kwargs):
        made = real(*args, **kwargs)
        made.pooler_output = [tokens.flip(0) for tokens in made.pooler_output]
        return made

    type(cache.owner).get_image_features, saved = (
        lambda self, *a, **k: turned(*a, **k),
        type(cache.owner).get_image_features,
    )
    try:
        with pytest.raises(BadInputError, match="rearranges"):
            cache.fill(rows)
    finally:
        type(cache.owner).get_image_features = saved


def test_a_model_with_a_geometry_of_its_own_is_refused(vlm_folder, samples, tmp_path):
    options = FinetuneOptions(
        model=str(vlm_folder("qwen2_5_vl")), steps=1, cache_features=True, cache=tmp_path / "cache"
    )
    with pytest.raises(BadInputError, match="image_grid_thw"):
        finetune(samples, tmp_path / "out", options)


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True])
def test_the_embedded_model_has_the_same_losses(bf16, samples, tmp_path):
    from finetune.models.embedded import build_embedded

    try:
        build_embedded()
    except BadInputError as error:
        pytest.skip(f"the embedded model is not installed: {error.message}")
    options = {"steps": 3, "batch_size": 4, "bf16": bf16}
    pixels = finetune(samples, tmp_path / "pixels", FinetuneOptions(**options))
    features = finetune(
        samples,
        tmp_path / "features",
        FinetuneOptions(**options, cache_features=True, cache=tmp_path / "cache"),
    )
    assert features.losses == pytest.approx(pixels.losses, abs=1e-3)
    assert len(set(pixels.losses)) == 3
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "features")
    processor = AutoProcessor.from_pretrained(tmp_path / "features")
    text = processor.apply_chat_template(chat(samples[0])[:1], add_generation_prompt=True)
    shown = pictures(samples[0].images)
    inputs = processor(text=text, images=shown, return_tensors="pt").to(model.dtype)
    made = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert made.shape[1] > inputs["input_ids"].shape[1]
