"""WordNet's noun glosses, and its words as a list of what is English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

FOLDER = Path("usr/share/wordnet")
LICENCE = "WordNet 3.0"
# Numbers of lexicographer files (lexnames(5WN)) whose nouns can be seen in a picture.
LEXICOGRAPHER_FILES: Mapping[str, int] = {
    "animal": 5,
    "artifact": 6,
    "body": 8,
    "food": 13,
    "object": 17,
    "person": 18,
    "plant": 20,
}


@lru_cache(maxsize=2)
def english_words(root: Path) -> frozenset[str]:
    """Lower-case words (and parts of compounds) that WordNet knows, with regular plurals.

    Empty where the package is missing.
    """
    words: set[str] = set()
    for part in ("noun", "verb", "adj", "adv"):
        index = root / FOLDER / f"index.{part}"
        if not index.is_file():
            return frozenset()
        with index.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(" "):
                    continue
                lemma = line.split(" ", 1)[0]
                words.add(lemma)
                # Only English compounds are hyphenated; "_" also joins Latin names.
                words.update(lemma.split("-"))
        exceptions = root / FOLDER / f"{part}.exc"
        if exceptions.is_file():
            words.update(w for w in exceptions.read_text().split())
    plural = {w + "s" for w in words} | {w + "es" for w in words}
    tense = {w.removesuffix("e") + e for w in words for e in ("ing", "ed")}
    function_words = {"the", "and", "with", "for", "from", "your", "you", "this", "that", "into"}
    return frozenset(words | plural | tense | function_words)


class Glosses:
    """Looks up the definition of a noun in the sense that fits its category."""

    def __init__(self, root: Path) -> None:
        """Read the noun index and data; both are empty where the package is missing."""
        self._offsets: dict[str, list[str]] = {}
        self._synsets: dict[str, tuple[int, str]] = {}
        index, data = root / FOLDER / "index.noun", root / FOLDER / "data.noun"
        if not (index.is_file() and data.is_file()):
            return
        for line in index.read_text("utf-8", "replace").splitlines():
            if not line.startswith(" "):
                parts = line.split()
                count = int(parts[2])
                self._offsets[parts[0]] = parts[-count:]
        wanted = set(LEXICOGRAPHER_FILES.values())
        for line in data.read_text("utf-8", "replace").splitlines():
            if not line.startswith(" "):
                offset, file, _ = line.split(" ", 2)
                if int(file) in wanted:
                    self._synsets[offset] = (int(file), line.split("|", 1)[-1].strip())

    def definition(self, noun: str, files: tuple[str, ...]) -> str:
        """The gloss of the first sense in the first of these files that has one, no examples.

        Args:
            noun: A noun or compound, e.g. ``"polar bear"``.
            files: Names out of :data:`LEXICOGRAPHER_FILES`; senses outside are passed over,
                since the first sense over all files is the wrong one in about one of five.

        Returns:
            The definition, or the empty string where there is none.
        """
        lemma = re.sub(r"\s+", "_", noun.strip().casefold())
        for name in files:
            for offset in self._offsets.get(lemma, ()):
                file, gloss = self._synsets.get(offset, (-1, ""))
                if file == LEXICOGRAPHER_FILES[name] and not gloss.startswith("wood of"):
                    return re.split(r';\s*"', gloss)[0].strip().rstrip(";").strip()
        return ""
