"""Unpacks a Debian package with the standard library, where there is no dpkg.

A ``.deb`` is an ``ar`` archive that holds ``debian-binary``, ``control.tar.*`` and ``data.tar.*``.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

AR_MAGIC = b"!<arch>\n"


def _ar_members(blob: bytes) -> dict[str, bytes]:
    if not blob.startswith(AR_MAGIC):
        raise ValueError("not a Debian package (no ar archive)")
    members, position = {}, len(AR_MAGIC)
    while position + 60 <= len(blob):
        header = blob[position : position + 60]
        if header[58:60] != b"`\n":
            raise ValueError("damaged Debian package (bad ar header)")
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(header[48:58])
        start = position + 60
        if start + size > len(blob):
            raise ValueError("damaged Debian package (cut short)")
        members[name] = blob[start : start + size]
        position = start + size + size % 2
    return members


def package_fields(deb: Path) -> dict[str, str]:
    """The control fields ``Package``, ``Version``, ... of a package file.

    Raises:
        ValueError: If the file is no Debian package, or is damaged or compressed with something
            that this Python cannot read.
    """
    with _open_tar(deb, "control.tar") as archive:
        for member in archive:
            if member.name.lstrip("./") == "control":
                handle = archive.extractfile(member)
                assert handle is not None
                lines = handle.read().decode("utf-8", "replace").splitlines()
                pairs = (line.split(":", 1) for line in lines if ":" in line and line[0] != " ")
                return {key: value.strip() for key, value in pairs}
    raise ValueError("damaged Debian package (no control file)")


def _open_tar(deb: Path, prefix: str) -> tarfile.TarFile:
    for name, content in _ar_members(deb.read_bytes()).items():
        if name.startswith(prefix):
            try:
                return tarfile.open(fileobj=io.BytesIO(content))
            except tarfile.ReadError as error:
                raise ValueError(f"{name} cannot be read by this Python; use dpkg-deb") from error
    raise ValueError(f"damaged Debian package (no {prefix})")


def extract_package(deb: Path, folder: Path) -> None:
    """Unpack the files of a package below ``folder``; nothing in it can leave that folder.

    Raises:
        ValueError: As :func:`package_fields`, or if a member points outside.
    """
    with _open_tar(deb, "data.tar") as archive:
        try:
            archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise ValueError(f"unsafe or damaged Debian package: {error}") from error
