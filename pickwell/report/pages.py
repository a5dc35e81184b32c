"""What all pages share: templates of this folder, text made safe, styles in one string."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Characters that HTML text may not hold; shown as the replacement character, never dropped.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def template(name: str) -> Any:
    """A template; whatever it prints is escaped, and text from data is cleaned before."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "clean": clean}
    environment.finalize = lambda value: clean(value) if type(value) is str else value
    return environment.get_template(name)


def style(names: Sequence[str]) -> str:
    """Style sheets of this folder, one after the other."""
    return "\n".join((HERE / name).read_text("utf-8") for name in names)


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
