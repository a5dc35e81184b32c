"""Data on the Hugging Face hub: how they are named, which commit is meant, and what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from data_cards.errors import BadInputError

PREFIX = "hf://"
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
KEPT = ("license", "license_name", "license_link", "language", "task_categories")
"""What of a card's front matter is carried over to what is made from the data."""

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(
    rf"(?:datasets/(?={_PART}/))?(?P<id>{_PART}(?:/{_PART})?)"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[^/:]+|[^:]+?))?(?:/(?P<file>[^:@]+\.\w+))?(?::(?P<subset>[^:]+))?"
)
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """``hf://owner/name[@revision][/file][:subset]``, taken apart.

    Attributes:
        id: ``owner/name``.
        revision: Branch, tag or commit; ``None``: the main branch.
        subset: Configuration of the data set.
        file: One file of the repository, to be read by its own format.
    """

    id: str
    revision: str | None = None
    subset: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class HubData:
    """A data repository at one commit.

    Attributes:
        id: ``owner/name``.
        commit: The commit that is read, 40 hexadecimal digits.
        asked: The revision as it was asked for.
        front_matter: :data:`KEPT` of its card.
        url: Its page.
    """

    id: str
    commit: str
    asked: str | None = None
    front_matter: Mapping[str, Any] = field(default_factory=dict, compare=False)
    url: str = ""


def is_hub(path: object) -> bool:
    """Whether a path speaks of the hub."""
    return str(path).startswith(PREFIX)


def parse_name(path: str) -> HubName:
    """Take a hub path apart.

    Raises:
        BadInputError: It is none.
    """
    found = _NAME.fullmatch(path.removeprefix(PREFIX).rstrip("/"))
    if found is None:
        raise BadInputError(
            f"{path} is not the name of data on the hub",
            "It reads hf://owner/name, hf://owner/name@revision, hf://owner/name:configuration or "
            "hf://owner/name/file.json.",
        )
    return HubName(**found.groupdict())


def find_named(path: str, revision: str | None = None) -> tuple[HubName, HubData]:
    """Take a hub path apart and ask the hub for its data.

    A branch may hold slashes and dots: where ``release`` is not there, ``@release/v1.0`` is one.

    Args:
        path: The hub path.
        revision: Branch, tag or commit, over the path's own.

    Raises:
        BadInputError: As of :func:`parse_name` and :func:`find_data`.
    """
    from huggingface_hub.errors import RevisionNotFoundError

    named = parse_name(path)
    first: BadInputError | None = None
    for name in _readings(named) if revision is None else [replace(named, revision=revision)]:
        try:
            return name, find_data(name)
        except BadInputError as error:
            first = first or error
            if not isinstance(error.__cause__, RevisionNotFoundError):
                break
    assert first is not None
    raise first


def _readings(name: HubName) -> Iterator[HubName]:
    """What a name may mean, the shortest revision first."""
    yield name
    if name.revision is None or name.file is None or name.revision.startswith("refs/"):
        return
    parts = name.file.split("/")
    for count in range(1, len(parts) + 1):
        revision = "/".join([name.revision, *parts[:count]])
        yield replace(name, revision=revision, file="/".join(parts[count:]) or None)


def find_data(name: HubName) -> HubData:
    """Ask the hub which commit is meant, and whether its files may be read.

    Raises:
        BadInputError: Repository or revision are not there, access is not granted, the hub cannot
            be reached, or offline mode is on.
    """
    with told(name.id, name.revision):
        from huggingface_hub import HfApi, constants

        api = HfApi()
        info = api.dataset_info(name.id, revision=name.revision)
        if info.gated:  # its card is public, its files are not: say so before the first of them
            api.auth_check(name.id, repo_type="dataset")
    card = info.card_data.to_dict() if info.card_data is not None else {}
    return HubData(
        id=name.id,
        commit=str(info.sha),
        asked=name.revision,
        front_matter={key: card[key] for key in KEPT if card.get(key)},
        url=f"{constants.ENDPOINT}/datasets/{name.id}",
    )


