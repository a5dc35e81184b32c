"""How an image model of timm is named, and what timm knows of it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.hub_models import HubModel, split_revision

PREFIX = "timm:"
HUB = "hf-hub:"
CONFIG = "config.json"
FORMS = (
    "Write timm:NAME.TAG (e.g. timm:vit_small_patch14_dinov2.lvd142m), timm:hf-hub:owner/name, "
    "both with @revision if wanted, timm:NAME@/path/of/checkpoint, or timm:/folder of config.json."
)
PICKLED = (".bin", ".pth", ".pt", ".tar")
_PATHS = ("/", "./", "../", "~")


@dataclass(frozen=True, slots=True)
class TimmSpec:
    """A spec in its parts.

    Attributes:
        model: Name as timm takes it: ``NAME``, ``NAME.TAG`` or ``local-dir:FOLDER``.
        revision: Of the repository that the named weights are in.
        repo: ``owner/name[@revision]`` of an ``hf-hub:`` model.
        weights: The local file that holds the weights.
        asked: The local file or folder that was named, for permissions.
    """

    model: str = ""
    revision: str | None = None
    repo: str | None = None
    weights: Path | None = None
    asked: Path | None = None

    @property
    def folder(self) -> Path | None:
        """The folder with ``config.json``, if there is one."""
        local = "local-dir:"
        return Path(self.model.removeprefix(local)) if self.model.startswith(local) else None

    def pinned(self, model: str, hub: HubModel | None) -> str:
        """The spec that gives the same weights again; ``model`` is the name with its tag."""
        if self.repo is not None:
            return f"{PREFIX}{HUB}{hub}"
        if self.asked is not None:
            place = self.asked.absolute()
            return f"{PREFIX}{place}" if self.folder else f"{PREFIX}{model}@{place}"
        return f"{PREFIX}{model}" + (f"@{hub.commit}" if hub else "")


def parse_spec(spec: str) -> TimmSpec:
    """Split a spec.

    Raises:
        BadInputError: The form is not known or the files are missing.
    """
    body = spec.removeprefix(PREFIX)
    if not spec.startswith(PREFIX) or not body:
        raise BadInputError(f"{spec!r} is not the spec of a model of timm.", FORMS)
    if body.startswith(HUB):
        return TimmSpec(repo=body.removeprefix(HUB))
    if body.startswith(_PATHS):
        return _local(spec, Path(body).expanduser())
    name, at, after = body.partition("@")
    if "/" in name or ":" in name or (at and not after):
        raise BadInputError(f"{spec}: {name!r} is no name of timm.", FORMS)
    if after.startswith(_PATHS) or Path(after).is_file():
        file = Path(after).expanduser()
        if not file.is_file():
            raise BadInputError(f"{spec}: there is no checkpoint file {file}.", FORMS)
        return TimmSpec(name, weights=file, asked=file)
    return TimmSpec(name, revision=after or None)


def _local(spec: str, path: Path) -> TimmSpec:
    """A folder as timm saves it, or one of its files."""
    folder = path if path.is_dir() else path.parent
    if not path.exists() or not (folder / CONFIG).is_file():
        wanted = f"{path} is not there" if not path.exists() else f"{folder} holds no {CONFIG}"
        raise BadInputError(f"{spec}: {wanted}.", FORMS)
    if path.is_file():
        return TimmSpec(f"local-dir:{folder}", weights=path, asked=path)
    weights = _weights_of(folder)
    if weights is None:
        raise BadInputError(
            f"{spec}: {folder} holds no file of weights, or several.",
            "Name the file itself, beside its config.json.",
        )
    return TimmSpec(f"local-dir:{folder}", weights=weights, asked=path)


def _weights_of(folder: Path) -> Path | None:
    """Its safetensors before its pickles, timm's own names before others."""
    safe = sorted(folder.glob("*.safetensors"))
    pickled = sorted(path for path in folder.iterdir() if path.suffix in PICKLED)
    for found, usual in ((safe, "model.safetensors"), (pickled, "pytorch_model.bin")):
        if found:
            named = folder / usual
            return named if named in found else found[0] if len(found) == 1 else None
    return None


def registered(name: str) -> tuple[str, Any]:
    """A name with its tag, and what timm knows of its weights (``PretrainedCfg``).

    Raises:
        BadInputError: timm does not know the name or the tag; says which is nearest.
    """
    import timm

    arch, _, tag = name.partition(".")
    if not timm.is_model(arch):
        known = timm.list_pretrained() if tag else timm.list_models()
        near = difflib.get_close_matches(name, known, 2, 0.5)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise BadInputError(f"timm knows no model {name!r}.", hint + FORMS)
    try:
        about = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [known for known in timm.list_pretrained() if known.startswith(f"{arch}.")]
        near = difflib.get_close_matches(name, tags, 1, 0.4)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInputError(
            f"timm knows no weights {tag!r} of {arch}.",
            f"{hint}Known: {', '.join(tags) or 'none'}.",
        ) from error
    tagged = f"{arch}.{about.tag}" if about is not None and about.tag else name
    return tagged, about


def repository(name: str, about: Any, revision: str | None) -> str:
    """``owner/name@revision`` of the weights that a tag stands for.

    Raises:
        BadInputError: There are none on the hub.
    """
    if about is None or not about.hf_hub_id:
        url = getattr(about, "url", None)
        if url:
            raise BadInputError(
                f"timm has the weights of {name} at an address only, as a pickle.",
                f"Fetch {url} yourself and name the file: {PREFIX}{name}@/path/to/it",
            )
        raise BadInputError(f"timm has no weights of {name}.", FORMS)
    repo, pinned = split_revision(str(about.hf_hub_id))
    return f"{repo}@{revision or pinned or ''}"


def safe_names(named: str | None) -> list[str]:
    """The safetensors files that hold what a pickle of this name holds, likeliest first."""
    stem = Path(named or "pytorch_model.bin").stem
    renamed = stem.replace("pytorch_model", "model")
    return [f"{one}.safetensors" for one in dict.fromkeys([renamed, stem])]
