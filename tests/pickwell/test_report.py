"""The report's file: complete or not there, self-contained, and nothing in it can break out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickwell.report import comparison
from pickwell.report.build import _waterfall, write_report
from pickwell.report.data import Comparison, ReportData, ReportRows
from pickwell.report.pack import THUMBNAILS_PER_BLOCK, pack_rows, scalar, script_json, strings
from pickwell.report.pages import clean, number

PAYLOADS = [
    "</script><script>window.owned=1</script>",
    "<!--<script>",
    "]]><img src=x onerror=window.owned=1>",
    "\"'><svg onload=window.owned=1>",
    "a\u2028b\u2029c",
    "null\x00byte \x1b[31m \ud800 lone",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:window.owned=1",
    "&lt;b&gt; & &amp;",
]


def rows(n: int = 6, **changes: Any) -> ReportRows:
    stages = ["chosen", "chosen", "not chosen", "duplicate", "floored", "failed"]
    columns: dict[str, Any] = {
        "id": [f"r{i}" for i in range(n)],
        "source": ["a", "b"] * (n // 2),
        "stage": [stages[i % 6] for i in range(n)],
        "rank": [i + 1 if i % 6 < 2 else None for i in range(n)],
        "quality": [1 - i / 10 for i in range(n)],
        "cluster": np.arange(n) % 2,
        "reason": ["because"] * n,
        "rival": [None, None, "r0", "r1", None, "elsewhere"] * (n // 6),
        "similarity": [None, None, 0.9, 0.99, None, float("nan")] * (n // 6),
        "instruction": ["What is it?"] * n,
        "response": [f"answer {i}" for i in range(n)],
        "note": [None] * n,
        "thumbnail": [b"one", b"two", b"one", None, b"", b"three"] * (n // 6),
        "values": {"alignment": np.linspace(0, 1, n), "language": ["en", None, "de"] * (n // 3)},
    }
    return ReportRows(**(columns | changes))


def report(**changes: Any) -> ReportData:
    data = ReportData(
        title="Pool",
        created="today",
        command="pickwell select pool.json --budget 2",
        versions={"pickwell": "0"},
        facts=[("Budget", "2")],
        funnel=[
            ("read", 6, "all"),
            ("failed", 1, ""),
            ("floored", 1, ""),
            ("duplicate", 1, ""),
            ("not chosen", 1, ""),
            ("chosen", 2, ""),
        ],
        rows=rows(),
    )
    return replace(data, **changes)


class Page(HTMLParser):
    """Start tags with their attributes, and the text inside every script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open == "script":
            self.scripts[-1] += data
        elif self.open != "style":
            self.text += data


def written(data: ReportData, folder: Path) -> tuple[str, Page]:
    text = write_report(data, folder / "report.html").read_text("utf-8")
    return text, Page(text)


def poisoned(payload: str) -> ReportData:
    """The payload in every place where a string can stand."""
    n = 6
    poison = [payload] * n
    table: Comparison = {
        "name": payload,
        "chosen": 1.0,
        "random_mean": 2.0,
        "random_low": 1.5,
        "random_high": 3.0,
        "seeds": 5,
        "direction": "lower",
        "note": payload,
    }
    bad_rows = rows(
        id=[f"{payload}{i}" for i in range(n)],
        source=poison,
        reason=poison,
        rival=[None] * 5 + [payload],
        instruction=poison,
        response=poison,
        note=poison,
        image=poison,
        values={payload: poison, payload + "2": [1.0] * n},
    )
    return ReportData(
        title=payload,
        created=payload,
        command=payload,
        versions={payload: payload},
        facts=[(payload, payload)],
        funnel=[("read", 6, payload), (payload, 4, payload), ("chosen", 2, payload)],
        rows=bad_rows,
        metrics=[
            {
                "name": payload,
                "description": payload,
                "direction": "higher",
                "range": payload,
                "formula": payload,
                "source": payload,
            }
        ],
        baseline=[table],
        truth=[table],
        floors=[payload],
        quotas=[{"cluster": 0, "size": 3, "places": 1, "taken": 1, "label": payload}],
        limits=[payload],
        chapters=[
            {
                "title": payload,
                "text": [payload],
                "head": [payload, payload],
                "rows": [[payload, payload]],
            }
        ],
    )


