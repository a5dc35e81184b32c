import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_cards.demo.captioned import CaptionedImage, CaptionText
from data_cards.demo.pixels import image_hash, image_hashes, pixel_hash
from data_cards.demo.split import assign, normalise, pool_texts


def encoded(pixels, kind="PNG", **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def item(source, key, *texts, data=b"", defect=None):
    kinds = ("title", "description", "keywords")
    made = tuple(CaptionText(k, t) for k, t in zip(kinds, texts, strict=False))
    return CaptionedImage(source, key, None, data, made, "c", "l", defect)


def test_normal_form():
    assert normalise("  A “Red” Apple,\tripe!  ") == "a red apple ripe"
    assert normalise("ＣＡＦÉ") == normalise("cafe\u0301") == "café"
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("…!?") == ""


@given(st.text())
def test_normal_form_is_stable(text):
    assert normalise(normalise(text)) == normalise(text)


def test_the_same_pixels_match_under_other_encodings():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (9, 7, 3), dtype=np.uint8)
    png = pixel_hash(encoded(pixels))
    assert png == pixel_hash(encoded(pixels, "WEBP", lossless=True, exact=True))
    assert png == pixel_hash(encoded(pixels, compress_level=1))
    assert png != pixel_hash(encoded(pixels.reshape(7, 9, 3)))
    assert pixel_hash(b"no picture") is None
    assert image_hash(item("a", "b", "c", data=b"no picture")).startswith("bytes:")


def test_bombs_are_not_decoded():
    assert pixel_hash(encoded(np.zeros((7000, 6000), np.uint8))) is None


def test_hashes_are_kept_and_renewed(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(encoded(np.zeros((4, 4, 3), np.uint8)))
    one = CaptionedImage("s", "k", path, None, (), "c", "l")
    first = image_hashes([one], tmp_path)
    assert (tmp_path / "image_hashes.parquet").is_file()
    assert image_hashes([one], tmp_path) == first
    path.write_bytes(encoded(np.full((5, 4, 3), 9, np.uint8)))
    assert image_hashes([one], tmp_path) != first
    (tmp_path / "image_hashes.parquet").write_bytes(b"damaged")
    assert image_hashes([one], tmp_path) == {("s", "k"): image_hash(one)}


WORDS = st.sampled_from(["apple", "Apple!", "a pear", "plum", "fig", "red fig", "kiwi, fruit", "x"])
ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["openclipart", "emoji", "tuxpaint", "kgeography", "gimp"]),
        st.lists(WORDS, min_size=1, max_size=3),
        st.integers(0, 30),
        st.sampled_from([None, None, None, "empty title", "doubtful title"]),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ITEMS, st.integers(0, 5))
def test_training_shares_nothing_with_the_pool(rows, seed):
    items = [item(s, str(n), *texts, defect=d) for n, (s, texts, _, d) in enumerate(rows)]
    hashes = {(i.source, i.key): f"{row[2]:064x}" for i, row in zip(items, rows, strict=True)}
    split = assign(items, hashes, seed=seed)
    groups = {
        "train": split.parts["train"],
        "validation": split.parts["validation"],
        "pool": split.parts["held_out"] + split.parts["pool_only"],
    }
    assert sum(map(len, groups.values())) + len(split.dropped) == len(items)
    pictures = {g: {hashes[i.source, i.key] for i in v} for g, v in groups.items()}
    texts = {
        g: {normalise(t.text) for i in v for t in i.texts} for g, v in groups.items() if g != "pool"
    }
    texts["pool"] = {normalise(t) for i in groups["pool"] for t in pool_texts(i)}
    for one, other in (("train", "pool"), ("validation", "pool"), ("train", "validation")):
        assert not pictures[one] & pictures[other]
        assert not texts[one] & texts[other]
    for i in groups["train"] + groups["validation"]:
        assert i.source not in ("tuxpaint", "kgeography") and i.natural_defect is None


@settings(deadline=None)
@given(ITEMS, st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter(rows, random):
    items = [item(s, str(n), *texts, defect=d) for n, (s, texts, _, d) in enumerate(rows)]
    # One picture each: of two pictures alike, the first of a part is as good as the second.
    hashes = {(i.source, i.key): f"{n:064x}" for n, i in enumerate(items)}
    shuffled = list(items)
    random.shuffle(shuffled)
    one, other = assign(items, hashes), assign(shuffled, hashes)
    for part in ("held_out", "pool_only"):
        assert {i.key for i in one.parts[part]} == {i.key for i in other.parts[part]}


def test_shares_are_as_declared():
    items = [item("openclipart", str(n), f"caption {n}") for n in range(4000)]
    hashes = {(i.source, i.key): f"{n:064x}" for n, i in enumerate(items)}
    parts = assign(items, hashes).parts
    assert abs(len(parts["train"]) / 4000 - 0.62) < 0.03
    assert abs(len(parts["validation"]) / 4000 - 0.06) < 0.02
