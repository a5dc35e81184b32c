"""The report as one file that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pickwell.report import comparison
from pickwell.report.data import ReportData
from pickwell.report.pack import THUMBNAILS_PER_BLOCK, pack_rows, scalar, script_json

_HERE = Path(__file__).parent
_STYLES = ("style.css", "charts.css", "gallery.css")
_SCRIPTS = (
    "data.js",
    "charts.js",
    "map.js",
    "clusters.js",
    "filter.js",
    "cards.js",
    "gallery.js",
    "export.js",
    "detail.js",
    "report.js",
)
# Characters that HTML text may not hold; shown as the replacement character, never dropped.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page; it is complete or not there at all.

    Args:
        data: What to draw.
        path: The HTML file; its folder must exist. A file already there is replaced.

    Returns:
        ``path``.

    Raises:
        OSError: If the file cannot be written (no space, no such folder); nothing is left behind.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for chunk in _render(data):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _render(data: ReportData) -> Iterator[str]:
    """The page in pieces (some tens of megabytes of images are never joined into one string)."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "clean": clean}
    environment.finalize = lambda value: clean(value) if type(value) is str else value
    template = environment.from_string((_HERE / "template.html").read_text("utf-8"))
    columns, blocks = pack_rows(data.rows)
    page = {
        "rows": columns,
        "metrics": [
            {"name": note["name"], "direction": note["direction"], "about": note["description"]}
            for note in data.metrics
        ],
        "quotas": [{key: scalar(value) for key, value in quota.items()} for quota in data.quotas],
        "per_block": THUMBNAILS_PER_BLOCK,
    }
    script = _script()
    counts = {stage: count for stage, count, _ in data.funnel}
    return template.generate(
        data=data,
        style="\n".join((_HERE / name).read_text("utf-8") for name in _STYLES),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        page=script_json(page),
        blocks=(script_json(block) for block in blocks),
        chosen=counts.get("chosen", 0),
        read=counts.get("read", len(data.rows)),
        steps=_waterfall(data),
        baseline=comparison.draw(data.baseline),
        truth=comparison.draw(data.truth or (), from_zero=True),
        summary=comparison.summary(data.baseline),
        has_map=data.rows.x is not None and any(scalar(x) is not None for x in data.rows.x),
    )


def _script() -> str:
    """All scripts as one, in a scope of its own."""
    parts = [(_HERE / name).read_text("utf-8") for name in _SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _waterfall(data: ReportData) -> list[dict[str, Any]]:
    """Funnel rows with their bar's left edge and width, in percent of all rows read.

    Each stage takes its rows from the right end of what the stage before it left, so that the
    last stage (chosen) begins at zero.
    """
    total = max(1, data.funnel[0][1] if data.funnel else 1)
    left = float(total)
    steps = []
    for index, (stage, count, explanation) in enumerate(data.funnel):
        start = 0.0 if index == 0 else max(0.0, left - count)
        left = left if index == 0 else start
        steps.append(
            {
                "stage": stage,
                "count": count,
                "explanation": explanation,
                "start": round(100 * start / total, 3),
                "width": round(100 * count / total, 3),
                "share": count / total,
            }
        )
    return steps


def number(value: Any) -> str:
    """A number as people read it: thousands separators, about three digits, a real minus."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–" if value is None or math.isnan(value) else ("∞" if value > 0 else "−∞")
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 100:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"
    elif abs(value) < 0.001:
        text = f"{value:.1e}"
    else:
        digits = 2 - math.floor(math.log10(abs(value)))
        text = f"{value:.{min(3, digits) if abs(value) >= 0.01 else 4}f}"
    return text.replace("-", "−")


def clean(text: Any) -> str:
    """Text without the characters that HTML forbids (each shown as U+FFFD)."""
    return _CONTROLS.sub("\ufffd", str(text))
