import pytest
import torch
from transformers import AutoModelForImageTextToText

from data_cards import BadInputError
from finetune.options import FinetuneOptions
from finetune.trainable import (
    choose_trained,
    count_parameters,
    find_language_model,
    find_projectors,
    set_modes,
)

PROJECTOR = {
    "llava": "model.multi_modal_projector",
    "smolvlm": "model.connector",
    "qwen2_5_vl": "model.visual.merger",
}


@pytest.fixture
def open_model(vlm_folder):
    return lambda family: AutoModelForImageTextToText.from_pretrained(vlm_folder(family))


@pytest.mark.parametrize("family", PROJECTOR)
def test_the_projector_is_found_and_nothing_else_trained(family, open_model):
    model = open_model(family)
    assert list(find_projectors(model)) == [PROJECTOR[family]]
    choose_trained(model, FinetuneOptions(bf16=True).checked())
    for name, parameter in model.named_parameters():
        inside = name.startswith(PROJECTOR[family])
        assert parameter.requires_grad is inside
        assert parameter.dtype == (torch.float32 if inside else torch.bfloat16)
    trained, total = count_parameters(model)
    assert 0 < trained < total


@pytest.mark.parametrize("family", PROJECTOR)
def test_adapters_on_every_linear_layer_of_the_language_model(family, open_model):
    from peft import get_peft_model

    model = open_model(family)
    name, language = find_language_model(model)
    wanted = {
        f"{name}.{inner}"
        for inner, module in language.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    config = choose_trained(model, FinetuneOptions(train="lora", lora_rank=4).checked())
    adapted = get_peft_model(model, config)
    found = {
        inner.removeprefix("base_model.model.")
        for inner, module in adapted.named_modules()
        if hasattr(module, "lora_A")
    }
    assert found == wanted
    assert all("lora_" in n for n, p in adapted.named_parameters() if p.requires_grad)


def test_unknown_parts_are_said_plainly():
    model = torch.nn.Module()
    model.body = torch.nn.Linear(2, 2)
    with pytest.raises(BadInputError, match="no language model that is known by name; it has body"):
        find_language_model(model)
    model.language_model = torch.nn.Linear(2, 2)
    with pytest.raises(BadInputError, match="no projector that is known by name"):
        find_projectors(model)


def test_frozen_parts_are_in_evaluation_mode():
    model = torch.nn.Module()
    model.tower = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    model.multi_modal_projector = torch.nn.Linear(2, 2)
    model.tower.requires_grad_(False)
    model.train()
    set_modes(model)
    assert not any(module.training for module in model.tower.modules())
    assert model.multi_modal_projector.training
    model.tower.gradient_checkpointing = True
    set_modes(model)
    assert [module.training for module in model.tower.modules()] == [True, False, False]
    model.requires_grad_(True)
    set_modes(model)
    assert model.tower[0].training and not model.tower[1].training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "head"}, "unknown"),
        ({"steps": 3, "epochs": 1.0}, "Both steps and epochs"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"train": "lora", "lora_alpha": 0}, "lora_alpha is 0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"workers": -1}, "workers is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"train": "all", "cache_features": True}, "frozen vision tower"),
        ({"text_only": True}, "teach a projector nothing"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(BadInputError, match=message):
        FinetuneOptions(**options).checked()


def test_only_what_decides_the_weights_is_compared():
    first = FinetuneOptions(save_every=3, lora_rank=4).checked().deciding()
    assert first == FinetuneOptions(save_every=5, workers=2).checked().deciding()
    named = FinetuneOptions(model="./the/same/folder").checked()
    assert first == named.deciding()  # its content is compared apart
    assert first != FinetuneOptions(seed=1).checked().deciding()
