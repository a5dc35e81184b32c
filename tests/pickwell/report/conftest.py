"""A real browser, and a pool whose scores and words are known, for the tests of the page."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pickwell.report.build import write_report
from pickwell.report.data import ReportData, ReportRows

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
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


def build_pool(n: int = 120, padding: int = 0) -> ReportData:
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


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(build_pool(), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="session")
def pool() -> Callable[..., ReportData]:
    return build_pool
