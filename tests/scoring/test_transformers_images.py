"""Image models of transformers by spec: the plain library's vectors, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from data_cards.errors import BadInputError
from scoring.encoders.probe import probe_pictures
from scoring.encoders.registry import image_encoder_from_spec
from scoring.encoders.transformers_images import TransformersImages

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file, save_file  # noqa: E402

SIZE = {"height": 32, "width": 32}
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
PATCHES = {"image_size": 32, "patch_size": 8}
VISION = {**LAYERS, **PATCHES, "intermediate_size": 64}
TEXT = {**LAYERS, "intermediate_size": 64, "vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2}
PARTS = {"text_config": TEXT, "vision_config": VISION}
CROPPED = {"size": {"shortest_edge": 36}, "crop_size": SIZE}


def pooled(model, x):
    return model(pixel_values=x).pooler_output.flatten(1)


def class_token(model, x):
    return model(pixel_values=x).last_hidden_state[:, 0]


def mean_of_places(model, x):
    return model(pixel_values=x).last_hidden_state.mean(1)


def projected(model, x):
    return model.get_image_features(pixel_values=x).pooler_output


# model, its configuration, its processor, the length of its vectors, the plain way to them
KINDS = {
    "Dinov2": ({**LAYERS, **PATCHES}, ("Bit", CROPPED), 32, pooled),
    "ViT": (VISION, ("ViT", {"size": SIZE}), 32, class_token),
    "IJepa": (VISION, ("ViT", {"size": SIZE}), 32, mean_of_places),
    "CLIP": ({**PARTS, "projection_dim": 24}, ("CLIP", CROPPED), 24, projected),
    "CLIPVision": (VISION, ("CLIP", CROPPED), 32, pooled),
    "Siglip": (PARTS, ("Siglip", {"size": SIZE}), 32, projected),
    "ResNet": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        ("Bit", CROPPED),
        16,
        pooled,
    ),
}


def save(kind, folder, config=None, processor=None):
    """A tiny model with random weights, and its processor."""
    fields, (maker, given), *_ = KINDS.get(kind, KINDS["ViT"])
    settings = getattr(transformers, f"{kind}Config")(**(config or fields))
    with torch.random.fork_rng():
        torch.manual_seed(len(kind))
        getattr(transformers, f"{kind}Model")(settings).save_pretrained(folder)
    made = getattr(transformers, f"{maker}ImageProcessor")(**(processor or given))
    made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("hf")
    for kind in KINDS:
        save(kind, root / kind)
    return root


def vectors(encoder, pictures):
    return encoder.encode_images(torch.stack([encoder.preprocess(p) for p in pictures]))


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_plain_way(folder, kind):
    pictures = [*probe_pictures(3), Image.new("RGB", (300, 40), "red")]
    encoder = TransformersImages(f"hf-image:{folder / kind}", "float32", "cpu")
    *_, dim, plainly = KINDS[kind]
    assert encoder.dim == dim and len(encoder.key) == 16
    assert encoder._tower._ready is None  # known before any weights
    found = vectors(encoder, pictures)
    plain = transformers.AutoModel.from_pretrained(folder / kind, dtype=torch.float32).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder / kind)
    with torch.no_grad():
        wanted = plainly(plain, processor(images=pictures, return_tensors="pt")["pixel_values"])
    wanted = torch.nn.functional.normalize(wanted, dim=-1).numpy()
    assert found.shape == (4, dim) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = np.concatenate([vectors(encoder, [picture]) for picture in pictures])
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_automatic_precision_stays_near_and_hardly_moves_with_the_batch(folder):
    pictures = probe_pictures(5, seed=3)
    exact = vectors(TransformersImages(f"hf-image:{folder}/Dinov2", "float32", "cpu"), pictures)
    for precision in ("auto", "bfloat16"):
        encoder = TransformersImages(f"hf-image:{folder}/Dinov2", precision, "cpu")
        found = vectors(encoder, pictures)
        assert ((found * exact).sum(1) > 0.999).all()
        alone = np.concatenate([vectors(encoder, [picture]) for picture in pictures])
        np.testing.assert_allclose(found, alone, atol=1e-2)


def test_the_key_follows_weights_processor_and_precision(folder, tmp_path):
    def key(place, precision="float32"):
        return TransformersImages(f"hf-image:{place}", precision, "cpu").key

    first = key(folder / "Dinov2")
    for path in (folder / "Dinov2").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert key(tmp_path) == first != key(tmp_path, "bfloat16")
    about = tmp_path / "preprocessor_config.json"
    stored = json.loads(about.read_text())
    about.write_text(json.dumps(stored | {"image_mean": [0.5, 0.5, 0.5]}))
    assert key(tmp_path) != first
    about.write_text(json.dumps(stored))
    second = key(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["layernorm.bias"] = state["layernorm.bias"] + 1
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert key(tmp_path) != second


def test_an_untrained_pooler_is_not_missed_and_a_missing_layer_is(folder, tmp_path):
    for path in (folder / "ViT").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    trunk = {name: value for name, value in state.items() if not name.startswith("pooler.")}
    assert len(trunk) < len(state)
    save_file(trunk, tmp_path / "model.safetensors", {"format": "pt"})
    pictures = probe_pictures(2)
    whole = vectors(TransformersImages(f"hf-image:{folder}/ViT", "float32", "cpu"), pictures)
    found = vectors(TransformersImages(f"hf-image:{tmp_path}", "float32", "cpu"), pictures)
    np.testing.assert_allclose(found, whole, atol=1e-6)
    del trunk["layernorm.bias"]
    save_file(trunk, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadInputError, match="has no weights for layernorm"):
        vectors(TransformersImages(f"hf-image:{tmp_path}"), pictures)


def test_a_model_that_hides_what_it_sees_at_random_is_refused(tmp_path):
    encoder = TransformersImages(f"hf-image:{save('ViTMAE', tmp_path, VISION)}", "float32", "cpu")
    with pytest.raises(BadInputError, match="another vector each time"):
        vectors(encoder, probe_pictures(1))


def test_a_processor_without_one_shape_is_refused(tmp_path):
    loose = {"size": {"shortest_edge": 32}, "do_center_crop": False}
    save("Dinov2", tmp_path, processor=loose)
    with pytest.raises(BadInputError, match="one shape"):
        _ = TransformersImages(f"hf-image:{tmp_path}").dim


def test_pickles_are_read_only_when_named(folder, tmp_path):
    for path in (folder / "Dinov2").iterdir():
        if path.suffix == ".json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(folder / "Dinov2" / "model.safetensors"), tmp_path / "pytorch_model.bin")
    spec = f"hf-image:{tmp_path}"
    with pytest.raises(BadInputError, match=f"--allow-pickle {tmp_path}"):
        TransformersImages(spec)
    encoder = TransformersImages(spec, allow_pickle=[str(tmp_path)])
    assert vectors(encoder, probe_pictures(1)).shape == (1, 32)


OWN = """
from transformers import ViTConfig, ViTModel
class OwnConfig(ViTConfig):
    model_type = "own-vit"
