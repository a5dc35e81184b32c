"""Opening data: recognise the format, find the card, map the columns, stream the samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from data_cards.cards import Card, find_card, load_card
from data_cards.columns import (
    describe,
    normalise_mapping,
    picture_columns,
    require_image,
    require_text,
)
from data_cards.errors import BadInputError
from data_cards.hub import HubData, find_named, is_hub, parse_name, written
from data_cards.hub_images import HubImages
from data_cards.hub_source import hub_file, in_repository, record_files
from data_cards.readers.base import DESCRIBE, format_named
from data_cards.readers.hf import is_saved
from data_cards.readers.minigpt4 import INSTRUCTION
from data_cards.recognising import choose_format, not_there
from data_cards.sample import Sample
from data_cards.seen_ids import SeenIds

_PROBED = 32
"""Records with images that show where these lie."""
_READ = 4000
"""Records that are read for that: many sets begin with text only."""


@dataclass(frozen=True)
class Source:
    """Data that was recognised and can be streamed any number of times.

    Attributes:
        path: The file, folder or brace pattern, or ``hf://owner/name[@revision][:config]``; of a
            file on the hub the downloaded copy.
        format: Name of the format.
        how: How it was recognised and which columns were taken, in words for the user.
        card: The data card in use, if any.
        image_root: The folder that image paths are relative to and must not leave.
        columns: Noun to field.
        name: Name of the data set, for ids that are made and :attr:`Sample.source`.
        split: Split (``hf`` only).
        config: Configuration (``hf`` only).
        streaming: Whether the hub is streamed rather than downloaded (``hf`` only).
        default_instruction: What is asked where a record has no instruction.
        allow_urls: Whether images may be http and https addresses.
        hub: The repository and its commit, where the data come from the hub.
        hub_images: Where in that repository its images are.
        given: The path as it was given; at its commit where that can be read in two ways.
        pictures: Whether each record is one picture, perhaps with a class; words are passed over.
    """

    path: str | Path
    format: str
    how: str = ""
    card: Card | None = None
    image_root: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    split: str | None = None
    config: str | None = None
    streaming: bool = True
    default_instruction: str | None = None
    allow_urls: bool = False
    hub: HubData | None = None
    hub_images: HubImages | None = None
    given: str = ""
    pictures: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether the data are read from the Hugging Face hub by ``datasets``."""
        return is_hub(self.path)

    @property
    def copied_format(self) -> str:
        """The format of what :meth:`copy_rows` writes."""
        return "parquet" if self.format == "hf" and not is_saved(self.file) else self.format

    @property
    def file(self) -> Path:
        """The path as a path."""
        return Path(self.path)

    def at(self, path: Path) -> Source:
        """The same source, reading another file of it."""
        return replace(self, path=path)

    def with_images(self, folder: Path | None) -> Source:
        """The same source, its images in another folder."""
        return replace(self, image_root=folder)

    def with_urls(self) -> Source:
        """The same source, its images permitted to be http and https addresses."""
        return replace(self, allow_urls=True)

    def samples(self) -> Iterator[Sample]:
        """Stream every record as a sample, bad ones with their reason; ids are unique.

        Where an id was seen before, the later row is a bad one and gets a made id.

        Raises:
            BadInputError: The file is broken at a place that cannot be passed over.
        """
        seen = SeenIds()
        for sample in format_named(self.format).read(self):
            first = seen.first(sample.id, sample.row)
            if first is not None:
                reason = sample.error or f"duplicate id {sample.id[:80]!r}, first at row {first}"
                made = f"{self.name}:{sample.row}"
                while seen.first(made, sample.row) is not None:
                    made += "+"
                sample = replace(sample, id=made, error=reason)
            yield sample

    def copy_rows(
        self, rows: Sequence[int], out_dir: Path, copy_images: bool = False
    ) -> list[Path]:
        """Write these records, unchanged and in input order, in the input's own format.

        Args:
            rows: Values of :attr:`Sample.row`, in any order.
            out_dir: Where to; made if needed.
            copy_images: Also copy image files, under the names that the records write; names
                without a folder to ``images/`` (``minigpt4``: ``image/``). Those of a folder of
                images or pictures are always copied.

        Returns:
            The files and folders written.

        Raises:
            BadInputError: A row is not there, an image is missing, the disk is full, or the
                output would be written over the input.
        """
        return format_named(self.format).copy_rows(self, rows, Path(out_dir), copy_images)

    def files(self) -> list[Path]:
        """The files that hold the records (not the images), for a manifest."""
        return format_named(self.format).files(self)

    def count_hint(self) -> int | None:
        """Number of records if that is cheap to know, for progress bars; else ``None``."""
        return format_named(self.format).count_hint(self)


