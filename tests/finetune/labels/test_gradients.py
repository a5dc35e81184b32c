"""Gradients of single samples against one backward pass each; the sketch against exact products."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_cards import ImageRef
from finetune.bench import Bench
from finetune.labels.gradients import Sketch, sample_gradients
from finetune.losses import response_losses
from finetune.options import FinetuneOptions
from tests.finetune.conftest import picture

SIZES = ((56, 56), (56, 28), (40, 30))
"""SmolVLM cuts the first into more tiles than the second; Qwen2.5-VL makes more tokens of it."""


def of_size(sample, size):
    ref = ImageRef(name=f"{sample.id}.png", data=picture(sample.row, size))
    return replace(sample, images=(ref,))


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("llava", {"train": "projector"}),
        ("llava", {"train": "lora"}),
        ("llava", {"train": "all"}),
        ("smolvlm", {"train": "projector"}),
        ("smolvlm", {"train": "projector", "cache_features": True}),
        ("smolvlm", {"train": "lora"}),
        ("qwen2_5_vl", {"train": "projector"}),
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_gradients_of_samples_are_those_of_each_alone(
    family, changed, mixed, vlm_folder, samples, tmp_path
):
    options = FinetuneOptions(model=str(vlm_folder(family)), bf16=False, **changed)
    pool = [
        of_size(sample, SIZES[place % len(SIZES)]) if mixed else sample
        for place, sample in enumerate(samples[:6])
    ]
    bench = Bench(pool, samples[14:16], options, tmp_path)
    rows = list(bench.rows.values())
    bench.reset()
    found = {}
    with bench.looking():
        sample_gradients(bench, rows, lambda row, g: found.__setitem__(row, dict(g)))
        names = {name for name, p in bench.model.named_parameters() if p.requires_grad}
        assert sorted(found) == list(range(6))
        for row in range(6):
            bench.model.zero_grad(set_to_none=True)
            losses, _ = response_losses(bench.model, bench.collate([rows[row]]))
            losses.mean().backward()
            own = {n: p.grad for n, p in bench.model.named_parameters() if p.grad is not None}
            assert set(found[row]) == set(own) <= names
            for name, value in own.items():
                assert torch.allclose(found[row][name], value, atol=1e-5), name


def test_pictures_that_the_model_cuts_go_one_by_one(vlm_folder, samples, tmp_path, monkeypatch):
    options = FinetuneOptions(model=str(vlm_folder("llava")), bf16=False, train="projector")
    bench = Bench(samples[:3], samples[14:16], options, tmp_path)
    collate, made = bench.collate, []

    def told(rows):
        made.append(len(rows))
        return collate(rows)

    monkeypatch.setattr(bench, "collate", told)
    rows = list(bench.rows.values())
    sample_gradients(bench, rows, lambda row, g: None)
    assert made == [3]
    monkeypatch.setattr(bench, "collate", lambda rows: Sized(told(rows)))
    bench.model.register_forward_pre_hook(
        lambda module, args, given: (args, {k: v for k, v in given.items() if k != "image_sizes"}),
        with_kwargs=True,
    )
    sample_gradients(bench, rows, lambda row, g: None)
    assert made == [3, 3, 1, 1, 1]


class Sized(dict):
    """A batch with the sizes of its pictures."""

    def __init__(self, batch):
        super().__init__(batch, image_sizes=torch.ones(len(batch["labels"]), 2))


def test_a_sketch_keeps_inner_products():
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (60, 50), "b": (200,)}
    sketch = Sketch(shapes, 2048, seed=1)
    one, other = ({n: torch.randn(s, generator=generator) for n, s in shapes.items()} for _ in "ab")
    other = {name: 0.5 * one[name] + value for name, value in other.items()}
    true = sum(float((one[n] * other[n]).sum()) for n in shapes)
    size = sum(float((one[n] ** 2).sum()) for n in shapes)
    assert abs(float(sketch(one) @ sketch(other)) - true) < 0.1 * size
    assert np.allclose(sketch(one), Sketch(shapes, 2048, seed=1)(one))
