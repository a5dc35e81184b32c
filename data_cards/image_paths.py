"""From what a record says about an image to a reference that is safe to follow."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from data_cards.errors import BadRowError
from data_cards.sample import ImageRef

if TYPE_CHECKING:
    from data_cards.hub_images import HubImages

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:(//|\\\\)")
_CACHED_FOLDERS = 10_000


class ImageResolver:
    """Resolves image names against one folder, and lets none out of it.

    Folders are resolved once and remembered, so that a name costs one system call (is the file
    itself a symbolic link?) rather than one for each part of its path.

    Args:
        root: The folder that all images must lie in; ``None``: paths cannot be followed.
        allow_urls: Whether http and https addresses become references rather than errors.
        hub: The repository that the records came from; its images are fetched when they are read.
    """

    def __init__(
        self, root: Path | None, *, allow_urls: bool = False, hub: HubImages | None = None
    ) -> None:
        self._allow_urls = allow_urls
        self._hub = hub
        self._root = None if root is None else os.path.realpath(root)
        self._inside = "" if self._root is None else self._root.rstrip(os.sep) + os.sep
        self._folders: dict[str, str | None] = {}

    def reference(self, value: Any) -> ImageRef:
        """Make a reference of one image value.

        Args:
            value: A path, a ``data:`` URI, encoded bytes, or a mapping with ``bytes`` and
                ``path`` (Parquet, ``datasets``) or ``url`` (OpenAI).

        Returns:
            A reference with exactly one of ``path``, ``data``, ``url`` and ``error``.

        Raises:
            BadRowError: ``value`` is of no kind that speaks of an image.
        """
        if isinstance(value, str):
            return self._from_text(value)
        if isinstance(value, bytes):
            return ImageRef("", data=value)
        if isinstance(value, Mapping):
            name, data = value.get("path"), value.get("bytes")
            if isinstance(data, bytes):
                return ImageRef(name if isinstance(name, str) else "", data=data)
            for key in ("path", "url", "image_url", "image", "file_name"):
                if isinstance(value.get(key), str | Mapping):
                    return self.reference(value[key])
        raise BadRowError(f"an image is {kind_of(value)}, not a path or bytes")

    def _from_text(self, name: str) -> ImageRef:
        if name[:5].lower() == "data:":
            return _data_uri(name)
        if not name or "\0" in name:
            return ImageRef(name, error="image name is empty or holds a null character")
        if self._hub is not None:
            found = self._in_repository(name, self._hub)
            if found is not None:
                return found
        if _URL.match(name):
            return self._from_url(name)
        return self.file(name)

    def file(self, name: str) -> ImageRef:
        """Make a reference of a file's name, whatever else the name looks like.

        Args:
            name: Path below the root; a link that stays inside it is followed.
        """
        if self._root is None:
            return ImageRef(name, error=f"image folder not known (give --images): {name[:120]}")
        try:
            path = self._follow(name)
        except (OSError, ValueError):
            return ImageRef(name, error=f"image name cannot be a path: {name[:120]!a}")
        if path is None:
            return ImageRef(name, error=f"image path leaves the data root: {name[:120]}")
        return ImageRef(name, path=Path(path))

    def _from_url(self, name: str) -> ImageRef:
        if not name[:8].lower().startswith(("http://", "https://")):
            return ImageRef(name, error=f"image is a URL; not fetched: {name[:120]}")
        if not self._allow_urls:
            said = f"image is a URL; not fetched without --allow-urls: {name[:120]}"
            return ImageRef(name, error=said)
        return ImageRef(name, url=name)

    def _in_repository(self, name: str, hub: HubImages) -> ImageRef | None:
        """An image of the records' own repository; ``None`` where something else is meant."""
        if name.startswith("hf://datasets/"):
            url = hub.url(name)
            return None if url is None else ImageRef(name, url=url)
        if name.startswith("zip://"):
            if hub.archive(name) is not None:
                return ImageRef(name, url=name)
            said = "image lies in an archive of the repository; read it with --no-streaming"
            return ImageRef(name, error=f"{said}: {name[:120]}")
        if "://" in name:
            return None
        local = hub.local(name)
        if local is not None:
            return ImageRef(name, path=local)
        if self._root is not None or hub.folder is None:
            return None
        url = hub.url(name)
        if url is None:
            return ImageRef(name, error=f"image path leaves the data root: {name[:120]}")
        return ImageRef(name, url=url)

    def _follow(self, name: str) -> str | None:
        if not name.isascii():
            name.encode()
        folder, slash, base = name.rpartition("/")
        if base in ("", ".", ".."):
            path = os.path.realpath(os.path.join(self._root or "", name))  # noqa: PTH118
            return path if self._holds(path) else None
        folder += slash
        try:
            real = self._folders[folder]
        except KeyError:
            if len(self._folders) >= _CACHED_FOLDERS:
                self._folders.clear()
            # Joining with an absolute folder gives that folder; it must then lie inside.
            resolved = os.path.realpath(os.path.join(self._root or "", folder))  # noqa: PTH118
            held = resolved.rstrip(os.sep) + os.sep if self._holds(resolved) else None
            real = self._folders[folder] = held
        if real is None:
            return None
        path = real + base
        if os.path.islink(path):  # noqa: PTH114
            path = os.path.realpath(path)
            return path if self._holds(path) else None
        return path

    def _holds(self, path: str) -> bool:
        return path == self._root or path.startswith(self._inside)


def kind_of(value: Any) -> str:
    """Name the kind of a value in plain words, with its article, for messages."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true or false"
    for kinds, words in (
        ((int, float), "a number"),
        ((str,), "text"),
        ((bytes,), "bytes"),
        ((Mapping,), "an object"),
        ((list, tuple), "a list"),
    ):
        if isinstance(value, kinds):
            return words
    return f"a {type(value).__name__}"


def _data_uri(uri: str) -> ImageRef:
    head, comma, body = uri.partition(",")
    name = head[:60] + comma + "..."
    try:
        if not comma:
            raise ValueError("no comma")
        if head.lower().endswith(";base64"):
            data = base64.b64decode("".join(body.split()), validate=True)
        else:
            data = unquote_to_bytes(body)
    except (ValueError, binascii.Error):
        return ImageRef(name, error="image data: URI is not valid base64")
    return ImageRef(name, data=data)
