"""Tiny random models of three families, with real processors and templates; and samples."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from data_cards import ImageRef, Sample, Turn

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")
WORDS = "a the red green blue square circle is shown here what picture of Describe this short"

VICUNA = (
    "{% for m in messages %}"
    "{% if m['role'] != 'assistant' %}{{ m['role'] | upper + ': ' }}{% endif %}"
    "{% for p in m['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for p in m['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if m['role'] == 'assistant' %}ASSISTANT: {{ p['text'] + ' ' }}"
    "{% else %}{{ p['text'] + ' ' }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""LLaVA 1.5's form, which ends no turn with a token."""

SMOLVLM = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}"
    "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}"
    "{% elif p['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)

QWEN = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n"
    "{% for p in m['content'] %}{% if p['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SPECIAL = {
    "llava": ["<s>", "</s>", "<image>"],
    "smolvlm": [
        "<|im_start|>",
        "<end_of_utterance>",
        "<image>",
        "<fake_token_around_image>",
        "<global-img>",
        *[f"<row_{r}_col_{c}>" for r in (1, 2) for c in (1, 2)],
    ],
    "qwen2_5_vl": [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ],
}


def tokenizer(family: str):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<pad>", *SPECIAL[family]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([WORDS] * 20, trainer)
    named = {"pad_token": "<pad>", "model_max_length": 100_000}
    if family == "llava":
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
        )
        named |= {"bos_token": "<s>", "eos_token": "</s>"}
    elif family == "smolvlm":
        named |= {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"}
    else:
        named |= {"eos_token": "<|im_end|>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **named)


def make_processor(family: str):
    import transformers as t

    words = tokenizer(family)
    if family == "llava":
        size = {"height": 28, "width": 28}
        pictures = t.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=size)
        return t.LlavaProcessor(
            image_processor=pictures,
            tokenizer=words,
            patch_size=14,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=VICUNA,
        )
    if family == "smolvlm":
        pictures = t.SmolVLMImageProcessor(
            size={"longest_edge": 56}, max_image_size={"longest_edge": 28}
        )
        return t.SmolVLMProcessor(
            image_processor=pictures,
            tokenizer=words,
            video_processor=t.SmolVLMVideoProcessor(),
            image_seq_len=1,
            chat_template=SMOLVLM,
        )
    pictures = t.Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    return t.Qwen2_5_VLProcessor(
        image_processor=pictures,
        tokenizer=words,
        video_processor=t.Qwen2VLVideoProcessor(),
        chat_template=QWEN,
    )


def make_model(family: str, processor):
    import torch
    import transformers as t

    words = processor.tokenizer
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "pad_token_id": words.pad_token_id,
        "eos_token_id": words.eos_token_id,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        if family == "llava":
            config = t.LlavaConfig(
                vision_config=t.CLIPVisionConfig(**vision, projection_dim=16),
                text_config=t.LlamaConfig(**text),
                image_token_id=processor.image_token_id,
                image_seq_length=4,
                vision_feature_layer=-2,
            )
            return t.LlavaForConditionalGeneration(config).eval()
        if family == "smolvlm":
            config = t.SmolVLMConfig(
                vision_config=vision,
                text_config=t.LlamaConfig(**text),
                image_token_id=processor.image_token_id,
                scale_factor=2,
                pad_token_id=words.pad_token_id,
            )
            return t.SmolVLMForConditionalGeneration(config).eval()
        config = t.Qwen2_5_VLConfig(
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 24,
                "num_heads": 2,
                "out_hidden_size": 32,
                "fullatt_block_indexes": [1],
                "window_size": 28,
            },
            text_config={
                **text,
                "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]},
            },
            image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
            video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
            vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
            vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
        )
        return t.Qwen2_5_VLForConditionalGeneration(config).eval()


@pytest.fixture(scope="session")
def processors():
    made = {}

    def processor(family: str):
        if family not in made:
            made[family] = make_processor(family)
        return made[family]

    return processor


@pytest.fixture(scope="session")
def vlm_folder(tmp_path_factory, processors):
    """A folder of a tiny model, as ``save_pretrained`` writes it."""
    root = tmp_path_factory.mktemp("vlm")

    def folder(family: str) -> Path:
        path = root / family
        if not path.is_dir():
            make_model(family, processors(family)).save_pretrained(path)
            processors(family).save_pretrained(path)
        return path

    return folder


def picture(number: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG whose colours depend on a number."""
    left = Image.new("RGB", (size[0] // 2, size[1]), (number * 37 % 256, number * 91 % 256, 90))
    image = Image.new("RGB", size, (number * 53 % 256, 128, number * 17 % 256))
    image.paste(left)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def sample(number: int, *turns: tuple[str, str], images: int = 1) -> Sample:
    said = turns or (
        ("user", "What is shown here?" if number % 2 else "Describe this picture of a square"),
        ("assistant", "a red square " + "and a blue circle " * (number % 3) + f"of {number}"),
    )
    return Sample(
        id=f"s{number}",
        turns=tuple(Turn(role, text) for role, text in said),  # type: ignore[arg-type]
        images=tuple(
            ImageRef(name=f"{number}-{n}.png", data=picture(number + 100 * n))
            for n in range(images)
        ),
        row=number,
    )


@pytest.fixture(scope="session")
def make_sample():
    return sample


@pytest.fixture(scope="session")
def samples():
    return [sample(number) for number in range(20)]
