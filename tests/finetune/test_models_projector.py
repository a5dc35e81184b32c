"""The projector's file: written with its hash, read only where that fits."""

import json

import pytest
import torch

from data_cards import BadInputError
from finetune.models.embedded import drawn_projector
from finetune.models.projector import (
    FACTS,
    WEIGHTS,
    load_projector,
    projector_hash,
    save_projector,
)


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "weights" / "projector.safetensors"
    save_projector(drawn_projector(1), path, {"recipe": {"seed": 1}})
    return path


def test_it_comes_back_in_bfloat16(stored):
    drawn = drawn_projector(1)
    found = load_projector(stored)
    assert list(found) and set(found) == set(drawn)
    for name, tensor in found.items():
        assert torch.equal(tensor, drawn[name].bfloat16().float())
    facts = json.loads((stored.parent / FACTS).read_text())
    assert facts["recipe"] == {"seed": 1} and facts["sha256"] == projector_hash(stored)


def test_a_changed_file_is_refused(stored):
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    with pytest.raises(BadInputError, match="is not the projector that"):
        load_projector(stored)


@pytest.mark.parametrize("missing", ["projector.safetensors", FACTS])
def test_a_missing_file_is_named(stored, missing):
    (stored.parent / missing).unlink()
    with pytest.raises(BadInputError, match="missing"):
        load_projector(stored)


def test_facts_without_a_hash_are_refused(stored):
    (stored.parent / FACTS).write_text("[]")
    with pytest.raises(BadInputError, match="missing"):
        load_projector(stored)


def test_the_committed_weights_are_whole_and_small():
    found = load_projector()
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    assert shapes == {
        "linear_1.weight": (576, 1280),
        "linear_1.bias": (576,),
        "linear_2.weight": (576, 576),
        "linear_2.bias": (576,),
    }
    assert all(bool(tensor.isfinite().all()) for tensor in found.values())
    assert WEIGHTS.stat().st_size < 2_500_000
    card = (WEIGHTS.parent / "README.md").read_text("utf-8")
    assert projector_hash() in card


def test_the_card_gives_the_figures_that_were_measured():
    facts = json.loads((WEIGHTS.parent / FACTS).read_text("utf-8"))
    card = (WEIGHTS.parent / "README.md").read_text("utf-8")
    for result in facts["figures"].values():
        for value in (*result["nll"].values(), *result["right caption"].values()):
            assert f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})" in card
        value = result["right picture"]
        assert f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})" in card


def test_drawing_depends_on_the_seed_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = drawn_projector(0), drawn_projector(0), drawn_projector(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["linear_1.weight"], other["linear_1.weight"])
