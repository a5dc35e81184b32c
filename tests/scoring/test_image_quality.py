import math
import time

import numpy as np
import pytest
from PIL import Image

from scoring.metric import Models
from scoring.metrics.image_quality import ImageQuality


def measure(image, **facts):
    return ImageQuality(Models("m")).measure(image, facts)


def test_one_colour_is_blank():
    found = measure(Image.new("RGB", (640, 320), (200, 30, 60)))
    assert found == {
        "image_width": 640,
        "image_height": 320,
        "image_min_side": 320,
        "image_aspect": 2.0,
        "image_entropy": 0.0,
        "image_blankness": 1.0,
    }


def test_two_halves():
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, :64] = 255
    found = measure(Image.fromarray(pixels))
    assert found["image_blankness"] == pytest.approx(0.75)
    assert found["image_entropy"] == pytest.approx(-0.25 * math.log2(0.25) - 0.75 * math.log2(0.75))


def test_all_grey_levels_give_eight_bits():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = measure(Image.fromarray(np.stack([levels] * 3, axis=2)))
    assert found["image_entropy"] == pytest.approx(8.0)
    assert found["image_blankness"] == pytest.approx(1 / 16)  # sixteen levels share four bits


def test_the_original_size_is_reported_for_a_reduced_copy():
    found = measure(Image.new("RGB", (200, 100)), width=4000, height=2000)
    assert (found["image_width"], found["image_height"], found["image_aspect"]) == (4000, 2000, 2.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (5000, 2)])
def test_odd_sizes(size):
    found = measure(Image.new("RGB", size))
    assert found["image_blankness"] == 1.0
    assert found["image_min_side"] == min(size)


def test_the_sample_is_close_to_the_whole():
    rng = np.random.default_rng(0)
    grey = rng.normal(128, 40, (700, 900)).clip(0, 255).astype(np.uint8)
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    whole = -(share[share > 0] * np.log2(share[share > 0])).sum()
    found = measure(Image.fromarray(np.stack([grey] * 3, axis=2)))
    assert found["image_entropy"] == pytest.approx(whole, abs=0.05)


def test_quick():
    image = Image.effect_noise((512, 512), 50).convert("RGB")
    measure(image)
    start = time.process_time()
    for _ in range(20):
        measure(image)
    assert (time.process_time() - start) / 20 < 0.006  # 1.2 ms on an idle core
