"""Fetches the packages with the demo's pictures and unpacks them; nothing is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_cards.demo.debian_archive import extract_package, package_fields
from data_cards.demo.sources import PACKAGES
from data_cards.errors import BadInputError

MARKERS = Path(".packages")
WITHOUT_APT = (
    "This system has no apt-get. On any computer, download these packages (.deb files, "
    "Architecture: all) from Debian 12 (bookworm), put them into one folder, and name it: "
    "--packages FOLDER. Packages: "
)


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch did.

    Attributes:
        unpacked: Package to version, unpacked now.
        present: Package to version, there already.
        missing: Package to the reason why it is not there; its source is left out of the pool.
    """

    unpacked: Mapping[str, str] = field(default_factory=dict)
    present: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.unpacked)} packages unpacked, {len(self.present)} present already"]
        lines += [f"left out: {name} ({reason})" for name, reason in self.missing.items()]
        return "\n".join(lines)


def _marker(root: Path, name: str) -> Path:
    return root / MARKERS / f"{name}.json"


def _present(root: Path, name: str) -> str | None:
    """Version of the package that is wholly unpacked below ``root``, if it is."""
    try:
        return str(json.loads(_marker(root, name).read_text())["version"])
    except (OSError, ValueError, KeyError):
        return None


def _run(command: Sequence[str], cwd: Path | None = None) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=1800
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


def _unpack(deb: Path, root: Path) -> tuple[str, str]:
    """Unpack one package file below ``root``, then write its marker; (name, version)."""
    fields = package_fields(deb)
    name, version = fields["Package"], fields["Version"]
    if _present(root, name) == version:
        return name, version
    # Into a folder beside first: a kill half-way leaves no half package without notice.
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as scratch:
        for tool in (["dpkg", "-x"], ["dpkg-deb", "-x"]):
            if shutil.which(tool[0]) and _run([*tool, str(deb), scratch])[0] == 0:
                break
        else:
            extract_package(deb, Path(scratch))
        _merge(Path(scratch), root)
    marker = _marker(root, name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    partial = marker.with_suffix(".partial")
    partial.write_text(json.dumps({"package": name, "version": version}) + "\n")
    partial.replace(marker)
    return name, version


def _merge(source: Path, target: Path) -> None:
    """Move everything below ``source`` to the same place below ``target``."""
    for entry in source.iterdir():
        goal = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            if goal.is_symlink():  # Never follow one package's link with another's files.
                goal.unlink()
            goal.mkdir(exist_ok=True)
            _merge(entry, goal)
        else:
            entry.replace(goal)


def unpack_folder(debs: Path, root: Path) -> FetchReport:
    """Unpack the ``.deb`` files of a folder below ``root``, as if they had been fetched.

    Raises:
        BadInputError: If the folder holds no ``.deb`` file.
    """
    files = sorted(debs.glob("*.deb"))
    if not files:
        raise BadInputError(f"{debs} holds no .deb file", WITHOUT_APT + " ".join(PACKAGES))
    root.mkdir(parents=True, exist_ok=True)
    unpacked: dict[str, str] = {}
    present: dict[str, str] = {}
    missing: dict[str, str] = {}
    for deb in files:
        try:
            before = {name: _present(root, name) for name in PACKAGES}
            name, version = _unpack(deb, root)
        except (ValueError, KeyError, OSError) as error:
            missing[deb.name] = str(error)
            continue
        (present if before.get(name) == version else unpacked)[name] = version
    for name in PACKAGES:
        if name not in unpacked and name not in present:
            known = _present(root, name)
            if known is None:
                missing[name] = f"no .deb file of it in {debs}"
            else:
                present[name] = known
    return FetchReport(unpacked, present, missing)


def fetch_packages(root: Path, names: Iterable[str] = PACKAGES) -> FetchReport:
    """Download packages with apt and unpack them, so that ``root/usr/share`` holds their files.

    Unattended, needs no administrator where apt's lists are fresh, and asks the network for
    nothing that is there already. A package that cannot be had is named in the report.

    Args:
        root: Folder to unpack into; made if need be.
        names: Packages.

    Raises:
        BadInputError: If something is to be fetched and there is no ``apt-get``.
    """
    root.mkdir(parents=True, exist_ok=True)
    present = {name: version for name in names if (version := _present(root, name)) is not None}
    wanted = [name for name in names if name not in present]
    if not wanted:
        return FetchReport(present=present)
    if shutil.which("apt-get") is None:
        raise BadInputError(WITHOUT_APT + " ".join(wanted))
    unpacked: dict[str, str] = {}
    missing: dict[str, str] = {}
    updated = False
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="pickwell-") as scratch:
            status, message = _run(["apt-get", "download", name], Path(scratch))
            if status != 0 and not updated:
                # Lists may be absent or too old for what the mirror holds now.
                _run(["apt-get", "update"])
                updated = True
                status, message = _run(["apt-get", "download", name], Path(scratch))
            debs = list(Path(scratch).glob("*.deb"))
            if status != 0 or not debs:
                missing[name] = message or "apt-get download failed"
                continue
            try:
                unpacked[name] = _unpack(debs[0], root)[1]
            except (ValueError, KeyError, OSError) as error:
                missing[name] = str(error)
    return FetchReport(unpacked, present, missing)
