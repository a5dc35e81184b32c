"""How plots look, and how they become SVG that is the same every time."""

from __future__ import annotations

import io
from typing import Any

COLOURS = ("#0b7a5e", "#868c95", "#6a45b8", "#b3322d", "#8f5a00", "#2166ac", "#d6604d", "#4d9221")
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "pickwell",  # the same names inside the file every time
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#868c95",
    "axes.labelcolor": "#454a52",
    "xtick.color": "#5f646d",
    "ytick.color": "#454a52",
    "text.color": "#17191c",
    "figure.facecolor": "white",
}


def svg(figure: Any) -> str:
    """A matplotlib figure as an SVG document, without date and machine."""
    with io.StringIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "pickwell"})
        return file.getvalue()
