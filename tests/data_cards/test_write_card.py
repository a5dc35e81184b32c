"""The data card of a selection is valid, complete, and cannot be broken by what it quotes."""

import pytest
from huggingface_hub import DatasetCard

from data_cards.cards import parse_card
from data_cards.write_card import selection_card, size_category


def card(**changes) -> str:
    given = {
        "title": "200 of the demo pool",
        "source": {"name": "demo_pool", "path": "pool.json", "how": "llava: JSON Lines"},
        "read": 3456,
        "chosen": 200,
        "funnel": {"failed": 6, "floored": 50, "not chosen": 3200, "chosen": 200},
        "parameters": {"method": "clusters", "budget": 200, "seed": 0},
        "version": "0.1.0",
        "metrics": [{"name": "alignment", "key": "0123abcd", "columns": ["alignment", "margin"]}],
        "models": {"encoder": "embedded"},
        "command": "pickwell select run --budget 200 --by 'a|b' > out && echo <done>",
        "files": [{"name": "pool.json", "what": "chosen records", "sha256": "ff" * 32}],
        "front_matter": {"license": "cc0-1.0", "language": ["en"], "task_categories": ["x"]},
        "pickwell": {"format": "llava", "source": "demo_pool", "columns": {"id": "id"}},
    }
    return selection_card(**{**given, **changes})


def test_everything_is_said():
    text = card()
    for words in (
        "200 samples chosen of 3,456 in **demo_pool** (`pool.json`)",
        "| floored | 50 |",
        "| alignment | alignment, margin | `0123abcd` |",
        "- encoder: embedded",
        "- budget: `200`",
        "pickwell select run --budget 200 --by 'a|b' > out && echo <done>",
        f"| pool.json | chosen records | `{'ff' * 32}` |",
        "## Limits",
    ):
        assert words in text
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "cc0-1.0" and data["size_categories"] == ["n<1K"]
    assert data["language"] == ["en"] and data["pretty_name"] == "200 of the demo pool"


def test_our_own_reader_opens_the_selection_by_it():
    parsed = parse_card(card(), "selection", "README.md")
    assert (parsed.format, parsed.source, parsed.columns) == ("llava", "demo_pool", {"id": "id"})


def test_without_the_optional_parts():
    text = card(metrics=(), models=None, command="", files=(), front_matter=None, pickwell=None)
    assert "## Models" not in text and "```" not in text and "SHA-256" not in text
    assert DatasetCard(text).data.to_dict()["license"] == "unknown"


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>",
        "a | b",
        "x\n---\nlicense: mit\n---",
        "`code`",
        "{{ 7 * 7 }}",
        "é",
    ],
)
def test_quoted_text_stays_text(nasty):
    text = card(
        title=nasty,
        source={"name": nasty, "how": nasty},
        parameters={nasty: nasty},
        metrics=[{"name": nasty, "key": nasty, "columns": [nasty]}],
    )
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "cc0-1.0" and data["pretty_name"] == nasty
    body = text.split("---\n# ", 1)[1]
    assert "<script>" not in body and "49" not in body.replace("3456", "")
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {3, 4}


def test_a_fence_cannot_be_closed_from_inside():
    assert card(command="x\n```\n# Heading").count("```") == 2


def test_size_category():
    counts = (999, 1000, 99_999, 100_000, 5_000_000)
    names = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"]
    assert [size_category(count) for count in counts] == names
