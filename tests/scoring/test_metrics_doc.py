from pathlib import Path

from scoring.metric import registry
from scoring.metrics_doc import render

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_committed_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m scoring.metrics_doc > docs/metrics.md"
    )


def test_every_column_is_declared_once_and_on_the_page():
    page = render()
    names = [c.name for factory in registry().values() for c in factory.spec.columns]
    assert len(names) == len(set(names))
    assert all(f"| `{name}` |" in page for name in names)


def test_no_table_row_is_broken():
    tables = [line for line in render().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {4, 6}
