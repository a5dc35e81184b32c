"""Model repositories of the Hugging Face hub: one commit, its files, and what to do if not.

A name without a revision stands for the commit that the hub (or, without a network, the local
cache) gives for ``main`` at that moment; whoever asks records it, so that a later run can ask for
the very same.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError

log = logging.getLogger(__name__)
COMMIT = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"[\w.-]+/[\w.-]+")
OLD_NAME = re.compile(r"[\w.-]+")
"""Of a few models from before there were owners: ``bert-base-uncased``."""
SAFE = ("*.safetensors", "*.safetensors.index.json")
PICKLED = ("*.bin", "*.bin.index.json", "*.pt", "*.pth")
SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.spm")
"""Configuration and tokenizer files."""
CODE = ("*.py",)
Permission = bool | Collection[str]
"""Whether something is allowed: at all, or for the models of these names."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model repository at one commit.

    Attributes:
        repo: ``owner/name``.
        commit: Forty hexadecimal digits.
    """

    repo: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit}"


def split_revision(name: str) -> tuple[str, str | None]:
    """``owner/name@revision`` to its two parts."""
    repo, at, revision = name.partition("@")
    return repo, revision if at and revision else None


def permits(given: Permission, model: HubModel | Path) -> bool:
    """Whether a permission is for this very model.

    Args:
        given: Yes or no; or names, of which one must be the model's own: ``owner/name``, with
            ``@revision`` only if that is its commit now, or the folder.
        model: The repository at its commit, or a local folder.
    """
    if isinstance(given, bool):
        return given
    names = [*given, *(name.rpartition(":")[2] for name in given)]  # a whole spec will do
    if isinstance(model, Path):
        return any(name and Path(name).expanduser() == model for name in names)
    return any(_names(name, model) for name in names)


def _names(name: str, model: HubModel) -> bool:
    repo, revision = split_revision(name)
    if repo != model.repo or revision in (None, model.commit):
        return repo == model.repo
    try:
        return hub_model(name) == model
    except BadInputError:
        return False


def hub_model(name: str, *, old: bool = False) -> HubModel:
    """The commit that a name stands for now.

    Args:
        name: ``owner/name`` or ``owner/name@revision`` (branch, tag or commit).
        old: Whether a name without an owner will do, too (:data:`OLD_NAME`).

    Raises:
        BadInputError: There is no such repository or revision, it asks for a token, or the hub
            cannot be reached and nothing of it is in the local cache.
    """
    repo, revision = split_revision(name)
    if not NAME.fullmatch(repo) and not (old and OLD_NAME.fullmatch(repo)):
        raise BadInputError(f"{name!r} is no model of the hub.", "Write owner/name[@revision].")
    if revision is not None and COMMIT.fullmatch(revision):
        return HubModel(repo, revision)
    import huggingface_hub as hub

    try:
        info = hub.HfApi().model_info(repo, revision=revision, timeout=20)
        return HubModel(repo, str(info.sha))
    except Exception as error:  # a dozen kinds, from the network to the hub's own
        cached = _cached_commit(repo, revision or "main")
        if cached is not None and _unreachable(error):
            log.warning("the hub cannot be reached; %s as it lies in the cache (%s)", repo, cached)
            return HubModel(repo, cached)
        raise explained(error, name) from error


def fetch(model: HubModel, patterns: Sequence[str], least: str | None = None) -> Path:
    """Download those files of a commit that match, once; the folder that holds them.

    Args:
        model: What to fetch from.
        patterns: Shell patterns of file names.
        least: A file that must be among them.

    Raises:
        BadInputError: As for :func:`hub_model`; or ``least`` is not in the repository.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    given: dict[str, Any] = {"revision": model.commit, "allow_patterns": list(patterns)}
    try:
        folder = Path(hub.snapshot_download(model.repo, **given))
    except LocalEntryNotFoundError as error:
        try:
            folder = Path(hub.snapshot_download(model.repo, local_files_only=True, **given))
        except Exception:
            raise explained(error, str(model)) from error
    except Exception as error:
        raise explained(error, str(model)) from error
    if least is not None and not (folder / least).is_file():
        raise BadInputError(
            f"{model.repo} holds no {least}.", "Check that it is the kind of model that was named."
        )
    return folder


def fetch_weights(model: HubModel, *, pickled: bool, code: bool = False) -> Path:
    """Download configuration, tokenizer and weights; pickled weights and code only if allowed.

    Raises:
        BadInputError: Only pickled weights are there and ``pickled`` is false.
    """
    small = [*SMALL, *(CODE if code else ())]
    folder = fetch(model, [*small, *SAFE])
    if any(folder.glob("*.safetensors")):
        return folder
    if not pickled:
        raise only_pickled(model.repo)
    return fetch(model, [*small, *SAFE, *PICKLED])


def only_pickled(name: str) -> BadInputError:
    """What is said of weights that could run code when they are read."""
    return BadInputError(
        f"{name} has no safetensors weights; pickled ones can run code when they are read.",
        f"If you trust them: --allow-pickle {name}",
    )


def explained(error: Exception, name: str) -> BadInputError:
    """One line on what is wrong with a model of the hub, and one on what to do."""
    from data_cards import hub

    repo, revision = split_revision(name)
    if _unreachable(error):  # unlike data, a model that was fetched once needs no network
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
        why = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        return BadInputError(
            f"{repo} is not in the local cache, and {why}.",
            "Connect once, or name a local folder in its place.",
        )
    known = hub.explained(error, repo, revision, "model")
    said = " ".join(str(error).split())[:300] or type(error).__name__
    remedy = "Check the name and try again."
    return known or BadInputError(f"{repo} could not be fetched: {said}", remedy)


def _unreachable(error: Exception) -> bool:
    """Whether the hub was not reached, rather than answered no."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response is not None and error.response.status_code >= 500
    names = {kind.__name__ for kind in type(error).__mro__}
    reached = {"RequestError", "TransportError", "ConnectError", "TimeoutException"}
    return bool(names & reached) or isinstance(
        error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled | ConnectionError
    )


def _cached_commit(repo: str, revision: str) -> str | None:
    """Of ``main`` the snapshot that was fetched last; of another branch what it meant then.

    The cache's own ``refs/main`` is not asked: it is not written where a commit is fetched, as
    here, and may be older.
    """
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    if revision != "main":
        ref = folder / "refs" / revision
        return ref.read_text("utf-8").strip() if ref.is_file() else None
    snapshots = [path for path in (folder / "snapshots").glob("*") if COMMIT.fullmatch(path.name)]
    return max(snapshots, key=lambda path: path.stat().st_mtime).name if snapshots else None
