"""Numbers with their nouns, as they stand in sentences."""

from __future__ import annotations

from data_cards.counted import counted

many = counted
"""``1 group``, ``2 groups``, ``1,000 groups``."""
