"""No picture and no text of the demo pool was in the training of the embedded encoder."""

from pathlib import Path

import numpy as np
import pytest

from data_cards.demo.disjoint import image_number, pool_hashes, text_number
from data_cards.demo.pixels import pixel_hash
from data_cards.demo.pool import build_pool
from data_cards.demo.records import read_records
from data_cards.demo.sources import missing_sources

ROOT = Path(__file__).parents[2]
TRAINED_ON = ROOT / "scoring" / "encoders" / "weights" / "training_hashes.npz"


@pytest.fixture(scope="module")
def pool(request, tmp_path_factory):
    built = ROOT / ".demo" / "pool"
    if (built / "pool.json").is_file():
        return built
    packages = request.getfixturevalue("packages")
    if missing_sources(packages):
        pytest.skip(f"packages are missing for {missing_sources(packages)}")
    return build_pool(packages, tmp_path_factory.mktemp("demo") / "pool").path.parent


@pytest.fixture(scope="module")
def found(pool):
    return pool_hashes(pool)


def test_training_and_pool_share_nothing(found):
    if not TRAINED_ON.is_file():
        pytest.skip("no trained encoder is there")
    with np.load(TRAINED_ON, allow_pickle=False) as trained:
        images, texts = trained["image"], trained["text"]
    assert images.dtype == texts.dtype == np.uint64
    assert len(images) > 2000 and len(texts) > 2000
    assert len(found.image) > 3000 and len(found.text) > 3000
    assert not np.intersect1d(images, found.image).size
    assert not np.intersect1d(texts, found.text).size


def test_the_hashes_are_those_of_the_files(pool, found):
    records = read_records(pool / "pool.json")
    checked = 0
    for record in records[:200]:
        for turn in record["conversations"]:
            if turn["from"] == "gpt" and turn["value"].strip():
                assert text_number(turn["value"].upper() + " !") in found.text
        if "image" in record:
            pixels = pixel_hash((pool / record["image"]).read_bytes())
            if pixels is not None:
                assert image_number(pixels) in found.image
                checked += 1
    assert checked > 150
