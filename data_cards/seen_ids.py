"""Which ids were seen, and where first, in about 20 bytes an id."""

from __future__ import annotations

from array import array
from hashlib import blake2b


class SeenIds:
    """A set of strings that keeps an 8-byte hash of each and the number of the one that was first.

    Open addressing over one array of hashes (8 bytes an id), one of rows (4) and one table of
    positions (4 bytes a slot, between a third and two thirds full). Two different ids among a
    million share a hash with probability 3e-8.
    """

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._rows = array("I")
        self._slots = array("I", bytes(4 * 1024))
        self._mask = 1023

    def __len__(self) -> int:
        return len(self._hashes)

    def first(self, key: str, row: int) -> int | None:
        """Remember ``key`` at ``row``.

        Args:
            key: Any string; lone surrogates are allowed.
            row: Its row number.

        Returns:
            ``None`` if it is new, else the row where it was first.
        """
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = int.from_bytes(digest, "little")
        slots, hashes, mask = self._slots, self._hashes, self._mask
        slot = value & mask
        while (position := slots[slot]) != 0:
            if hashes[position - 1] == value:
                return self._rows[position - 1]
            slot = (slot + 1) & mask
        hashes.append(value)
        self._rows.append(row)
        slots[slot] = len(hashes)
        if 3 * len(hashes) > 2 * len(slots):
            self._grow()
        return None

    def _grow(self) -> None:
        size = 2 * len(self._slots)
        slots, mask = array("I", bytes(4 * size)), size - 1
        for position, value in enumerate(self._hashes, 1):
            slot = value & mask
            while slots[slot] != 0:
                slot = (slot + 1) & mask
            slots[slot] = position
        self._slots, self._mask = slots, mask
