"""The corpus of pictures without words."""

import json
import re

import pytest

from data_cards.demo.corpus import GROUP, iter_pictures, read_links, write_corpus
from data_cards.errors import BadInputError

CLIPART = "usr/share/openclipart/png"
IMAGES = "usr/share/games/wesnoth/1.16/data/core/images"


@pytest.fixture
def packages(tmp_path):
    files = (
        f"{CLIPART}/animals/cat_01.png",
        f"{CLIPART}/animals/birds/owl.png",
        f"{IMAGES}/units/elves-wood/archer-die1.png",
        f"{IMAGES}/units/random-dice.png",
        f"{IMAGES}/terrain/water/coast1.png",
    )
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(file.encode())
    pets = tmp_path / CLIPART / "pets"
    pets.mkdir()
    (pets / "cat.png").symlink_to("../animals/cat_01.png")
    (pets / "gone.png").symlink_to("nowhere.png")
    (pets / "out.png").symlink_to(tmp_path / IMAGES / "units/random-dice.png")
    return tmp_path


def test_classes_are_folders_and_links_are_told_apart(packages):
    found = {picture.id: picture for picture in iter_pictures(packages)}
    assert {id_: picture.label for id_, picture in found.items()} == {
        "clipart/animals/cat_01": "clipart/animals",
        "clipart/animals/birds/owl": "clipart/animals/birds",
        "clipart/pets/cat": "clipart/pets",
        "units/elves-wood/archer-die1": "units/elves-wood",
        "terrain/water/coast1": "terrain/water",
    }
    assert found["clipart/pets/cat"].link == "clipart/animals/cat_01"
    path, count, links = write_corpus(packages)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert (count, links, len(records)) == (5, 1, 5)
    assert all((packages / record["image"]).is_file() for record in records)
    assert read_links(packages) == {"clipart/pets/cat": "clipart/animals/cat_01"}


def test_frames_of_a_unit_belong_together():
    names = ("units/elves-wood/archer-die1", "units/elves-wood/archer+female-bow", "terrain/a/b12")
    groups = [re.search(GROUP, name)[1] for name in names]
    assert groups == ["units/elves-wood/archer", "units/elves-wood/archer", "terrain/a/b"]


def test_without_packages_nothing_is_written(tmp_path):
    with pytest.raises(BadInputError, match="holds no picture"):
        write_corpus(tmp_path)
    assert not list(tmp_path.iterdir())
