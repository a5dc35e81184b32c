"""The report in a real browser: any screen, any reader, any text, any size; it stays by itself."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pickwell.report.build import write_report
from pickwell.report.data import ReportData, ReportRows
from tests.pickwell.report.waiting import eventually

pytestmark = pytest.mark.browser

PAYLOADS = [
    "</script><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<!--<script>window.owned=1</script>",
    "\"'><svg onload=window.owned=1>",
    "line\u2028separator\x00null",
]


def tab(page: Any, stage: str) -> int:
    return int(page.inner_text(f'#tabs [data-stage="{stage}"] span').replace(",", ""))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 420])
def test_both_themes_fit_on_wide_and_narrow_screens(
    visit: Any, report: Path, tmp_path: Path, scheme: str, width: int
) -> None:
    page = visit(report, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
    assert (tmp_path / f"{scheme}-{width}.png").stat().st_size > 20_000
    page.click("#theme")
    assert page.evaluate(background) != before
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(background) != before  # the choice is kept
    page.click("#theme")
    assert page.evaluate(background) == before


# The contrast ratio of WCAG 2.1, over the background that is really behind the text.
CONTRAST = """() => {
  const rgb = (css) => { const c = new OffscreenCanvas(1, 1).getContext("2d"); c.fillStyle = css;
    c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } };
  const poor = [];
  for (const e of document.querySelectorAll("body *:not(script):not(style):not(option)")) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !e.checkVisibility() || e.matches(":disabled, :disabled *")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio]);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(visit: Any, report: Path, scheme: str) -> None:
    page = visit(report, color_scheme=scheme)
    page.click('#tabs [data-stage="all"]')
    assert page.evaluate(CONTRAST) == []
    page.click(".card .open >> nth=1")
    assert page.evaluate(CONTRAST) == []


def test_every_control_has_a_name_and_a_place_in_the_tab_order(visit: Any, report: Path) -> None:
    page = visit(report)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, a[href], input, select, summary")]
        .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
        .map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.querySelectorAll('img:not([alt])').length") == 0


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_shown_and_never_run(
    visit: Any, pool: Any, tmp_path: Path, payload: str
) -> None:
    data = pool(20)
    poison = [payload] * 20
    bad = ReportRows(
        id=[f"{i}{payload}" for i in range(20)],
        source=poison,
        stage=data.rows.stage,
        rank=data.rows.rank,
        quality=data.rows.quality,
        cluster=data.rows.cluster,
        reason=poison,
        rival=[f"0{payload}"] * 20,
        similarity=[0.5] * 20,
        instruction=poison,
        response=poison,
        note=poison,
        thumbnail=[None] * 20,
        image=poison,
        values={payload: poison},
        x=data.rows.x,
        y=data.rows.y,
    )
    path = write_report(
        ReportData(
            title=payload,
            created=payload,
            command=payload,
            versions={payload: payload},
            facts=[(payload, payload)],
            funnel=[("read", 20, payload)],
            rows=bad,
            floors=[payload],
            limits=[payload],
            quotas=[{"cluster": 0, "size": 1, "places": 1, "taken": 1, "label": f"0{payload}"}],
        ),
        tmp_path / "r.html",
    )
    page = visit(path)
    page.click('#tabs [data-stage="all"]')
    assert tab(page, "all") == 20
    page.fill("#search", payload.split("\u2028")[0])
    assert tab(page, "all") == 20
    assert page.text_content(".card .answer, .card .tile p").replace("\x00", "") != ""
    page.click(".card .open >> nth=1")
    assert page.text_content("#detail .d-text p") == payload
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(50)


def test_an_empty_pool_says_so(visit: Any, tmp_path: Path) -> None:
    empty: list[Any] = []
    nothing = ReportRows(**{name: empty for name in ReportRows.__slots__ if name not in "values"})
    data = ReportData("None", "today", "pickwell", {}, [], [("read", 0, "")], nothing)
    page = visit(write_report(data, tmp_path / "r.html"))
    assert page.inner_text("h1") == "0 of 0 chosen"
    assert page.inner_text("#count") == "0 rows"
    assert "No scores came with these rows." in page.inner_text("#scores")


def test_ten_thousand_rows_are_quick(visit: Any, pool: Any, tmp_path: Path) -> None:
    path = write_report(pool(10_000, padding=3000), tmp_path / "r.html")
    assert path.stat().st_size < 48_000_000
    ready = min(
        visit(path).evaluate("performance.getEntriesByName('pickwell-ready')[0].startTime")
        for _ in range(2)
    )
    assert ready < 3000
    page = visit(path)
    page.wait_for_load_state("load")
    page.click('#tabs [data-stage="all"]')
    assert tab(page, "all") == 10_000
    times = page.evaluate(
        """() => ["b", "bo", "boa", "boat", "boat,", "boat, n", "boat, nu"].map((query) => {
          const box = document.getElementById("search"), start = performance.now();
          box.value = query;
          box.dispatchEvent(new Event("input"));
          document.body.getBoundingClientRect(); // the layout is part of it
          return performance.now() - start;
        })"""
    )
    assert tab(page, "all") == 2000
    assert median(times) < 200
    # An image from the last block is there too.
    page.goto(path.as_uri() + "#id=row-09999")
    page.reload()
    page.wait_for_selector("#detail .d-left img[src^='data:image/webp']")
    eventually(page, "document.querySelector('#detail .d-left img').naturalWidth === 96")
