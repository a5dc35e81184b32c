"""``push``: a selection as a data repository on the hub, in one commit or not at all."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from data_cards.hub import LOG_IN, told
from pickwell.licences import Verdict, judge_licence
from pickwell.local_paths import local_paths, without_local_paths
from pickwell.push_records import RECORDS, TABLE, copy_table, whole_table, write_records
from pickwell.push_records import write_table as write_samples

if TYPE_CHECKING:
    import pyarrow as pa
    from huggingface_hub import HfApi

    from data_cards.source import Source

OWN = ("selection.parquet", "manifest.json")
"""Files that make a repository one of ours, which may be pushed to again."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Pushed:
    """What went to the hub, or would go.

    Attributes:
        id: ``owner/name``.
        files: Path in the repository to size in bytes.
        licence: What is to be said of the licence.
        url: Page of the commit; ``None`` after a dry run.
        commit: Its hash; ``None`` after a dry run.
        unchanged: The branch held just these files before: nothing was committed.
    """

    id: str
    files: dict[str, int]
    licence: Verdict
    url: str | None = None
    commit: str | None = None
    unchanged: bool = False


def push(
    selection: str | Path,
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    token: str | None = None,
    licence_confirmed: bool = False,
    image_files: bool = True,
    dry_run: bool = False,
    on_progress: Progress = lambda stage, done, total: None,
) -> Pushed:
    """Push a selection to the Hugging Face hub.

    The repository holds the chosen samples as Parquet with their images (``load_dataset`` opens
    that), the records as they came, ``selection.parquet``, ``manifest.json`` and the data card,
    the last three without local paths. All files go in one commit.

    Args:
        selection: The selection folder.
        repository: ``owner/name``; made if it is not there.
        private: Make it a private one.
        revision: Branch; made if it is not there. ``None``: the main one. Like the repository,
            one that holds something else than a selection is not touched.
        message: Message of the commit.
        token: Access token; ``None``: that of ``HF_TOKEN`` or of ``hf auth login``.
        licence_confirmed: Whoever pushes has made sure that the source's licence allows it.
        image_files: Beside the records also push the image files that they name.
        dry_run: Only tell what would go; the hub is not asked.
        on_progress: Called with stage, done and expected count.

    Raises:
        BadInputError: There is no selection, the name is none, the licence is not confirmed, a
            record or image is gone, the repository holds something else, or the hub refuses.
    """
    folder = Path(selection)
    if _NAME.fullmatch(repository) is None or "--" in repository or ".." in repository:
        raise BadInputError(
            f"{repository!r} is not a name on the hub.",
            "It reads owner/name; letters, digits, -, _ and . are allowed.",
        )
    manifest = _manifest(folder)
    from pickwell.push_card import front_matter_of

    licence = judge_licence(front_matter_of(folder).get("license"))
    if licence.confirm and not licence_confirmed and not dry_run:
        raise BadInputError(
            licence.words,
            "If you have made sure that you may pass the samples on, add --licence-confirmed.",
        )
    with tempfile.TemporaryDirectory(prefix="pickwell-push-") as name:
        stage = Path(name)
        on_progress("gather", 0, None)
        _gather(folder, manifest, stage, repository, revision, image_files)
        paths = sorted(path for path in stage.rglob("*") if path.is_file())
        files = {path.relative_to(stage).as_posix(): path.stat().st_size for path in paths}
        if dry_run:
            return Pushed(repository, files, licence)
        on_progress("upload", 0, None)
        return _upload(stage, files, repository, licence, private, revision, message, token)


def token_from(variable: str | None) -> str | None:
    """The token in an environment variable; ``None`` where none was named.

    Raises:
        BadInputError: The variable is not set.
    """
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        raise BadInputError(
            f"The environment variable {variable} is not set.", "Put the token there, or leave out "
            "--token-from-env to use HF_TOKEN or the login of `hf auth login`."
        )  # fmt: skip
    return token


