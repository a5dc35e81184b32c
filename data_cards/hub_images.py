"""Images that lie in the data's own repository on the hub, fetched when they are read."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from data_cards.errors import BadInputError, BadRowError
from data_cards.hub import PREFIX, HubData, explained, told

_MEMBER = re.compile(r"zip://(?P<member>.+?)::(?P<archive>.+)", re.DOTALL)
_URL = re.compile(r"hf://datasets/(?P<id>[^@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")


@dataclass(frozen=True)
class HubImages:
    """Where the images of hub data are looked for.

    Attributes:
        id: The data set's repository; no other one is ever read.
        commit: The commit of it.
        folder: Folder of the repository that image names start from; ``None``: there is none.
    """

    id: str
    commit: str
    folder: str | None = None

    def url(self, name: str) -> str | None:
        """Address of the image that a record calls ``name``.

        Returns:
            ``hf://datasets/ID@COMMIT/PATH``; ``None`` where the name leaves the repository.
        """
        own = f"{PREFIX}datasets/{self.id}@"
        if name.startswith(own):
            path = name.removeprefix(own).partition("/")[2]
        elif "://" in name or name.startswith("/"):
            return None
        else:
            path = posixpath.join(self.folder or "", name)
        path = posixpath.normpath(path)
        if path.startswith(("../", "/")) or path in ("", ".", ".."):
            return None
        return f"{own}{self.commit}/{path}"

    def local(self, name: str) -> Path | None:
        """A file that ``datasets`` has downloaded, if ``name`` is one of this repository's."""
        # compared as written: the hub's cache holds links to files elsewhere in it
        logical = Path(posixpath.normpath(name))
        return Path(name) if logical.is_absolute() and self._cache in logical.parents else None

    def archive(self, name: str) -> Path | None:
        """The downloaded archive of this repository that ``zip://MEMBER::FILE`` speaks of."""
        found = _MEMBER.fullmatch(name)
        return None if found is None else self.local(found["archive"])

    @cached_property
    def _cache(self) -> Path:
        from huggingface_hub import constants

        folder = f"datasets--{self.id.replace('/', '--')}"
        return Path(constants.HF_HUB_CACHE) / folder / "snapshots"


def find_folder(hub: HubData, names: Iterable[str], candidates: Sequence[str]) -> str | None:
    """The folder of the repository that holds most of the named images; one request.

    Args:
        hub: The repository.
        names: Some image names, as the records write them.
        candidates: Folders to try, the likeliest first.

    Returns:
        The folder (``""``: the top), or ``None`` if none of the images is there.
    """
    from huggingface_hub import HfApi

    wanted = {
        folder: {
            url.partition(f"@{hub.commit}/")[2]
            for name in names
            if (url := HubImages(hub.id, hub.commit, folder).url(name)) is not None
        }
        for folder in dict.fromkeys(candidates)
    }
    paths = sorted(set().union(*wanted.values()))
    if not paths:
        return None
    with told(hub.id, hub.commit):
        found = HfApi().get_paths_info(hub.id, paths, revision=hub.commit, repo_type="dataset")
    there = {entry.path for entry in found}
    best = max(wanted, key=lambda folder: len(wanted[folder] & there))
    return best if wanted[best] & there else None


def fetch(url: str, max_bytes: int) -> Path:
    """Download one image into the hub's own cache, unless it is there.

    Args:
        url: As :meth:`HubImages.url` makes it.
        max_bytes: Larger files are refused before they are downloaded.

    Raises:
        BadRowError: It is not there, too large, or cannot be had.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub import try_to_load_from_cache as cached
    from huggingface_hub.errors import RemoteEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    found = _URL.fullmatch(url)
    if found is None:
        raise BadRowError(f"image address is not one of the hub: {url[:120]}")
    id, commit, path = found.groups()
    disable_progress_bars()  # one bar per image would be thousands
    try:
        known = cached(id, path, revision=commit, repo_type="dataset")
        if isinstance(known, str):
            return Path(known)
        place = hf_hub_url(id, path, revision=commit, repo_type="dataset")
        size = get_hf_file_metadata(place).size
        if size is not None and size > max_bytes:
            raise BadRowError(f"image too large ({size} bytes, limit {max_bytes}): {path[:120]}")
        return Path(hf_hub_download(id, path, revision=commit, repo_type="dataset"))
    except BadRowError:
        raise
    except RemoteEntryNotFoundError:
        raise BadRowError(f"image missing in the repository {id}: {path[:120]}") from None
    except Exception as error:  # the row says why; the next run asks again
        known_error = explained(error, id, commit) or error
        said = known_error.message if isinstance(known_error, BadInputError) else str(error)
        raise BadRowError(
            f"image not downloaded: {' '.join(said.split())[:120]}: {path[:80]}"
        ) from None


def read_member(url: str, max_bytes: int) -> bytes:
    """The bytes of one file in a downloaded archive.

    Args:
        url: ``zip://MEMBER::FILE``, which :meth:`HubImages.archive` has found to be safe.
        max_bytes: Larger ones are refused by what the archive says and by what comes out of it.

    Raises:
        BadRowError: It is not there, too large, or the archive is damaged.
    """
    found = _MEMBER.fullmatch(url)
    if found is None:
        raise BadRowError(f"image address is not one in an archive: {url[:120]}")
    name = found["member"]
    try:
        archive = _opened(found["archive"])
        size = archive.getinfo(name).file_size
        if size > max_bytes:
            raise BadRowError(f"image too large ({size} bytes, limit {max_bytes}): {name[:120]}")
        with archive.open(name) as member:
            return member.read(max_bytes)
    except BadRowError:
        raise
    except KeyError:
        raise BadRowError(f"image missing in the archive: {name[:120]}") from None
    except Exception as error:  # strangers made it: a dozen kinds, EOFError and LZMAError too
        said = " ".join(str(error).split())[:80] or type(error).__name__
        raise BadRowError(f"archive not readable ({said}): {name[:120]}") from None


@lru_cache(maxsize=8)
def _opened(path: str) -> zipfile.ZipFile:
    """One open archive for all threads (reading members is safe), its index read once."""
    return zipfile.ZipFile(path)