class OwnModel(ViTModel):
    config_class = OwnConfig
"""


def test_code_of_a_folder_runs_only_when_named(folder, tmp_path):
    for path in (folder / "ViT").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    # transformers stores ViT's weights under older names, which it maps for its own types only
    plain = transformers.AutoModel.from_pretrained(folder / "ViT").state_dict()
    save_file(plain, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "own.py").write_text(OWN)
    named = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own-vit", "auto_map": named}
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = f"hf-image:{tmp_path}"
    with pytest.raises(BadInputError, match=f"--trust-remote-code {tmp_path}"):
        _ = image_encoder_from_spec(spec, trust_remote_code=["another"]).dim
    encoder = image_encoder_from_spec(spec, trust_remote_code=[str(tmp_path)])
    assert encoder.dim == 32 and vectors(encoder, probe_pictures(1)).shape == (1, 32)
    first = encoder.key
    (tmp_path / "own.py").write_text(OWN + "# changed\n")
    assert image_encoder_from_spec(spec, trust_remote_code=[str(tmp_path)]).key != first


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("hf-image:", "Write hf-image:owner/name"),
        ("hf-image:nobody", "owner/name"),
        ("hf-image:/nowhere", "holds no config.json"),
        ("hf-image:facebook/dinov2-small", "not in the local cache"),
    ],
)
def test_bad_specs_say_what_to_write(spec, word):
    with pytest.raises(BadInputError) as error:
        image_encoder_from_spec(spec)
    assert word in str(error.value)
