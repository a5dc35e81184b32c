"""How an open_clip model is named, and what can be known of it before anything is loaded."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.hub_models import HubModel, split_revision

PREFIX = "open_clip:"
HUB = "hf-hub:"
FORMS = (
    "Write open_clip:ARCH/PRETRAINED (e.g. open_clip:ViT-B-32/laion2b_s34b_b79k), "
    "open_clip:hf-hub:owner/name, both with @revision if wanted, "
    "open_clip:ARCH@/path/to/checkpoint, or open_clip:/folder/with/open_clip_config.json."
)
CONFIG = "open_clip_config.json"
WEIGHTS = ("*.safetensors", "*.bin", "*.pth", "*.pt")


@dataclass(frozen=True, slots=True)
class OpenClipSpec:
    """A spec in its parts.

    Attributes:
        model: Model name as open_clip takes it.
        tag: Pretrained tag, e.g. ``laion2b_s34b_b79k``.
        revision: Of the repository that the tag's weights are in.
        repo: ``owner/name[@revision]`` of an ``hf-hub:`` model.
        files: Local files of weights and configuration.
    """

    model: str = ""
    tag: str | None = None
    revision: str | None = None
    repo: str | None = None
    files: tuple[Path, ...] = ()

    @property
    def pretrained(self) -> str | None:
        """What open_clip takes as ``pretrained``."""
        if self.tag is not None:
            return self.tag
        local = self.model.startswith("local-dir:")
        return str(self.files[0]) if self.files and not local else None

    def pinned(self, hub: HubModel | None) -> str:
        """The spec that gives the same weights again."""
        if self.repo is not None and hub is not None:
            return f"{PREFIX}{HUB}{hub}"
        if self.tag is not None:
            return f"{PREFIX}{self.model}/{self.tag}" + (f"@{hub.commit}" if hub else "")
        if self.model.startswith("local-dir:"):
            return f"{PREFIX}{self.model.removeprefix('local-dir:')}"
        return f"{PREFIX}{self.model}@{self.files[0]}"


def parse_spec(spec: str) -> OpenClipSpec:
    """Split a spec.

    Raises:
        BadInputError: The form is not known or the files are missing.
    """
    body = spec.removeprefix(PREFIX)
    if not spec.startswith(PREFIX) or not body:
        raise BadInputError(f"{spec!r} is not the spec of an open_clip model.", FORMS)
    if body.startswith(HUB):
        return OpenClipSpec(repo=body.removeprefix(HUB))
    if body.startswith(("/", "./", "../", "~")):
        folder = Path(body).expanduser()
        files = sorted(f for pattern in WEIGHTS for f in folder.glob(pattern))
        if not (folder / CONFIG).is_file() or not files:
            message = f"{spec}: {folder} is not a folder with {CONFIG} and weights."
            raise BadInputError(message, FORMS)
        return OpenClipSpec(f"local-dir:{folder}", files=(folder / CONFIG, *files))
    name, at, after = body.partition("@")
    arch, slash, tag = name.rpartition("/")
    if at and not slash:
        file = Path(after).expanduser()
        if not file.is_file():
            raise BadInputError(f"{spec}: there is no checkpoint file {file}.", FORMS)
        return OpenClipSpec(name, files=(file,))
    if not slash or not arch or not tag:
        raise BadInputError(f"{spec}: the pretrained tag is missing.", FORMS)
    return OpenClipSpec(arch, tag=tag, revision=split_revision(body)[1])


def tag_config(parsed: OpenClipSpec) -> dict[str, Any]:
    """What open_clip knows of a pretrained tag.

    Raises:
        BadInputError: It does not know the tag; names those that it knows.
    """
    import difflib

    import open_clip

    known = open_clip.get_pretrained_cfg(parsed.model, parsed.tag)
    if not known:
        tags = open_clip.list_pretrained_tags_by_model(parsed.model)
        near = difflib.get_close_matches(str(parsed.tag), tags, 1, 0.4)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInputError(
            f"open_clip knows no weights {parsed.tag!r} of {parsed.model}.",
            f"{hint}Known: {', '.join(tags) or 'none'}.",
        )
    return dict(known)


def read_config(path: Path) -> dict[str, Any]:
    """The model part of an ``open_clip_config.json``."""
    stored = json.loads(path.read_text("utf-8"))
    return stored.get("model_cfg", stored)


def model_config(model_name: str) -> dict[str, Any]:
    """The architecture's configuration; read from its file while open_clip is not imported.

    Raises:
        BadInputError: open_clip does not know the architecture.
    """
    if model_name.startswith("local-dir:"):
        path = Path(model_name.removeprefix("local-dir:")) / CONFIG
        return read_config(path)
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        message = "This encoder needs the Python package open_clip_torch."
        raise BadInputError(message, "pip install open_clip_torch")
    shipped = Path(found.origin).parent / "model_configs"
    path = shipped / f"{model_name}.json"
    if "open_clip" not in sys.modules and path.is_file():
        return json.loads(path.read_text("utf-8"))
    import difflib

    import open_clip

    config = open_clip.get_model_config(model_name)
    if config is None:
        near = difflib.get_close_matches(model_name, open_clip.list_models(), 3, 0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise BadInputError(f"open_clip knows no architecture {model_name!r}.", hint + FORMS)
    return config


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
