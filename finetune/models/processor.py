"""What goes into the embedded model: its tokenizer, its picture input and its chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LlavaImageProcessor, LlavaProcessor

IMAGE_TOKEN = "<image>"  # noqa: S105
IMAGE_TOKEN_ID = 16
RESERVED = "<empty_output>"
"""SmolLM2's token with that number; it was never trained (its row is the same as nine others)."""
SIDE = 224
PATCH = 32
"""Side of the square, in pixels, for which one image token stands."""
IMAGE_TOKENS = (SIDE // PATCH) ** 2
"""Tokens of one picture: 49."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{% set parts = [{'type': 'text', "
    "'text': message['content']}] %}{% else %}{% set parts = message['content'] or [] %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{% generation %}"
    "{% for part in parts %}{{ part['text'] }}{% endfor %}{{ '<|im_end|>' }}"
    "{% endgeneration %}{{ '\\n' }}"
    "{% else %}"
    "{% for part in parts %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""SmolLM2's own form without its system turn; pictures stand where the message has them.

The ``generation`` marks enclose what the model must say, its end-of-turn token included: TRL's
``assistant_only_loss`` counts these tokens and no others.
"""


def build_processor(language_model: Path) -> LlavaProcessor:
    """The processor, an ordinary ``LlavaProcessor`` without code of its own.

    Args:
        language_model: Folder with SmolLM2's tokenizer.
    """
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=build_pictures(),
        tokenizer=_tokenizer(language_model),
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        image_token=IMAGE_TOKEN,
        chat_template=CHAT_TEMPLATE,
    )


def build_pictures() -> LlavaImageProcessor:
    """Pictures to the model's input, float32 of shape (n, 3, 224, 224).

    A picture is padded to a square with a white margin, resized to 224 pixels (bicubic) and
    mapped to [-1, 1], as EfficientNet-Lite0 expects it. This differs from
    :func:`scoring.encoders.lite0.letterbox` in two ways that no stock processor can do: the margin
    is white even where the corners have another colour, and it is added before resizing.
    """
    from transformers import LlavaImageProcessor

    # The stock class pads with int(255 * mean): a mean of 1 makes that white, and with a standard
    # deviation of 1 and this factor the numbers are those of mean and deviation 0.5.
    return LlavaImageProcessor(
        do_pad=True,
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        crop_size={"height": SIDE, "width": SIDE},
        rescale_factor=1 / 127.5,
        image_mean=[1.0, 1.0, 1.0],
        image_std=[1.0, 1.0, 1.0],
    )


def _tokenizer(folder: Path) -> Any:
    """SmolLM2's tokenizer in which one reserved token is called ``<image>``."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    stored["model"]["vocab"][IMAGE_TOKEN] = stored["model"]["vocab"].pop(RESERVED)
    for token in stored["added_tokens"]:
        if token["content"] == RESERVED:
            token["content"] = IMAGE_TOKEN
    named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(stored)),
        bos_token=named["bos_token"],
        eos_token=named["eos_token"],
        pad_token=named["pad_token"],
        unk_token=named["unk_token"],
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        model_max_length=8192,
    )
