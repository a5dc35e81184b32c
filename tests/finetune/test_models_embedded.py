"""The embedded model, put together, written as a folder and opened again."""

import numpy as np
import pytest
import torch
from PIL import Image

from data_cards import BadInputError
from finetune.models.embedded import build_embedded, embedded_key, export_embedded
from finetune.models.load import load_vlm
from finetune.models.processor import IMAGE_TOKEN_ID, IMAGE_TOKENS
from scoring.encoders.lite0 import Lite0, letterbox, normalise_pixels, to_bytes_tensor
from scoring.smollm2 import weights_folder


@pytest.fixture(scope="module")
def built():
    try:
        return build_embedded()
    except BadInputError as error:
        pytest.skip(f"the embedded models are not installed: {error.message}")


@pytest.fixture(scope="module")
def folder(built, tmp_path_factory):
    return export_embedded(tmp_path_factory.mktemp("export") / "vlm", dtype="float32")


@pytest.fixture(scope="module")
def opened(folder):
    return load_vlm(str(folder), dtype="float32", device="cpu")


def picture(width=300, height=200, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def user(text, *images):
    shown = [{"type": "image", "image": image} for image in images]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def assistant(text):
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def encode(processor, *turns, **options):
    return processor.apply_chat_template(
        [list(turns)], tokenize=True, return_dict=True, return_tensors="pt", **options
    )


def test_the_folder_opens_with_the_auto_classes_and_gives_the_same_logits(built, folder):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = built
    stored = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).eval()
    reader = AutoProcessor.from_pretrained(folder, local_files_only=True)
    assert not list(folder.glob("*.py"))
    chat = (user("What is shown in this picture?", picture()), assistant("A wolf."))
    ours, theirs = encode(processor, *chat), encode(reader, *chat)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with torch.inference_mode():
        difference = (model(**ours).logits - stored(**theirs).logits).abs().max()
    assert difference < 1e-3


def test_it_answers_in_text_and_without_image_tokens(opened):
    inputs = encode(
        opened.processor, user("What do you see here?", picture()), add_generation_prompt=True
    )
    made = opened.model.generate(**inputs, max_new_tokens=12, do_sample=False)
    new = made[0, inputs["input_ids"].shape[1] :]
    assert IMAGE_TOKEN_ID not in new.tolist()
    assert opened.processor.decode(new, skip_special_tokens=True).strip()


def test_text_alone_is_answered_as_smollm2_answers_it(built):
    model, processor = built
    chat = {"role": "user", "content": "What is the capital of France?"}
    inputs = encode(processor, chat, add_generation_prompt=True)
    assert "pixel_values" not in inputs
    made = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    assert "Paris" in processor.decode(made[0])


def test_a_picture_is_49_tokens_whatever_its_shape(built):
    _, processor = built
    for size in ((224, 224), (40, 400), (700, 30), (1, 1)):
        inputs = encode(processor, user("What is it?", picture(*size)))
        assert int((inputs["input_ids"] == IMAGE_TOKEN_ID).sum()) == IMAGE_TOKENS == 49
        assert inputs["pixel_values"].shape == (1, 3, 224, 224)


def test_the_tower_sees_what_lite0_sees(built):
    model, processor = built
    square = letterbox(picture(160, 224, seed=3))
    pixels = processor.image_processor([square], return_tensors="pt")["pixel_values"]
    raw = to_bytes_tensor(square)[None]
    assert torch.allclose(pixels, normalise_pixels(raw), atol=1e-6)
    with torch.inference_mode():
        seen = model.model.vision_tower(pixel_values=pixels).last_hidden_state
        projected = model.get_image_features(pixel_values=pixels).pooler_output
    assert seen.shape == (1, 1280, 7, 7) and projected.shape == (1, IMAGE_TOKENS, 576)
    expected = Lite0("float32", device="cpu").features(raw).pooled
    assert torch.allclose(seen.mean((2, 3)), expected, atol=1e-3)


def test_the_margin_is_white_and_the_picture_in_the_middle(built):
    _, processor = built
    red = Image.new("RGB", (300, 150), (200, 30, 30))
    pixels = processor.image_processor([red], return_tensors="pt")["pixel_values"][0]
    assert torch.allclose(pixels[:, 0, :], torch.ones(3, 224))
    assert torch.allclose(pixels[:, -1, :], torch.ones(3, 224))
    middle = torch.tensor([200, 30, 30]) / 127.5 - 1
    assert torch.allclose(pixels[:, 112, 112], middle, atol=1e-5)


