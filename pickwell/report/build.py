"""The report as one file that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pickwell.report import comparison
from pickwell.report.data import ReportData
from pickwell.report.pack import THUMBNAILS_PER_BLOCK, pack_rows, scalar, script_json
from pickwell.report.pages import HERE, style, template

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
    return template("template.html").generate(
        data=data,
        style=style(_STYLES),
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
    parts = [(HERE / name).read_text("utf-8") for name in _SCRIPTS]
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
