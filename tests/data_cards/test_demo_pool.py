import json
import re
from collections import Counter

import pytest

from data_cards import BadInputError
from data_cards.cards import load_card
from data_cards.demo.pool import PER_DEFECT, build_pool
from data_cards.demo.records import read_records, read_truth
from data_cards.demo.selection import SAME_RESPONSE
from data_cards.demo.sources import missing_sources
from data_cards.demo.split import normalise

PLANTED = {
    *("wrong_image_near", "wrong_image_far", "truncated", "empty", "repetition"),
    *("boilerplate", "refusal", "wrong_language", "exact_duplicate"),
}


@pytest.fixture(scope="module")
def pool(packages, tmp_path_factory):
    if missing_sources(packages):
        pytest.skip(f"packages are missing for {missing_sources(packages)}")
    folder = tmp_path_factory.mktemp("demo") / "pool"
    report = build_pool(packages, folder)
    assert report.written
    return folder


@pytest.fixture(scope="module")
def records(pool):
    return read_records(pool / "pool.json")


@pytest.fixture(scope="module")
def truth(pool):
    return read_truth(pool / "pool.json")


def answers(record):
    return [turn["value"] for turn in record["conversations"] if turn["from"] == "gpt"]


def test_size_and_kinds(pool, records, truth):
    assert 3400 <= len(records) <= 4600
    questions = Counter(t.question for t in truth.values())
    assert len(questions) >= 10 and min(questions.values()) >= 40
    size = sum(path.stat().st_size for path in (pool / "images").rglob("*"))
    assert size < 80e6
    assert sum("image" not in record for record in records) >= 24
    for record in records:
        if "image" in record:
            assert (pool / record["image"]).is_file()
            assert record["conversations"][0]["value"].startswith("<image>\n")
        assert [t["from"] for t in record["conversations"]][::2].count("gpt") == 0


def test_every_planted_kind_is_there_and_is_what_it_says(records, truth):
    by_id = {record["id"]: record for record in records}
    kinds = Counter(t.defect for t in truth.values() if t.quality == "planted")
    assert set(kinds) == PLANTED and min(kinds.values()) >= 60 and max(kinds.values()) == PER_DEFECT
    share = sum(t.bad for t in truth.values()) / len(truth)
    assert 0.33 < share < 0.42
    good = {
        (record.get("image"), json.dumps(record["conversations"]))
        for record in records
        if truth[record["id"]].quality == "good"
    }
    for key, t in truth.items():
        record = by_id[key]
        response = "\n".join(answers(record))
        if t.quality != "planted":
            continue
        assert t.original_response and normalise(t.original_response)
        if t.defect == "exact_duplicate":
            assert response == t.original_response
            assert (record.get("image"), json.dumps(record["conversations"])) in good
        else:
            assert normalise(response) != normalise(t.original_response)
        if t.defect == "empty":
            assert not response.strip()
        if t.defect == "truncated":
            assert t.original_response.startswith(response)
            assert len(response) < 0.8 * len(t.original_response)
        if t.defect == "repetition":
            assert max(Counter(response.split()).values()) >= 7


def test_good_answers_are_clean(records, truth):
    good = [r for r in records if truth[r["id"]].quality == "good"]
    said = Counter(normalise(answer) for record in good for answer in answers(record))
    assert max(said.values()) <= SAME_RESPONSE and "" not in said
    for record in good:
        for answer in answers(record):
            assert answer == answer.strip() and "  " not in answer and len(answer.split()) <= 130
            assert not re.search(r"<[a-z/]|hash\(|\{\}|\.\.$(?<!\.\.\.)", answer), answer


def test_natural_defects_are_real_titles(truth):
    natural = [t for t in truth.values() if t.quality == "natural"]
    kinds = Counter(t.defect for t in natural)
    assert kinds["boilerplate title"] >= 400 and kinds["empty title"] >= 10
    assert 1 <= kinds["hostile picture"] <= 6


def test_ids_and_order_reveal_nothing(records, truth):
    ids = [record["id"] for record in records]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[0-9a-f]{16}", i) for i in ids)
    # The share of bad ones is the same by first digit of the id, and along the file.
    bad = [truth[i].bad for i in ids]
    overall = sum(bad) / len(bad)
    for group in (
        [b for i, b in zip(ids, bad, strict=True) if i[0] in "01234567"],
        bad[: len(bad) // 2],
        bad[-len(bad) // 4 :],
    ):
        assert abs(sum(group) / len(group) - overall) < 0.06
    assert all(set(r) <= {"id", "image", "conversations", "source", "truth"} for r in records)


def test_a_second_build_writes_nothing(packages, pool):
    before = {p: p.stat().st_mtime_ns for p in pool.rglob("*")}
    report = build_pool(packages, pool)
    assert not report.written and report.samples == len(read_truth(pool / "pool.json"))
    assert {p: p.stat().st_mtime_ns for p in pool.rglob("*")} == before


def test_the_card_tells_the_truth_about_the_pool(records, truth):
    card = load_card("demo_pool")
    numbers = [row.split("|") for row in card.text.splitlines() if row.startswith("|")]
    cells = {frozenset(cell.strip(" `") for cell in row) for row in numbers}
    defects = Counter(t.defect for t in truth.values() if t.bad)
    sources = Counter(record["source"] for record in records)
    for name, count in (defects | sources).items():
        assert any({name, f"{count:,}"} <= row for row in cells), (name, count)
    assert f"{len(records):,} samples" in card.text
    assert card.format == "llava" and card.front_matter["license"] == "other"


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(BadInputError, match="holds no demo pool"):
        build_pool(tmp_path / "packages", tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_without_packages_it_says_so(tmp_path):
    (tmp_path / "packages").mkdir()
    with pytest.raises(BadInputError, match="none of the demo's packages"):
        build_pool(tmp_path / "packages", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"id": "a"}]'])
def test_what_is_no_pool_is_refused(tmp_path, content):
    (tmp_path / "pool.json").write_text(content)
    with pytest.raises(BadInputError, match=r"pool\.json"):
        read_truth(tmp_path / "pool.json")
