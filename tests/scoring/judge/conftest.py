from pathlib import Path

import pytest
from PIL import Image

from data_cards import ImageRef
from scoring.pictures import Picture
from scoring.store import content_key


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    path = tmp_path / "big.png"
    Image.new("RGB", (1200, 300), "red").save(path)
    return Picture(content_key(path.read_bytes()), ImageRef("big.png", path=path))
