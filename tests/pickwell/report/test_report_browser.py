"""The report in a real browser: it filters, sorts, searches, opens rows and exports them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.pickwell.report.waiting import eventually

pytestmark = pytest.mark.browser


def tab(page: Any, stage: str) -> int:
    return int(page.inner_text(f'#tabs [data-stage="{stage}"] span').replace(",", ""))


def ids(page: Any) -> list[str]:
    return page.eval_on_selector_all(".card", "cards => cards.map(card => card.dataset.id)")


def test_tabs_count_the_stages_and_show_their_rows(visit: Any, report: Path) -> None:
    page = visit(report)
    counts = {"all": 120, "chosen": 24, "not chosen": 60, "duplicate": 12, "floored": 12}
    assert {stage: tab(page, stage) for stage in counts} == counts
    assert page.inner_text("#count") == "24 chosen"
    assert ids(page)[:3] == ["row-00000", "row-00003", "row-00010"]  # by rank
    page.click('#tabs [data-stage="failed"]')
    assert len(ids(page)) == 12
    assert "image truncated" in page.inner_text(".card >> nth=0")
    page.click('.funnel [data-stage="duplicate"] button')
    assert page.inner_text("#count") == "12 duplicate"


def test_search_source_cluster_and_range_filter_together(visit: Any, report: Path) -> None:
    page = visit(report)
    page.keyboard.press("/")
    page.keyboard.type("APPLE")
    assert tab(page, "all") == 24  # every fifth row
    assert page.inner_text("#count") == "12 of 24 chosen"
    page.fill("#search", "<b>cat</b>")
    assert tab(page, "all") == 24
    page.fill("#search", "row-00042")
    assert tab(page, "all") == 1
    page.fill("#search", "")
    page.select_option("#source", label="second (40)")
    assert tab(page, "all") == 40
    page.select_option("#cluster", "0")
    assert tab(page, "all") == 8  # rows 0, 12, ..., 108, without 12 and 72, which failed
    page.click("#range summary")
    page.fill("#range-from", "0.5")
    page.click("#range-form button")
    assert tab(page, "all") == 4  # rows 60, 84, 96, 108
    page.click("text=Clear all")
    assert tab(page, "all") == 120
    page.fill("#search", "no such words")
    assert "No row matches" in page.inner_text("#cards")
    page.click("text=Clear the filters")
    assert tab(page, "all") == 120


def test_sorting_puts_missing_values_last_both_ways(visit: Any, report: Path) -> None:
    page = visit(report)
    page.click('#tabs [data-stage="all"]')
    page.select_option("#sort", label="alignment")
    assert ids(page)[:2] == ["row-00119", "row-00118"]
    page.click("#direction")
    assert ids(page)[:3] == ["row-00000", "row-00001", "row-00003"]  # row 2 failed
    page.fill("#pager input", "5")
    page.keyboard.press("Enter")
    assert ids(page)[-1] == "row-00112"  # a failed row, without a value
    page.select_option("#sort", "quality")
    assert ids(page)[0] == "row-00000"


def test_a_range_is_dragged_over_a_histogram(visit: Any, report: Path) -> None:
    page = visit(report)
    box = page.locator('.histogram[data-metric="alignment"] .plot-box')
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 0.51 * place["width"], middle)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 1, middle, steps=4)
    page.mouse.up()
    # Half of the bars, and failed rows have no value.
    kept = tab(page, "all")
    assert 50 <= kept <= 58
    assert "alignment from" in page.inner_text("#chips")
    assert page.locator('.histogram[data-metric="alignment"] .kept').is_visible()


def test_detail_goes_on_by_keyboard_and_has_an_address(visit: Any, report: Path) -> None:
    page = visit(report)
    page.click(".card .open >> nth=0")
    assert page.inner_text("#detail-title") == "row-00000"
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#detail-title") == "row-00003"
    assert page.evaluate("location.hash") == "#id=row-00003"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # already the first
    assert page.inner_text("#detail-title") == "row-00000"
    page.keyboard.press("Escape")
    eventually(page, "!document.getElementById('detail').open && !location.hash")
    linked = visit(report, "#id=row-00001")
    assert linked.inner_text("#detail-title") == "row-00001"
    assert "0.900" in linked.inner_text("#detail h3 >> nth=2")
    linked.click("#detail .winner")  # the chosen row that beat it
    assert linked.inner_text("#detail-title") == "row-00000"


def test_map_and_clusters(visit: Any, report: Path) -> None:
    page = visit(report)
    canvas = page.locator("#map-canvas")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    coloured = (
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].some(Boolean)"
    )
    assert canvas.evaluate(coloured)
    before = canvas.evaluate("c => c.toDataURL()")
    page.click("#by-cluster")
    page.wait_for_timeout(100)
    assert canvas.evaluate("c => c.toDataURL()") != before
    page.click("#clusters button >> nth=0")
    assert tab(page, "all") == 24  # cluster 0: rows 0, 4, 8, ... without the failed
    assert page.get_attribute("#clusters button >> nth=0", "aria-pressed") == "true"
    place = canvas.bounding_box()
    shown = False
    for step in range(40):
        page.mouse.move(place["x"] + 20 + 15 * step, place["y"] + place["height"] / 2)
        shown = shown or page.locator("#tip").is_visible()
    assert shown


def test_the_filtered_rows_are_exported(visit: Any, report: Path) -> None:
    page = visit(report)
    page.fill("#search", "boat")
    page.click('#tabs [data-stage="all"]')
    with page.expect_download() as waiting:
        page.click("#csv")
    text = Path(waiting.value.path()).read_text("utf-8")
    table = list(csv.DictReader(io.StringIO(text)))
    assert len(table) == 24
    assert {row["id"] for row in table} == {f"row-{i:05d}" for i in range(1, 120, 5)}
    assert table[0]["reason"].startswith("reason ")
