"""No picture and no text of the demo pool was in the training of the embedded encoder."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_cards.demo.disjoint import image_number, pool_hashes, text_number
from data_cards.demo.pixels import pixel_hash
from data_cards.demo.pool import build_pool
from data_cards.demo.records import read_records
from data_cards.demo.sources import missing_sources

ROOT = Path(__file__).parents[2]
PACKAGES = Path(os.environ.get("PICKWELL_DEMO_PACKAGES", ROOT / ".demo" / "packages"))
TRAINED_ON = ROOT / "scoring" / "encoders" / "weights" / "training_hashes.npz"


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    if not PACKAGES.is_dir() or missing_sources(PACKAGES):
        pytest.skip("the demo's packages are not all unpacked")
    return build_pool(PACKAGES, tmp_path_factory.mktemp("demo") / "pool").path.parent


def test_training_and_pool_share_nothing(pool):
    if not TRAINED_ON.is_file():
        pytest.skip("no trained encoder is there")
    with np.load(TRAINED_ON, allow_pickle=False) as trained:
        images, texts = trained["image"], trained["text"]
    assert images.dtype == texts.dtype == np.uint64
    assert len(images) > 2000 and len(texts) > 2000
    found = pool_hashes(pool)
    assert len(found.image) > 3000 and len(found.text) > 3000
    assert not np.intersect1d(images, found.image).size
    assert not np.intersect1d(texts, found.text).size


def test_the_hashes_are_those_of_the_files(pool):
    found = pool_hashes(pool)
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
