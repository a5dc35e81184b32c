import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_cards.errors import BadInputError
from data_cards.images import ImageLimits
from data_cards.sample import ImageRef
from scoring.encoders import open_clip as open_clip_encoder
from scoring.encoders.open_clip import OpenClipEncoder
from scoring.encoders.open_clip_spec import OpenClipSpec, parse_spec
from scoring.encoders.probe import probe_pictures
from scoring.encoders.registry import encoder_from_spec
from scoring.hub_models import HubModel
from scoring.images import ImageStage

open_clip = pytest.importorskip("open_clip")
torch = pytest.importorskip("torch")

VISION = {"image_size": 48, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CONFIGS = {
    "tiny-clip": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT},
    # SigLIP's shape: own text tower, bias, no causal mask, last token, an image tower of timm.
    "tiny-sig": {
        "embed_dim": 32,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {
            "image_size": 32,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
    },
    "tiny-resnet": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 4},
        "text_cfg": TEXT,
    },
}
TEXTS = ["a red circle", "", "two grey donkeys", "a " * 40 + "word"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open_clip")
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    for seed, name in enumerate(CONFIGS):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = open_clip.create_model(name)
        torch.save(model.state_dict(), folder / f"{name}.pt")
    return folder


def reference(folder, name, pictures, texts):
    model, _, transform = open_clip.create_model_and_transforms(
        name, pretrained=str(folder / f"{name}.pt")
    )
    model.eval()
    with torch.no_grad():
        images = model.encode_image(torch.stack([transform(p) for p in pictures]), normalize=True)
        tokens = open_clip.get_tokenizer(name)(texts)
        return images.numpy(), model.encode_text(tokens, normalize=True).numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_open_clip_itself(folder, name):
    pictures = [*probe_pictures(3), Image.new("RGB", (300, 20), "red")]
    encoder = OpenClipEncoder(f"open_clip:{name}@{folder / name}.pt", "float32", "cpu")
    pixels = torch.stack([encoder.preprocess(p) for p in pictures])
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(TEXTS)
    wanted_images, wanted_texts = reference(folder, name, pictures, TEXTS)
    assert images.shape == (4, CONFIGS[name]["embed_dim"]) == (4, encoder.dim)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(images, wanted_images, atol=2e-6)
    np.testing.assert_allclose(texts, wanted_texts, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)


def test_large_pictures_reach_the_model_as_they_reach_open_clip(folder, tmp_path):
    """Metrics see a reduced copy; the model's own transform sees the whole picture."""
    rng = np.random.default_rng(0)
    refs, pictures = [], []
    for name in ("a.png", "b.jpg"):
        coarse = Image.fromarray(rng.integers(0, 256, (40, 52, 3), np.uint8))
        coarse.resize((1040, 800), Image.Resampling.NEAREST).save(tmp_path / name)
        pictures.append(Image.open(tmp_path / name).convert("RGB"))
        refs.append(ImageRef(name, path=tmp_path / name))
    name = next(iter(CONFIGS))
    encoder = OpenClipEncoder(f"open_clip:{name}@{folder / name}.pt", "float32", "cpu")
    stage = ImageStage(tmp_path / "cache", [], encoder, ImageLimits(), 64, 1)
    loaded = [one.result() for one in stage.load(refs)]
    stage.finish(stage.start_decoding(loaded))
    found = stage.vectors_of([one.key for one in loaded])
    stage.close()
    wanted, _ = reference(folder, name, pictures, TEXTS)
    np.testing.assert_allclose((found * wanted).sum(1), 1, atol=1e-6)


def test_automatic_precision_keeps_the_ranking(folder):
    spec = f"open_clip:tiny-resnet@{folder}/tiny-resnet.pt"
    pictures = probe_pictures(12, seed=5)
    vectors = []
    for precision in ("auto", "float32"):
        encoder = OpenClipEncoder(spec, precision, "cpu")
        pixels = torch.stack([encoder.preprocess(p) for p in pictures])
        vectors.append(encoder.encode_images(pixels))
    off = np.triu_indices(12, 1)
    ranks = [(v @ v.T)[off].argsort().argsort() for v in vectors]
    assert np.corrcoef(ranks)[0, 1] > 0.99


def test_a_row_does_not_depend_on_its_batch(folder):
    encoder = OpenClipEncoder(f"open_clip:tiny-clip@{folder}/tiny-clip.pt", device="cpu")
    pixels = torch.stack([encoder.preprocess(p) for p in probe_pictures(5)])
    whole = encoder.encode_images(pixels)
    alone = np.concatenate([encoder.encode_images(p[None]) for p in pixels])
    np.testing.assert_allclose(whole, alone, atol=1e-3)
    texts = encoder.encode_texts(TEXTS * 12)
    np.testing.assert_allclose(texts[:4], texts[-4:], atol=1e-5)


def test_cut_texts_are_counted(folder, caplog):
    encoder = OpenClipEncoder(f"open_clip:tiny-clip@{folder}/tiny-clip.pt")
    # Start and end marker and one token a word: 41 + 2 of 12.
    assert encoder.tokens_cut(TEXTS) == [0, 0, 0, 31]
    assert encoder.tokens_cut(["extraordinarily", "ten " * 10, "ten " * 11]) == [0, 0, 1]
    encoder.encode_texts(TEXTS)
    assert encoder.texts_cut == 1
    assert "12 tokens" in caplog.text


def test_no_texts_and_folder_form(folder, tmp_path):
    stored = {"model_cfg": CONFIGS["tiny-clip"], "preprocess_cfg": {"mean": [0.1, 0.2, 0.3]}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(stored))
    (tmp_path / "open_clip_model.pth").write_bytes((folder / "tiny-clip.pt").read_bytes())
    encoder = encoder_from_spec(f"open_clip:{tmp_path}")
    assert encoder.encode_texts([]).shape == (0, 24)
    grey = encoder.preprocess(Image.new("RGB", (50, 50)))
    assert grey[0, 0, 0] == pytest.approx(-0.1 / 0.26862954)  # its own mean is used
    _, wanted = reference(folder, "tiny-clip", probe_pictures(1), TEXTS)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), wanted, atol=2e-6)


