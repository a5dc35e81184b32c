"""What the datasets library saves and opens, on local folders."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from data_cards import BadInputError
from data_cards.hub_images import HubImages
from data_cards.source import Source, open_source

datasets = pytest.importorskip("datasets")


def png(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (i, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def dataset():
    records = {
        "id": [f"r{i}" for i in range(150)],
        "image": [{"bytes": png(i), "path": None} for i in range(150)],
        "question": [f"What {i}?" for i in range(150)],
        "answer": [f"Thing {i}" for i in range(150)],
        "truth": ["secret"] * 150,
    }
    features = datasets.Features(
        {
            "image": datasets.Image(),
            **{k: datasets.Value("string") for k in records if k != "image"},
        }
    )
    return datasets.Dataset.from_dict(records, features=features)


def check(samples):
    assert [s.error for s in samples] == [None] * 150
    assert samples[149].images[0].data == png(149)
    assert (samples[70].id, samples[70].instruction) == ("r70", "What 70?")
    assert "secret" not in repr(samples[0])


def test_saved_folder(tmp_path, dataset):
    dataset.save_to_disk(tmp_path / "saved")
    source = open_source(tmp_path / "saved")
    assert source.format == "hf" and "save_to_disk" in source.how
    assert source.count_hint() == 150
    check(list(source.samples()))
    (out,) = source.copy_rows([120, 3], tmp_path / "out")
    again = datasets.load_from_disk(str(out))
    assert again.features == dataset.features
    assert again["id"][:] == ["r3", "r120"] and again["truth"][:] == ["secret"] * 2
    assert [s.images[0].data for s in open_source(out).samples()] == [png(3), png(120)]


def test_splits_must_be_named(tmp_path, dataset):
    both = datasets.DatasetDict({"train": dataset, "test": dataset.select(range(2))})
    both.save_to_disk(tmp_path / "saved")
    with pytest.raises(BadInputError, match="several splits") as caught:
        open_source(tmp_path / "saved")
    assert "train, test" in caught.value.remedy
    assert len(list(open_source(tmp_path / "saved", split="test").samples())) == 2


@pytest.mark.parametrize("streaming", [True, False])
def test_load_dataset_on_a_folder(tmp_path, monkeypatch, dataset, streaming):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "repo").mkdir()
    dataset.to_parquet(tmp_path / "repo" / "train.parquet")
    source = open_source(tmp_path / "repo", format="hf", streaming=streaming)
    check(list(source.samples()))
    (out,) = source.copy_rows([120, 3], tmp_path / "out")
    again = datasets.Dataset.from_parquet(str(out), cache_dir=str(tmp_path / "cache"))
    assert again.features == dataset.features and again["id"][:] == ["r3", "r120"]
    assert [s.id for s in open_source(out).samples()] == ["r3", "r120"]


def test_a_hub_name_that_cannot_be_loaded_says_so():
    with pytest.raises(BadInputError, match=r"offline mode is on .* nobody/nothing") as caught:
        open_source("hf://nobody/nothing")
    assert "Unset HF_HUB_OFFLINE" in caught.value.remedy


def test_only_images_of_the_repository_are_put_into_a_copy(monkeypatch):
    import pyarrow as pa

    from data_cards.readers import hf

    sha = "0123456789" * 4
    monkeypatch.setattr(hf, "read_bytes", lambda ref: ref.url.encode())
    own = f"hf://datasets/o/n@{sha}/in/a.png"
    paths = ["b.png", "https://example.org/c.png", own, "zip://a.png::/no/cache/a.zip"]
    features = datasets.Features({"image": datasets.Image()})
    rows = [{"image": {"bytes": None, "path": path}} for path in paths]
    table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
    hub = HubImages("o/n", sha)
    for images, b in ((hub, None), (replace(hub, folder="i"), f"hf://datasets/o/n@{sha}/i/b.png")):
        source = Source("hf://o/n", "hf", hub_images=images)
        said = hf._embedded(table, features, source)["image"].to_pylist()
        expected = [b and b.encode(), None, own.encode(), None]
        assert [value["bytes"] for value in said] == expected
        assert [value["path"] for value in said] == [*paths[:2], "a.png", paths[3]]
