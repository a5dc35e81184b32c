"""The data card of a pushed selection: the selection's own, without local folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_cards.cards import split_front_matter
from data_cards.errors import BadInputError
from pickwell.local_paths import without_local_paths
from pickwell.push_records import RECORDS, TABLE

_LOADING = """
## In this repository
| path | what |
|---|---|
{rows}

```python
from datasets import load_dataset

data = load_dataset("{id}", {revision}split="train")
```
"""
_WHAT = {
    TABLE: "the chosen samples, images inside: what `load_dataset` opens",
    f"{RECORDS}/": "the same records, byte for byte in the format that they came in",
    "selection.parquet": "every sample that was looked at: stage, rank, quality, cluster, reason",
    "manifest.json": "versions, parameters, hashes",
}


def front_matter_of(folder: Path) -> dict[str, Any]:
    """Front matter of a selection's card.

    Raises:
        BadInputError: There is no card, or it has none.
    """
    return _parts(folder / "README.md")[0]


def pushed_card(
    folder: Path, id: str, paths: Iterable[str], known: Iterable[str], revision: str | None = None
) -> str:
    """The card of the repository.

    Args:
        folder: The selection folder.
        id: ``owner/name`` of the repository.
        paths: What it holds.
        known: Local paths that are not to be shown.
        revision: Branch that it is pushed to.
    """
    import yaml

    front, body = _parts(folder / "README.md")
    front["pretty_name"] = without_local_paths(str(front.get("pretty_name") or id), known)
    front["configs"] = [
        {"config_name": "default", "data_files": [{"split": "train", "path": TABLE}]}
    ]
    held = list(paths)
    rows = [
        f"| `{path}` | {what} |"
        for path, what in _WHAT.items()
        if any(name.startswith(path) for name in held)
    ]
    where = f'revision="{revision}", ' if revision else ""
    dumped = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    body = without_local_paths(body, known).rstrip()
    loading = _LOADING.format(rows="\n".join(rows), id=id, revision=where)
    return f"---\n{dumped}---\n{body}\n{loading}"


def _parts(path: Path) -> tuple[dict[str, Any], str]:
    import yaml

    try:
        text, body = split_front_matter(path.read_text("utf-8"))
        front = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        front = None
    if not isinstance(front, Mapping):
        raise BadInputError(
            f"{path} is missing, or is no data card.", "Select again with `pickwell select`."
        )
    return dict(front), body
