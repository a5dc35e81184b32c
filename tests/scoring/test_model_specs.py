import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from scoring.model_specs import (
    PRESETS,
    ROLES,
    ModelSpecs,
    as_text,
    parse_models,
    says,
    with_roles,
)
from scoring.models import models_from_spec, pinned_text

SPECS = st.sampled_from(
    ["none", "embedded", "hf-reward:a/b@main", "openai:m,n@http://127.0.0.1:1/v1,w"]
)


@given(st.sampled_from(sorted(PRESETS)), st.dictionaries(st.sampled_from(ROLES), SPECS))
def test_single_roles_go_over_the_preset_and_nothing_else_changes(preset, roles):
    specs = parse_models(with_roles(preset, roles))
    for role in ROLES:
        assert getattr(specs, role) == roles.get(role, getattr(PRESETS[preset], role))


@given(st.builds(ModelSpecs, SPECS, SPECS, SPECS, SPECS))
def test_what_is_recorded_reads_back(specs):
    assert parse_models(str(specs)) == specs


def test_an_encoder_alone_keeps_the_embedded_language_model():
    specs = parse_models("open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert specs == ModelSpecs("open_clip:ViT-B-32/laion2b_s34b_b79k", "embedded")
    assert parse_models("reward=hf-reward:a/b").encoder == "embedded"


def test_a_mapping_is_what_one_would_type():
    text = as_text({"preset": "laptop", "reward": None, "judge": "openai:m@http://h/v1"})
    assert parse_models(text) == ModelSpecs(
        PRESETS["laptop"].encoder, "embedded", "none", "openai:m@http://h/v1"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labtop", "Did you mean laptop"),
        ("embedded,rewrad=x", "Did you mean reward"),
        ("rewrad=x", "Did you mean reward"),
        ("embedded,judge=openai:m@http://h/v1,language-model=none", "Did you mean language_model"),
        ("embedded,x=y", "There is no role 'x'"),
        ("", "Presets: none, embedded"),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest(text, words):
    with pytest.raises(BadInputError, match=words):
        parse_models(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("laptop", False), ("paper", True), ("laptop,judge=none", True), ("judge=vllm:a/b", True)],
)
def test_whether_a_role_is_spoken_of(text, said):
    assert says(text, "judge") is said


def test_a_wrong_key_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'encoder'"):
        as_text({"encodre": "embedded"})


def test_a_model_that_no_metric_needs_is_not_made():
    models = models_from_spec("embedded,reward=hf-reward:no/where", ["length"])
    assert models.encoder is None and models.reward is None
    assert models.specs["reward"] == "hf-reward:no/where"


def test_a_run_is_pinned_to_what_it_recorded():
    assert pinned_text({"encoder": "key"}) is None
    specs = {"encoder": "open_clip:hf-hub:a/b@" + "0" * 40}
    assert parse_models(pinned_text({"specs": specs})).filled() == specs