def test_every_field_of_the_data_is_poisoned_by_the_helper() -> None:
    untouched = {"dropped_thumbnails"}
    data = poisoned("PAYLOAD")
    for field in fields(ReportData):
        if field.name not in untouched:
            assert "PAYLOAD" in repr(getattr(data, field.name)), field.name


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_adds_no_element_and_survives_as_text(payload: str, tmp_path: Path) -> None:
    text, page = written(poisoned(payload), tmp_path)
    _, harmless = written(poisoned("harmless"), tmp_path)
    # The command is split at spaces for wrapping; all other elements are the same.
    tags = [tag for tag, attributes in page.tags if attributes.get("class") != "token"]
    assert tags == [tag for tag, attributes in harmless.tags if attributes.get("class") != "token"]
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
    data = json.loads(page.scripts[0])
    assert data["rows"]["response"]["d"] == [payload]
    assert data["rows"]["id"][3] == f"{payload}3"
    assert clean(payload) in page.text
    assert "\x00" not in text
    assert "\u2028" not in page.scripts[0]


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text, page = written(report(), tmp_path)
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        href = attributes.get("href")
        assert href is None or href.startswith(("#", "data:,")), href
    assert "@import" not in text
    assert "url(" not in text
    addresses = set(re.findall(r"https?://[^\s\"'<>`]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a namespace, not a resource


def test_the_policy_names_this_script_and_no_other(tmp_path: Path) -> None:
    _, page = written(report(), tmp_path)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    script = page.scripts[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    for phrase in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert phrase not in script


def test_counts_stand_in_the_sentence_and_the_funnel(tmp_path: Path) -> None:
    funnel = [("read", 3612, ""), ("failed", 12, ""), ("not chosen", 3400, ""), ("chosen", 200, "")]
    _, page = written(report(funnel=funnel), tmp_path)
    words = " ".join(page.text.split())
    assert "200 of 3,612 chosen" in words
    assert re.search(r"3,400\s*94\.1 %", words)
    assert "This page holds 6 of the 3,612 rows that were read." in words


def test_a_page_without_optional_parts(tmp_path: Path) -> None:
    empty = rows(0, cluster=[], values={})
    text, page = written(report(rows=empty, funnel=[("read", 0, "")], facts=[]), tmp_path)
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert "gallery" in ids
    assert not ids & {"random", "map", "limits"}
    assert text.rstrip().endswith("</html>")


def test_the_file_is_replaced_whole_or_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert write_report(report(), path) == path
    before = path.read_bytes()
    broken = report(rows=rows(values={"bad": [object()] * 6}))
    with pytest.raises(TypeError):
        write_report(broken, path)
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        write_report(report(), tmp_path / "none" / "report.html")
    assert [child.name for child in tmp_path.iterdir()] == ["report.html"]


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_report(report(), tmp_path / "a.html").read_bytes()
    assert first == write_report(report(), tmp_path / "b.html").read_bytes()


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="'note' has 2 values for 6 rows"):
        rows(note=[None, None])
    with pytest.raises(ValueError, match="'alignment' has 1"):
        rows(values={"alignment": [1.0]})
    with pytest.raises(ValueError, match="both x and y"):
        rows(x=[0.5] * 6)


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_script_json_is_json_that_cannot_leave_its_script(value: Any) -> None:
    text = script_json({"value": value, "more": "</script><!--"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text)["value"] == value


@given(st.lists(st.none() | st.text()))
def test_a_packed_text_column_gives_its_values_back(column: list[str | None]) -> None:
    packed = strings(column)
    assert [packed["d"][i] if i >= 0 else None for i in packed["i"]] == column
    assert len(set(packed["d"])) == len(packed["d"])


@given(st.floats() | st.integers())
def test_a_packed_number_is_near_or_missing(value: float) -> None:
    cell = scalar(value)
    if not np.isfinite(value) if isinstance(value, float) else False:
        assert cell is None
    else:
        assert cell == pytest.approx(value, rel=1e-5)


def test_thumbnails_are_stored_once_and_found_again() -> None:
    n = 6 * 60
    images = [bytes([i % 256, i // 256, 7]) for i in range(200)]
    column = [images[i % 200] for i in range(n)]
    columns, blocks = pack_rows(rows(n, thumbnail=column))
    assert [len(block) for block in blocks] == [THUMBNAILS_PER_BLOCK, 200 - THUMBNAILS_PER_BLOCK]
    for place, data in zip(columns["thumbnail"], column, strict=True):
        block, index = divmod(place, THUMBNAILS_PER_BLOCK)
        assert base64.b64decode(blocks[block][index]) == data
    assert pack_rows(rows())[0]["thumbnail"] == [0, 1, 0, -1, -1, 2]


def test_rivals_are_rows_and_those_not_on_the_page_are_still_named() -> None:
    columns, _ = pack_rows(rows())
    assert columns["rival"] == [-1, -1, 0, 1, -1, -1]
    assert columns["rival_name"] == {5: "elsewhere"}
    assert columns["similarity"] == [None, None, 0.9, 0.99, None, None]


def test_flags_are_known_as_such() -> None:
    columns, _ = pack_rows(rows(values={"f": [True, False, None] * 2, "g": [1, 0, None] * 2}))
    assert columns["flags"] == ["f"]
    assert columns["values"]["f"] == columns["values"]["g"] == [1, 0, None, 1, 0, None]


def versus(chosen: float | None, low: float, high: float, direction: Any) -> Comparison:
    middle = (low + high) / 2
    return Comparison(
        name="m",
        chosen=chosen,
        random_mean=middle,
        random_low=low,
        random_high=high,
        seeds=9,
        direction=direction,
    )


@pytest.mark.parametrize(
    ("chosen", "direction", "answer"),
    [
        (5.0, "higher", "better"),
        (5.0, "lower", "worse"),
        (0.0, "lower", "better"),
        (0.0, "higher", "worse"),
        (2.0, "higher", "same"),
        (3.0, "higher", "same"),
        (2.0, "none", "alike"),
        (5.0, "none", "differs"),
        (None, "higher", "unknown"),
        (float("nan"), "higher", "unknown"),
    ],
)
def test_verdict_by_hand(chosen: float | None, direction: str, answer: str) -> None:
    assert comparison.verdict(versus(chosen, 1.0, 3.0, direction)) == answer


def test_what_is_the_same_in_every_row_is_not_judged() -> None:
    row = versus(1.0, 1.0, 1.0, "higher") | {"constant": True}
    assert comparison.verdict(row) == "constant"
    assert comparison.draw([row])[0].words == "Same in every row"
    assert comparison.summary([row]) == ""


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 9))
def test_turning_the_axis_round_keeps_the_verdict(chosen: float, low: float, width: float) -> None:
    high = low + width
    one = comparison.verdict(versus(chosen, low, high, "higher"))
    assert one == comparison.verdict(versus(-chosen, -high, -low, "lower"))


def test_places_on_the_line_and_the_sentence() -> None:
    own = comparison.draw([versus(10.0, 0.0, 5.0, "higher")])[0]
    assert own.low == pytest.approx(100 * 1.2 / 12.4, abs=0.01)
    assert own.chosen == pytest.approx(100 * 11.2 / 12.4, abs=0.01)
    shared = comparison.draw(
        [versus(0.0, 10.0, 20.0, "lower"), versus(1.0, 0.0, 2.0, "lower")], from_zero=True
    )
    assert [line.chosen for line in shared] == [0.0, pytest.approx(100 / 20.8, abs=0.01)]
    assert shared[0].high == pytest.approx(10 * shared[1].high, abs=0.01)
    better, same = versus(5.0, 1.0, 3.0, "higher"), versus(2.0, 1.0, 3.0, "higher")
    worse, neither = versus(0.0, 1.0, 3.0, "higher"), versus(5.0, 1.0, 3.0, "none")
    assert comparison.summary([better, better]) == "Better than random on all 2 measures."
    assert comparison.summary([better, same, worse, neither]) == (
        "Better than random on 1 of 3 measures. No better on m. Worse on m."
    )
    assert comparison.summary([same]).startswith("Better than random on none of the measures.")
    assert comparison.summary([neither]) == ""
    assert comparison.summary([same] * 7).endswith("No better on m, m, m, m and 3 others.")


def test_each_step_of_the_funnel_begins_where_the_next_one_ends() -> None:
    steps = _waterfall(report())
    assert [step["width"] for step in steps] == pytest.approx(
        [100, *[100 / 6] * 4, 200 / 6], abs=0.01
    )
    for before, after in pairwise(steps[1:]):
        assert after["start"] + after["width"] == pytest.approx(before["start"], abs=0.01)
    assert steps[-1]["start"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3612, "3,612"),
        (1234567.8, "1,234,568"),
        (0, "0"),
        (-0.5, "−0.500"),
        (0.0123, "0.012"),
        (0.00123, "0.0012"),
        (0.000012, "1.2e−05"),
        (41.3, "41.3"),
        (512.34, "512.3"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (np.int64(12000), "12,000"),
    ],
)
def test_numbers_as_people_read_them(value: Any, shown: str) -> None:
    assert number(value) == shown