def test_several_turns_and_pictures_stand_where_the_messages_have_them(built):
    _, processor = built
    first, second = picture(seed=1), picture(seed=2)
    turns = (
        user("What is this?", first),
        assistant("A wolf."),
        user("And this?", second),
        assistant("An owl."),
    )
    inputs = encode(processor, *turns, return_assistant_tokens_mask=True)
    assert inputs["pixel_values"].shape[0] == 2
    ids, mask = inputs["input_ids"][0], inputs["assistant_masks"][0].bool()
    assert processor.tokenizer.decode(ids[mask]) == "A wolf.<|im_end|>An owl.<|im_end|>"
    text = processor.tokenizer.decode(ids).replace("<image>" * IMAGE_TOKENS, "<image>")
    assert text == (
        "<|im_start|>user\n<image>\nWhat is this?<|im_end|>\n"
        "<|im_start|>assistant\nA wolf.<|im_end|>\n"
        "<|im_start|>user\n<image>\nAnd this?<|im_end|>\n"
        "<|im_start|>assistant\nAn owl.<|im_end|>\n"
    )


def test_plain_strings_are_the_same_as_lists_of_text(built):
    _, processor = built
    chats = [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is an owl?"},
        ],
        [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            user("What is an owl?"),
        ],
    ]
    plain, listed = (processor.apply_chat_template(c, add_generation_prompt=True) for c in chats)
    assert plain == listed
    assert plain.endswith("What is an owl?<|im_end|>\n<|im_start|>assistant\n")


def test_the_template_is_fit_for_training_on_answers_only(built):
    trl = pytest.importorskip("trl.chat_template_utils")
    _, processor = built
    assert trl.has_generation_markers(processor.chat_template)
    assert trl.is_chat_template_prefix_preserving(processor)
    assert trl.is_chat_template_stop_token_trained(processor)


def test_ordinary_text_has_smollm2s_own_tokens(built):
    from transformers import AutoTokenizer

    _, processor = built
    own = AutoTokenizer.from_pretrained(weights_folder(), local_files_only=True)
    text = "Zwölf Boxkämpfer, a wolf & an owl: 3.5 % <|im_end|>\n"
    assert processor.tokenizer(text)["input_ids"] == own(text)["input_ids"]
    assert len(processor.tokenizer) == len(own)


def test_the_image_token_was_one_that_nothing_was_learnt_of(built):
    model, _ = built
    table = model.get_input_embeddings().weight
    same = (table == table[IMAGE_TOKEN_ID]).all(1)
    assert int(same.sum()) > 5
    assert model.lm_head.weight.data_ptr() == table.data_ptr()


def test_an_export_never_overwrites(built, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BadInputError, match="not empty"):
        export_embedded(tmp_path)


def test_loading_by_name_gives_the_key_without_loading(built):
    loaded = load_vlm("embedded", device="cpu")
    assert loaded.key == embedded_key() and loaded.spec == "embedded"
    assert not loaded.model.training
    assert next(loaded.model.parameters()).dtype == torch.float32


def test_a_folders_key_is_that_of_its_files(opened, folder, tmp_path):
    from finetune.models.load import folder_key

    assert opened.key == folder_key(folder) and len(opened.key) == 16
    (tmp_path / "config.json").write_text("{}")
    first = folder_key(tmp_path)
    (tmp_path / "config.json").write_text("{ }")
    assert folder_key(tmp_path) != first


@pytest.mark.parametrize("spec", ["no/such/folder", "nothing here", "", "../model"])
def test_what_is_no_model_is_refused(spec):
    with pytest.raises(BadInputError, match="neither a folder nor the id"):
        load_vlm(spec)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="Cannot open the model"):
        load_vlm(str(tmp_path))


def test_a_hub_id_that_cannot_be_reached_is_refused(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadInputError, match="Check the id and the network"):
        load_vlm("pickwell-tests/there-is-no-such-model")


def test_unknown_dtypes_are_refused():
    for call in (lambda: build_embedded(dtype="int8"), lambda: load_vlm("embedded", dtype="int8")):
        with pytest.raises(BadInputError, match="int8"):
            call()
