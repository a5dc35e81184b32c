"""Battle for Wesnoth: painted portraits with the prose that describes each kind of unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage, collapse, make_texts

FOLDER = Path("usr/share/games/wesnoth")
LICENCE = "GPL-2.0-or-later"
_UNIT = re.compile(r"\[unit_type\](.*?)\[/unit_type\]", re.S)
_BLOCK = re.compile(r"\[(?!unit_type\b|/)(\w+)\].*?\[/\1\]", re.S)


def _value(key: str, unit: str) -> str:
    found = re.search(rf'^\s*{key}\s*=\s*_?\s*"((?:[^"]|"")*)"', unit, re.M)
    if found is None:
        found = re.search(rf"^\s*{key}\s*=\s*([^\s\"_#]+)\s*$", unit, re.M)
    return collapse(found.group(1).replace('""', '"')) if found else ""


def _picture(profile: str, folders: list[Path]) -> Path | None:
    name = profile.split("~", 1)[0]
    return next((f / "images" / name for f in folders if (f / "images" / name).is_file()), None)


def _unit_files(data: Path) -> Iterator[tuple[Path, Path]]:
    """(unit file, the folder whose images it may name) of core and campaigns."""
    for path in sorted(data.glob("core/units/**/*.cfg")):
        yield path, data / "core"
    for path in sorted(data.glob("campaigns/*/units/*.cfg")):
        yield path, path.parent.parent


def iter_wesnoth(root: Path) -> Iterator[CaptionedImage]:
    """Every portrait that a described unit uses, once; the category is the unit's race."""
    seen = set()
    for data in sorted((root / FOLDER).glob("*/data")):
        for path, own in _unit_files(data):
            for unit in _UNIT.findall(path.read_text("utf-8", "replace")):
                plain = _BLOCK.sub("", unit)
                name, prose = _value("name", plain), _value("description", plain)
                profile = _value("profile", plain)
                picture = _picture(profile, [own, data / "core"]) if profile else None
                if picture is None or not name or not prose or picture in seen:
                    continue
                seen.add(picture)
                key = str(picture.relative_to(data).with_suffix(""))
                texts = make_texts(("title", name), ("description", prose))
                race = _value("race", plain) or "monster"
                yield CaptionedImage("wesnoth", key, picture, None, texts, race, LICENCE)
