"""The report in a real browser: it opens, filters, sorts, searches, and stays by itself."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from pickwell.report.build import write_report
from pickwell.report.data import ReportData, ReportRows

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAYLOADS = [
    "</script><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<!--<script>window.owned=1</script>",
    "\"'><svg onload=window.owned=1>",
    "line\u2028separator\x00null",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on the path")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file; afterwards nothing may have been fetched, and nothing complained."""
    seen: list[tuple[str, str]] = []
    pages: list[Any] = []
    opened: list[str] = []

    def go(path: Path, anchor: str = "", **options: Any) -> Any:
        context = browser.new_context(reduced_motion="reduce", accept_downloads=True, **options)
        page = context.new_page()
        page.on("request", lambda request: seen.append(("request", request.url)))
        page.on("console", lambda message: seen.append((message.type, message.text)))
        page.on("pageerror", lambda error: seen.append(("error", str(error))))
        opened.append(path.as_uri())
        page.goto(path.as_uri() + anchor)
        page.wait_for_selector("html[data-ready]")
        pages.append(page)
        return page

    yield go
    for page in pages:
        assert page.evaluate("window.owned") is None
        page.context.close()
    requests = {url.split("#")[0] for kind, url in seen if kind == "request"}
    own = {url for url in requests if not url.startswith(("data:", "blob:"))}
    assert own <= set(opened)
    assert [entry for entry in seen if entry[0] != "request"] == []


def picture(colour: tuple[int, int, int]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (96, 72), colour).save(file, "WEBP")
    return file.getvalue()


def pool(n: int = 120, padding: int = 0) -> ReportData:
    """n rows: 20 % chosen, 10 % each failed, floored and duplicate; known scores and words."""
    stage = np.array(
        ["chosen", "not chosen", "failed", "chosen", "not chosen"] + ["not chosen"] * 3
        + ["floored", "duplicate"],
        dtype=object,
    )[np.arange(n) % 10]  # fmt: skip
    ids = [f"row-{i:05d}" for i in range(n)]
    chosen = np.flatnonzero(stage == "chosen")
    rank = dict(zip(chosen.tolist(), range(1, n), strict=False))
    picture_of = [picture((40 * k, 200 - 30 * k, 90)) for k in range(5)]
    # Decoders stop at the end of the image, so that padding makes distinct files cheaply.
    tails = [i.to_bytes(4, "little") * (padding // 4) for i in range(n)]
    words = ["red apple", "blue boat", "green tree", "old house", "small <b>cat</b>"]
    failed = stage == "failed"
    value = np.arange(n) / n
    rng = np.random.default_rng(0)
    return ReportData(
        title="A pool for the test",
        created="today",
        command="pickwell select pool.json --budget 24",
        versions={"pickwell": "0"},
        facts=[("Budget", "24")],
        funnel=[("read", n, "")] + [(s, int(np.sum(stage == s)), "") for s in
                ("failed", "floored", "duplicate", "not chosen", "chosen")],
        rows=ReportRows(
            id=ids,
            source=["first" if i % 3 else "second" for i in range(n)],
            stage=stage,
            rank=[rank.get(i) for i in range(n)],
            quality=np.where(failed, np.nan, 1 - value),
            cluster=[None if failed[i] else i % 4 for i in range(n)],
            reason=[f"reason {i}" for i in range(n)],
            rival=[ids[0] if s in ("not chosen", "duplicate") else None for s in stage],
            similarity=[0.9 if s in ("not chosen", "duplicate") else None for s in stage],
            instruction=["What is this?"] * n,
            response=[f"A {words[i % 5]}, number {i}. " + "More words. " * 20 for i in range(n)],
            note=["image truncated" if f else None for f in failed],
            thumbnail=[
                None if failed[i] or i % 7 == 6 else picture_of[i % 5] + tails[i] for i in range(n)
            ],
            values={
                "alignment": np.where(failed, np.nan, value),
                "words": np.arange(n) % 17,
                "blank": [bool(i % 9 == 0) for i in range(n)],
                "language": ["en" if i % 4 else "de" for i in range(n)],
                **{f"noise_{k}": rng.normal(size=n) for k in range(12 if padding else 1)},
            },
            x=np.where(failed, np.nan, rng.random(n)),
            y=np.where(failed, np.nan, rng.random(n)),
        ),
        metrics=[
            {"name": "alignment", "description": "cosine", "direction": "higher"},
            {"name": "words", "description": "count", "direction": "lower"},
        ],
        quotas=[
            {"cluster": k, "size": n // 4, "places": 6, "taken": 6, "label": ids[k]}
            for k in range(4)
        ],
        limits=["None that matter here."],
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(pool(), tmp_path_factory.mktemp("report") / "report.html")


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
    page.wait_for_function("!document.getElementById('detail').open && !location.hash")
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
def test_a_payload_is_shown_and_never_run(visit: Any, tmp_path: Path, payload: str) -> None:
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


def test_ten_thousand_rows_are_quick(visit: Any, tmp_path: Path) -> None:
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
    page.wait_for_function("document.querySelector('#detail .d-left img').naturalWidth === 96")
