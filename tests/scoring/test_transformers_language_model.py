"""The key of a model stands for its numbers: stored scores are found again by it."""

import json

import pytest

from data_cards.errors import BadInputError
from scoring.transformers_language_model import TransformersLanguageModel


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "7f2307c1b2b0c60c"),
        ({"dtype": "float32"}, "b8c19759ede5d434"),
        ({"max_tokens": 9}, "512a2f0a1b1733a1"),
        ({"chat_template": "{{ messages }}"}, "1c35932ea2a680ed"),
    ],
)
def test_keys_stay_what_they_were(options, key, tmp_path):
    assert TransformersLanguageModel(tmp_path, identity="weights", **options).key == key


def test_the_key_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "notes.md").write_text("not part of the model")
    for how in ({}, {"share_prefixes": False}, {"tokens_per_batch": 1}, {"name": "x"}):
        assert TransformersLanguageModel(tmp_path, **how).key == "160c23fcdb1c6909"


def test_what_is_no_causal_model_is_said_in_one_line(tmp_path):
    pytest.importorskip("transformers")
    config = {"model_type": "siglip", "architectures": ["SiglipModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = TransformersLanguageModel(tmp_path)
    with pytest.raises(BadInputError, match="could not be loaded"):
        _ = model._model
    with pytest.raises(BadInputError, match="could not be loaded"):
        _ = model._tokenizer