def test_the_key_follows_the_hardware_where_the_precision_does(folder, monkeypatch):
    def key(bfloat16, precision="auto", device="cpu"):
        monkeypatch.setattr(open_clip_encoder, "has_bfloat16", lambda device: bfloat16)
        spec = f"open_clip:tiny-clip@{folder}/tiny-clip.pt"
        return OpenClipEncoder(spec, precision, device).key

    assert len({key(True), key(True, device="cuda"), key(False)}) == 3
    assert key(True, "float32") == key(False, "float32") == key(False)


def test_a_tokenizer_from_elsewhere_is_looked_up_at_once_and_part_of_the_key(monkeypatch):
    asked = []

    def key(commit):
        def looked_up(name, **options):
            asked.append((name, options))
            return HubModel(name, commit if options else "ab" * 20)

        monkeypatch.setattr(open_clip_encoder, "hub_model", looked_up)
        return OpenClipEncoder("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k", "float32").key

    assert key("01" * 20) != key("02" * 20)
    assert ("roberta-base", {"old": True}) in asked


def test_pickles_are_allowed_by_the_repository_that_the_refusal_names(monkeypatch):
    repo = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    monkeypatch.setattr(open_clip_encoder, "hub_model", lambda name: HubModel(repo, "ab" * 20))
    spec = "open_clip:ViT-B-32/laion2b_s34b_b79k"
    assert OpenClipEncoder(spec, allow_pickle=[repo])._pickle
    assert not OpenClipEncoder(spec, allow_pickle=["ViT-B-32/laion2b_s34b_b79k"])._pickle


def test_key_follows_weights_and_precision(folder, tmp_path):
    spec = f"open_clip:tiny-clip@{folder}/tiny-clip.pt"
    key = OpenClipEncoder(spec).key
    assert key == OpenClipEncoder(spec).key
    assert key != OpenClipEncoder(spec, "bfloat16").key
    moved = tmp_path / "copy.pt"
    moved.write_bytes((folder / "tiny-clip.pt").read_bytes())
    assert OpenClipEncoder(f"open_clip:tiny-clip@{moved}").key == key
    state = torch.load(moved)
    state["visual.conv1.weight"][0, 0, 0, 0] += 1
    torch.save(state, moved)
    assert OpenClipEncoder(f"open_clip:tiny-clip@{moved}").key != key


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("open_clip:ViT-B-23/laion2b_s34b_b79k", "ViT-B-32"),
        ("open_clip:ViT-B-32", "ARCH/PRETRAINED"),
        ("open_clip:ViT-B-32/laion2b_s34b_b97k", "Did you mean laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "not in the local cache"),
        ("open_clip:hf-hub:nobody", "owner/name"),
        ("open_clip:", "ARCH/PRETRAINED"),
        ("open_clip:ViT-B-32@/nowhere/model.pt", "/nowhere/model.pt"),
        ("open_clip:/nowhere", "open_clip_config.json"),
        ("openclip:ViT-B-32/openai", "Did you mean open_clip:"),
        ("embeded", "Did you mean embedded"),
        ("clap", "Known: embedded"),
    ],
)
def test_bad_specs_say_what_to_write(spec, word):
    with pytest.raises(BadInputError) as error:
        encoder_from_spec(spec)
    assert word in str(error.value)


def test_unloadable_weights_are_bad_input(folder, tmp_path):
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes((folder / "tiny-resnet.pt").read_bytes())
    encoder = OpenClipEncoder(f"open_clip:tiny-clip@{wrong}")
    with pytest.raises(BadInputError, match="could not be loaded"):
        encoder.encode_texts(["a"])


def test_hub_tags_are_parsed():
    assert parse_spec("open_clip:ViT-B-32/openai") == OpenClipSpec("ViT-B-32", tag="openai")
    pinned = parse_spec("open_clip:ViT-B-32/openai@v1")
    assert pinned == OpenClipSpec("ViT-B-32", tag="openai", revision="v1")
    assert parse_spec("open_clip:hf-hub:a/b@v1") == OpenClipSpec(repo="a/b@v1")


def test_construction_imports_nothing_heavy(tmp_path):
    (tmp_path / "any.pt").write_bytes(b"weights")
    code = (
        "import sys; from scoring.encoders.registry import encoder_from_spec as e;"
        f"m = e('open_clip:ViT-B-32@{tmp_path}/any.pt');"
        "assert m.dim == 512;"
        "assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules);"
        "assert len(m.key) == 16;"
        "assert not {'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_whole_vit_b_32_checkpoint_equals_open_clip_itself(tmp_path):
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32")
    torch.save(model.state_dict(), tmp_path / "ViT-B-32.pt")
    encoder = OpenClipEncoder(f"open_clip:ViT-B-32@{tmp_path}/ViT-B-32.pt", "float32", "cpu")
    pictures = probe_pictures(4)
    with torch.no_grad():
        images = model.eval().encode_image(torch.stack([transform(p) for p in pictures]))
        texts = model.encode_text(open_clip.get_tokenizer("ViT-B-32")(TEXTS))
    wanted = torch.nn.functional.cosine_similarity(images[:, None], texts[None], dim=-1)
    mine = encoder.encode_images(torch.stack([encoder.preprocess(p) for p in pictures]))
    np.testing.assert_allclose(mine @ encoder.encode_texts(TEXTS).T, wanted, atol=1e-4)
