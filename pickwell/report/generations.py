"""What the models said about some images, for the page of an evaluation."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadRowError

if TYPE_CHECKING:
    from data_cards.sample import ImageRef, Turn
    from finetune.evaluate.result import Evaluation

_SIDE = 320


def sample_generations(
    result: Evaluation,
    images: Mapping[str, Sequence[ImageRef]],
    turns: Mapping[str, Sequence[Turn]],
) -> list[dict[str, Any]]:
    """The sample generations, the baseline's answer above the model's."""
    rows = {row["id"]: row for row in result.per_sample.to_pylist() if row["id"] in turns}
    others: dict[str, dict[str, Any]] = {}
    if result.baseline_per_sample is not None:
        others = {row["id"]: row for row in result.baseline_per_sample.to_pylist()}
    label = result.manifest["models"]["baseline"]
    made = []
    for id_, row in rows.items():
        if row["generated"] is None:
            continue
        said = [_said(result.model, row)]
        if label and others.get(id_, {}).get("generated") is not None:
            said.insert(0, _said(label["spec"], others[id_]))
        made.append(
            {
                "id": id_,
                "source": row["source"],
                "image": _thumbnail(images.get(id_, ())),
                "question": _question(turns[id_]),
                "reference": row["reference"],
                "said": said,
            }
        )
    return made


def _said(label: str, row: Mapping[str, Any]) -> dict[str, Any]:
    hit = "exact" if row["exact"] else "contains it" if row["contained"] else ""
    return {"label": label, "text": row["generated"], "finished": row["finished"], "hit": hit}


def _question(turns: Sequence[Turn]) -> str:
    """What stands before the first answer."""
    asked = []
    for turn in turns:
        if turn.role == "assistant":
            break
        asked.append(turn.text)
    return "\n".join(asked).strip()


def _thumbnail(images: Sequence[ImageRef]) -> str | None:
    """The first image, small, as a data address."""
    from PIL import Image

    from data_cards.images import decode, read_bytes

    if not images:
        return None
    try:
        image, _ = decode(read_bytes(images[0]), images[0].name, target=(_SIDE, _SIDE))
    except BadRowError:
        return None
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=78, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
