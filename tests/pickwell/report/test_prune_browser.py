"""The galleries of a pruned corpus in a real browser: pictures of any shape are whole."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from pickwell.prune_page import _STYLES
from pickwell.report.pages import style

pytestmark = pytest.mark.browser

OUTSIDE = """() => [...document.querySelectorAll("img")].map((image) => {
  const inner = image.getBoundingClientRect(), frame = image.parentElement.getBoundingClientRect();
  return inner.left < frame.left || inner.top < frame.top || inner.right > frame.right
    || inner.bottom > frame.bottom || getComputedStyle(image).objectFit !== "contain";
})"""


def frame(size: tuple[int, int]) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 40, 90)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return (
        '<div class="tile"><div class="frame"><img src="data:image/png;base64,'
        f'{data}"></div><p>id</p></div>'
    )


@pytest.mark.parametrize("where", ["tiles", "two"])
def test_pictures_of_any_shape_lie_inside_their_frames(browser: Any, where: str) -> None:
    page = browser.new_page(viewport={"width": 900, "height": 700})
    tiles = "".join(frame(size) for size in ((40, 160), (160, 40), (160, 160), (3, 4)))
    page.set_content(f'<style>{style(_STYLES)}</style><div class="{where}">{tiles}</div>')
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate(OUTSIDE) == [False] * 4
    sizes = "[...document.querySelectorAll('.frame')].map(f => [f.clientWidth, f.clientHeight])"
    assert all(wide == high for wide, high in page.evaluate(sizes))
    page.close()