def _manifest(folder: Path) -> dict[str, Any]:
    from pickwell.selection_files import open_selection

    open_selection(folder)  # says what the folder is instead
    try:
        return dict(json.loads((folder / "manifest.json").read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{folder / 'manifest.json'} cannot be read: {error}.",
            "Select again with `pickwell select`.",
        ) from error


def _gather(
    folder: Path,
    manifest: dict[str, Any],
    stage: Path,
    id: str,
    revision: str | None,
    image_files: bool,
) -> None:
    """Put everything that goes to the hub into ``stage``."""
    from pickwell.config import FinetuneConfig
    from pickwell.push_card import pushed_card
    from pickwell.selection_files import entry, open_selection, write_table
    from pickwell.training_source import training_samples, training_sources

    selection = open_selection(folder)
    picks = {row["id"]: row for row in selection.table.to_pylist() if row["stage"] == "chosen"}
    options, known = _run_options(manifest)
    fetching = [run for run in options if run.get("allow_urls")]
    known += [str(folder.absolute()), str(Path.home()), str(Path.cwd())]
    sources = training_sources(folder, FinetuneConfig())
    downloader = None
    if fetching:
        from data_cards.downloader import Downloader
        from pickwell.scoring_job import default_cache

        cache = Path(fetching[0]["cache"]) if fetching[0].get("cache") else default_cache()
        downloader = Downloader(cache / "downloads")
        sources = _with_urls(sources, options)
    table = whole_table(sources)
    if table is not None:
        copy_table(table, stage / TABLE)
    else:
        write_samples(training_samples(sources, None), stage / TABLE, picks, downloader)
        write_records(sources, stage / RECORDS, image_files=image_files)
    cleaned = without_local_paths(dict(selection.parameters), known)
    rows = _without_paths(selection.table, known)
    write_table(type(selection)(rows, cleaned, selection.quotas), stage)
    paths = [path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file()]
    card = pushed_card(folder, id, [*paths, "manifest.json"], known, revision)
    (stage / "README.md").write_text(card, "utf-8")
    # hashes of what goes to the hub, not of what lies in the selection folder
    outputs = [entry(stage / path, Path(path)) for path in sorted([*paths, "README.md"])]
    told = without_local_paths(manifest, known) | {"outputs": outputs}
    told.pop("started_in", None)  # names folders of this machine
    (stage / "manifest.json").write_text(
        json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8"
    )


def _with_urls(sources: list[Source], options: list[dict[str, Any]]) -> list[Source]:
    """Parts may have addresses for images where a run allowed it that put records there.

    Part n is begun by run n or a later one; where runs share a part, later ones may be in it.
    """
    alone = len(sources) == len(options)
    runs = [options[n : n + 1] if alone else options[n:] for n in range(len(sources))]
    return [
        source.with_urls() if any(run.get("allow_urls") for run in here) else source
        for source, here in zip(sources, runs, strict=True)
    ]


def _without_paths(table: pa.Table, known: list[str]) -> pa.Table:
    """Reasons name files at times."""
    import pyarrow as pa

    reasons = without_local_paths(table["reason"].to_pylist(), known)
    place = table.schema.get_field_index("reason")
    return table.set_column(place, table.schema.field(place), pa.array(reasons, pa.string()))


def _run_options(manifest: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """How each run was scored, and the local paths that runs and selection know of."""
    known = list(local_paths(manifest))
    options = []
    for folder in [run["folder"] for run in manifest.get("runs") or []] or [manifest.get("run")]:
        try:
            run = json.loads((Path(folder) / "run.json").read_text("utf-8"))
        except (OSError, ValueError, TypeError):
            run = {}
        known += local_paths({"input": run.get("input"), "options": run.get("options")})
        options.append(dict(run.get("options") or {}))
    return options, known


def _upload(
    stage: Path,
    files: dict[str, int],
    id: str,
    licence: Verdict,
    private: bool,
    revision: str | None,
    message: str | None,
    token: str | None,
) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
    from huggingface_hub import constants as hub

    token = token or get_token()
    if token is None and not hub.is_offline_mode():
        raise BadInputError(
            "Pushing needs a token, and there is none.", f"First {LOG_IN} (one that may write)."
        )
    api = HfApi(token=token)
    made = False
    try:
        with told(id, revision):
            made = _make(api, id, private)
            stale = [
                path
                for path in _branch(api, id, revision)
                if path.startswith((f"{RECORDS}/", "data/")) and path not in files
            ]
            head = api.dataset_info(id, revision=revision).sha
            # upload_folder would make several commits of many files: half a selection in between
            with _empty_commit_untold():
                info = api.create_commit(
                    id,
                    [
                        *(CommitOperationDelete(path) for path in stale),
                        *(CommitOperationAdd(path, stage / path) for path in files),
                    ],
                    commit_message=message or "Selection by pickwell",
                    repo_type="dataset",
                    revision=revision,
                )
    except BadInputError as error:
        if made:
            said = f"{error.remedy} The repository {id} was made and is still empty."
            raise BadInputError(error.message, said.strip()) from error
        raise
    return Pushed(id, files, licence, str(info.commit_url), str(info.oid), info.oid == head)


@contextmanager
def _empty_commit_untold() -> Iterator[None]:
    """Keep back the hub's own line about a commit that would change nothing: ours says it."""

    def told(record: logging.LogRecord) -> bool:
        return "No files have been modified" not in record.getMessage()

    log = logging.getLogger("huggingface_hub.hf_api")
    log.addFilter(told)
    try:
        yield
    finally:
        log.removeFilter(told)


def _make(api: HfApi, id: str, private: bool) -> bool:
    """Make the repository where it is not there; whether it was made."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(id)
    except RepositoryNotFoundError:
        info = None  # what fails next has another cause
    if info is None:
        api.create_repo(id, repo_type="dataset", private=private)
        return True
    if private and not info.private:
        raise BadInputError(
            f"The repository {id} is there already, and public.",
            "Make it private on its page, or choose another name.",
        )
    return False


def _branch(api: HfApi, id: str, revision: str | None) -> list[str]:
    """The files of the branch that is pushed to, which is made where it is not there.

    Raises:
        BadInputError: It was there, and holds something else than a selection.
    """
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        files = set(api.list_repo_files(id, repo_type="dataset", revision=revision))
    except RevisionNotFoundError:
        files = None
    if files is None:
        if revision is not None:
            api.create_branch(id, branch=revision, repo_type="dataset")
        return list(api.list_repo_files(id, repo_type="dataset", revision=revision))
    if files - {".gitattributes"} and not set(OWN) <= files:
        where = "repository" if revision is None else f"branch {revision!r} of the repository"
        raise BadInputError(
            f"The {where} {id} holds something else than a selection.",
            "Choose another name, or push to a new branch of its own with --revision.",
        )
    return sorted(files)