def open_source(
    path: str | Path,
    *,
    format: str | None = None,
    images: str | Path | None = None,
    card: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    split: str | None = None,
    config: str | None = None,
    streaming: bool = True,
    default_instruction: str | None = None,
    revision: str | None = None,
    allow_urls: bool = False,
    pictures: bool = False,
) -> Source:
    """Recognise data and make ready to stream it.

    Args:
        path: File, folder, brace pattern of tars, or ``hf://owner/name``, with ``@revision``,
            ``:config`` or ``/file`` after it.
        format: Name of the format, where it should not be recognised.
        images: Folder that image paths are relative to; found by trying the first images where
            it is not given (the card's, the data's own, ``images/``, ``image/``).
        card: Name of a card, a path to one, or ``"none"``; found by file name if not given.
        columns: Noun (:data:`data_cards.columns.NOUNS`) to field, over what the card says.
        split: Split (``hf`` only).
        config: Configuration (``hf`` only).
        streaming: Stream the hub rather than download it (``hf`` only).
        default_instruction: What is asked where a record has no instruction.
        revision: Branch, tag or commit on the hub, over the path's own.
        allow_urls: Let images be http and https addresses; nothing is fetched before it is read.
        pictures: Read a corpus of pictures: each record must hold one image, its words are passed
            over, and its class is :attr:`Sample.label`. A folder of images is one then.

    Returns:
        The source; ``how`` says what was recognised.

    Raises:
        BadInputError: Nothing there, an unknown format, or no column for the response (the image).
    """
    given, hub = str(path), None
    chosen = _choose_card(path, card)
    if is_hub(path):
        name, hub = find_named(given, revision)
        if parse_name(given).file != name.file:  # a branch with a dot: its commit is plain
            given = written(replace(name, revision=hub.commit))
        config = config or name.subset
        path = given if name.file is None else hub_file(hub, name.file)
        chosen = chosen or _choose_card(path, card)
    remote = is_hub(path)
    if not remote:
        path = Path(path).expanduser()
        if not path.exists() and "{" not in str(path):
            raise not_there(path)
    notes: list[str] = []
    said = chosen.format if chosen else None
    if format is None and card is not None and said is not None:
        kind, reason = format_named(said), f"the card {card} says so"
    else:
        kind, reason = choose_format(path, format, remote, pictures)
    if not (remote or Path(path).exists() or kind.name == "webdataset"):
        raise not_there(path)  # braces mean several files to that format only
    if chosen and card is None and said not in (None, kind.name):
        notes.append(f"card {chosen.name} not used, it is about {said} data")
        chosen = None
    mapped = normalise_mapping(columns or {}, "columns")
    if mapped.get("label") and not pictures:
        raise BadInputError(
            "columns: a label is read in corpora of pictures only", "Leave `label` out."
        )
    source = Source(
        path=path if remote else Path(path),
        format=kind.name,
        card=chosen,
        name=chosen.source if chosen else _stem(hub.id if remote and hub else path),
        split=split,
        config=config,
        streaming=streaming,
        allow_urls=allow_urls,
        hub=hub,
        hub_images=HubImages(hub.id, hub.commit) if hub else None,
        given=given,
        pictures=pictures,
    )
    fields = kind.fields(source)
    mapping = kind.columns(fields)
    if chosen is not None:
        mapping.pop("source", None)  # the card's own name, unless it maps a field
        mapping |= chosen.columns
    mapping |= mapped
    _require_known(mapped, fields, source)
    if pictures:
        mapping = picture_columns(mapping, fields)
    else:
        mapping.pop("label", None)
    try:
        if not pictures:
            require_text(mapping, fields, str(path))
        elif kind.name != "webdataset":  # a tar holds its images beside the record
            require_image(mapping, fields, str(path))
    except BadInputError as error:
        files = record_files(hub) if remote and hub is not None else []
        if hub is None or not files:
            raise
        raise BadInputError(  # a folder of images beside the records is taken for the data set
            error.message,
            f"{error.remedy} Or name one file of it, e.g. hf://{hub.id}/{files[0]}.",
        ) from error
    asked = default_instruction or (chosen.instruction if chosen else None)
    if pictures:
        asked = None
    elif asked is None and not mapping.get("conversations") and not mapping.get("instruction"):
        asked = INSTRUCTION if kind.name == "minigpt4" else DESCRIBE
    source = replace(source, columns=mapping, default_instruction=asked)
    if hub is not None and images is None:
        root, said = None, ""
        source, inside = in_repository(source, hub)
        if inside is not None:
            said = "images in the repository" + (f"'s folder {inside}" if inside else "")
    else:
        root, said = _choose_image_root(source, images)
    beside = {"images": "those of each key"} if kind.name == "webdataset" else {}
    told = describe({**mapping, **beside})
    notes = [f"{kind.name}: {reason}", f"columns {told}", *notes]
    if chosen is not None:
        notes.append(f"by the card {chosen.name}")
    if hub is not None:
        notes.append(f"commit {hub.commit[:12]}")
    if asked is not None and not mapping.get("instruction") and not mapping.get("conversations"):
        notes.append(f'no question in the data: every sample is asked "{asked}"')
    if said:
        notes.append(said)
    return replace(source, image_root=root, how="; ".join(notes))


