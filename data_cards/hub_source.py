"""A source whose records lie on the hub: one file of it, and where its images are."""

from __future__ import annotations

import difflib
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from data_cards.hub import HubData, parse_name, told
from data_cards.hub_images import HubImages, find_folder
from data_cards.readers.base import format_named

if TYPE_CHECKING:
    from data_cards.source import Source

_PROBED = 32
"""Image names that are tried, or records with images that are looked at for them."""
_RECORDS = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
_READ = 4000
"""Records that are read for that: many sets begin with text only."""


def in_repository(source: Source, hub: HubData) -> tuple[Source, str | None]:
    """The source with its images looked for in its own repository, and in which folder."""
    names = _image_names(source)
    home = parse_name(source.given).file or ""
    folders = [source.card.images] if source.card and source.card.images else []
    folders += ["", "images", "image"]
    if "/" in home:
        folders += [f"{home.rpartition('/')[0]}/{folder}".rstrip("/") for folder in folders]
    folder = find_folder(hub, names, folders) if names else None
    return replace(source, hub_images=HubImages(hub.id, hub.commit, folder)), folder


def _image_names(source: Source) -> list[str]:
    """Names of the first images that are neither at hand nor addresses."""
    names: list[str] = []
    shown = 0
    try:
        for sample in islice(format_named(source.format).read(source), _READ):
            names += [ref.name for ref in sample.images if ref.error and "://" not in ref.name]
            shown += bool(sample.images)
            if max(shown, len(names)) >= _PROBED:  # images at hand may be large: no more of them
                break
    except BadInputError:
        pass  # said in full when the samples are read
    return names


def record_files(hub: HubData) -> list[str]:
    """Files of a data repository that could hold records, by name."""
    from huggingface_hub import HfApi

    with told(hub.id, hub.asked):
        files = HfApi().list_repo_files(hub.id, revision=hub.commit, repo_type="dataset")
    return sorted(file for file in files if file.endswith(_RECORDS))


def hub_file(hub: HubData, file: str) -> Path:
    """Download one file of a data repository, unless it is there.

    Raises:
        BadInputError: It is not there, or cannot be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with told(hub.id, hub.asked):
        try:
            return Path(hf_hub_download(hub.id, file, repo_type="dataset", revision=hub.commit))
        except RemoteEntryNotFoundError as error:
            near = difflib.get_close_matches(file, record_files(hub), 1, 0.5)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise BadInputError(
                f"the data set {hub.id} has no file {file!r}",
                f"{guess}Its files are listed on {hub.url}.",
            ) from error