@contextmanager
def told(id: str, revision: str | None = None, kind: str = "data set") -> Iterator[None]:
    """Turn what the hub's clients raise into one line and a remedy.

    Args:
        id: The repository in question.
        revision: The revision that was asked for.
        kind: What it is called.
    """
    try:
        yield
    except BadInputError:
        raise
    except Exception as error:  # several libraries, each with exceptions of its own
        known = explained(error, id, revision, kind)
        if known is None:
            raise
        raise known from error


def explained(
    error: BaseException, id: str, revision: str | None = None, kind: str = "data set"
) -> BadInputError | None:
    """The message for an error of the hub's clients; ``None`` if it is of another origin.

    What caused an error counts too: ``datasets`` wraps what ``huggingface_hub`` raised.
    """
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'data set' else ''}{id}"
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, errors.GatedRepoError):
            return BadInputError(
                f"the {kind} {id} is gated: its owner wants its terms accepted first",
                f"Accept them on {page}, then {LOG_IN}.",
            )
        if isinstance(cause, errors.RepositoryNotFoundError):
            return BadInputError(
                f"there is no {kind} {id} on the hub, or it is private",
                f"Check the name; for private data {LOG_IN}.",
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return BadInputError(
                f"the {kind} {id} has no revision {revision or 'main'!r}",
                f"Branches, tags and commits are listed on {page}/commits/main.",
            )
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return BadInputError(
                f"offline mode is on (HF_HUB_OFFLINE), so that {id} cannot be had from the hub",
                "Unset HF_HUB_OFFLINE, or download the data where there is a network and give the "
                "folder.",
            )
        if isinstance(cause, errors.HFValidationError):
            return BadInputError(f"{id!r} is not a name on the hub", "It reads owner/name.")
    for cause in chain:
        if isinstance(cause, errors.HfHubHTTPError):
            return _by_status(cause, id, constants.ENDPOINT)
    if any(_is_transport(cause) for cause in chain):
        return BadInputError(
            f"no connection to the hub ({constants.ENDPOINT}), so that {id} cannot be had",
            "Check the network (and HF_ENDPOINT), then type the same again.",
        )
    return None


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a whole commit hash, which never changes its meaning."""
    return revision is not None and _SHA.fullmatch(revision) is not None


def pinned(path: str, commit: str | None) -> str:
    """The same hub path at a commit; what is no hub path stays as it is."""
    if not is_hub(path) or commit is None:
        return path
    return written(replace(parse_name(path), revision=commit))


def written(name: HubName) -> str:
    """The hub path of a name."""
    marks = zip(("@", "/", ":"), (name.revision, name.file, name.subset), strict=True)
    return f"{PREFIX}{name.id}" + "".join(mark + part for mark, part in marks if part)


def _by_status(error: Any, id: str, endpoint: str) -> BadInputError:
    status = error.response.status_code if error.response is not None else 0
    said = " ".join(str(getattr(error, "server_message", None) or error).split())[:200]
    if status == 401:
        return BadInputError("the hub does not accept the token", f"Renew it: {LOG_IN}.")
    if status == 403:
        return BadInputError(
            f"the token has not the rights that {id} needs: {said}",
            "Use a token of somebody who has them, with the scope to do this.",
        )
    if status == 429:
        return BadInputError(
            "the hub takes no more requests for now (429)", "Wait some minutes; logged in, more go."
        )
    if status >= 500:
        return BadInputError(
            f"the hub ({endpoint}) is down: it answered {status}", "Try again later."
        )
    return BadInputError(f"the hub refused ({status}): {said}", "Check name and options.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        implied = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or implied


def _is_transport(error: BaseException) -> bool:
    """Whether httpx could not connect, by whatever name the hub's client has it installed."""
    return any(
        kind.__name__ == "TransportError" and kind.__module__.startswith("httpx")
        for kind in type(error).__mro__
    ) or isinstance(error, ConnectionError)