def _choose_card(path: str | Path, card: str | None) -> Card | None:
    if card is not None:
        return None if card in ("", "none") else load_card(card)
    name = find_card(path)
    return None if name is None else load_card(name)


def _require_known(given: Mapping[str, str], fields: Sequence[str], source: Source) -> None:
    for noun, value in given.items():
        names = [name for name in value.split("|") if name]
        if names and fields and not any(name in fields for name in names):
            raise BadInputError(
                f"{source.path}: no field {value!r} (for {noun}) in the first records",
                f"Fields there: {', '.join(fields)}.",
            )


def _stem(path: str | Path) -> str:
    stem = Path(path).name.split("{")[0]
    for suffix in (".gz", ".tar", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".tgz"):
        stem = stem.removesuffix(suffix)
    return stem.strip("-_.") or "data"


def _choose_image_root(source: Source, images: str | Path | None) -> tuple[Path | None, str]:
    """The folder that holds most of the first images; and a remark where it is not the obvious."""
    if images is not None:
        folder = Path(images).expanduser()
        if not folder.is_dir():
            raise BadInputError(
                f"the image folder {folder} does not exist",
                "Check the folder given for images (--images).",
            )
        return folder, f"images in {folder}"
    if source.is_remote:
        return None, ""
    home = source.file if source.file.is_dir() else source.file.parent
    named = [source.card.images] if source.card and source.card.images else []
    folders = [home / name for name in dict.fromkeys([*named, "", "images", "image"])]
    if source.format == "minigpt4":
        folders.reverse()
    folders = [folder for folder in folders if folder.is_dir()] or [home]
    if len(folders) == 1 or source.format in ("webdataset", "imagefolder", "pictures"):
        return folders[-1 if source.format == "minigpt4" else 0], ""
    best, most = folders[0], 0
    for folder in folders:
        found = _images_found(replace(source, image_root=folder))
        if found > most:
            best, most = folder, found
    return best, f"images in {best}" if best != home else ""


def _images_found(source: Source) -> int:
    count = shown = 0
    try:
        for sample in islice(format_named(source.format).read(source), _READ):
            count += sum(ref.path is not None and ref.path.is_file() for ref in sample.images)
            shown += bool(sample.images)
            if shown >= _PROBED:
                break
    except BadInputError:
        pass  # said in full when the samples are read
    return count
